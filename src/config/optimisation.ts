import { z } from "zod";

const nonNegative = () => z.number().min(0);
const share = () => z.number().min(0).lt(1);

/** How parameters follow their gradient: settings of a whole model, or of one branch of it. */
export const optimisationFields = {
  optimizer: z.enum(["sgd", "adamw"]).default("sgd").describe("sgd (with Nesterov momentum) or adamw"),
  lr0: z.number().positive().default(0.01).describe("learning rate after the warm-up"),
  lrf: z.number().positive().default(0.01).describe("learning rate at the end, as a share of lr0"),
  schedule: z.enum(["cosine", "linear"]).default("cosine").describe("course of the learning rate, by epoch"),
  momentum: share().default(0.937).describe("momentum of sgd, first beta of adamw"),
  weightDecay: nonNegative()
    .default(0.0005)
    .describe("weight decay at the nominal batch; none on norms and biases"),
  warmupEpochs: nonNegative().default(3).describe("length of the warm-up; 0: none (epochs)"),
  warmupMomentum: share().default(0.8).describe("momentum at the start of the warm-up"),
  warmupBiasLr: nonNegative().default(0.1).describe("learning rate of biases at the start of the warm-up"),
  clipNorm: nonNegative().default(10).describe("largest global norm of the gradient; 0: no clipping"),
  freeze: z
    .enum(["none", "backbone", "all"])
    .default("none")
    .describe("what is not trained; backbone: all but the heads"),
};

/** The settings of one branch; null: as for the whole model. */
export function branchOptimisation(branch: string) {
  const own = <T extends z.ZodType>(field: z.ZodDefault<T>) =>
    field
      .unwrap()
      .nullable()
      .default(null)
      .describe(`${branch} branch of a dual model: ${field.description}`);
  const f = optimisationFields;
  return z
    .strictObject({
      optimizer: own(f.optimizer),
      lr0: own(f.lr0),
      lrf: own(f.lrf),
      schedule: own(f.schedule),
      momentum: own(f.momentum),
      weightDecay: own(f.weightDecay),
      warmupEpochs: own(f.warmupEpochs),
      warmupMomentum: own(f.warmupMomentum),
      warmupBiasLr: own(f.warmupBiasLr),
      clipNorm: own(f.clipNorm),
      freeze: own(f.freeze),
    })
    .prefault({})
    .describe(`what the ${branch} branch of a dual model is trained with, where it is not as the model`);
}

const settingsSchema = z.object(optimisationFields);
/** How the parameters of a model, or of one branch, follow their gradient. */
export type Optimisation = z.output<typeof settingsSchema>;

/** The settings of a branch: its own, and for the rest those of the whole model. */
export function optimisationOf(
  config: Optimisation & {
    readonly optim: Readonly<Record<string, { readonly [K in keyof Optimisation]: Optimisation[K] | null }>>;
  },
  branch: string | null,
): Optimisation {
  const own: Partial<Record<keyof Optimisation, unknown>> = branch === null ? {} : config.optim[branch];
  const keys = Object.keys(optimisationFields) as (keyof Optimisation)[];
  return Object.fromEntries(keys.map((key) => [key, own[key] ?? config[key]])) as Optimisation;
}
