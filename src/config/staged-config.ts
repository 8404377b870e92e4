import { z } from "zod";
import { type ConfigValues, mergeConfig } from "./config-file.js";
import { parseWith, resolveTrainConfig } from "./resolve.js";
import { type TrainConfig, trainConfigSchema } from "./train-config.js";

/** Options that every stage of a training has alike: what is trained, on what, and where. */
export const sharedKeys = [
  "data",
  "model",
  "weights",
  "detectionWeights",
  "classificationWeights",
  "seed",
  "device",
  "threads",
  "out",
  "fraction",
  "allowLeakage",
] as const satisfies readonly (keyof TrainConfig)[];

type SharedKey = (typeof sharedKeys)[number];
/** The options of one stage, every one resolved, and its name. */
export type StageOptions = Omit<TrainConfig, SharedKey> & { readonly name: string };
/** A resolved training in stages. It has the form of its file, so it can be written and resolved again. */
export type StagedConfig = Pick<TrainConfig, SharedKey> & { readonly stages: readonly StageOptions[] };

const kebab = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const name = z
  .string({
    error: (issue) => (issue.input === undefined ? "is required; give the stage a name" : undefined),
  })
  .max(50)
  .regex(kebab, "expected lower-case words with dashes between them, such as each-branch");

const isShared = (key: string) => (sharedKeys as readonly string[]).includes(key);
const stageFields = Object.fromEntries(
  Object.entries(trainConfigSchema.shape).map(([key, schema]) => [
    key,
    isShared(key)
      ? z.never({ error: "is the same in every stage; put it beside `stages`" }).optional()
      : schema.optional(),
  ]),
);

/** What a file of stages may hold: the options of all stages, and under `stages` what each has of its own. */
const stagedSchema = trainConfigSchema.extend({
  stages: z
    .array(z.strictObject({ name, ...stageFields }))
    .min(1)
    .superRefine((stages, { addIssue }) => {
      stages.forEach((stage, i) => {
        const first = stages.findIndex((other) => other.name === stage.name);
        if (first === i) return;
        addIssue({
          code: "custom",
          path: [i, "name"],
          message: `expected a name of its own, not that of stages.${first}`,
        });
      });
    }),
});

/** Whether the values of a configuration file are of a training in stages. */
export function hasStages(values: ConfigValues): boolean {
  return values.stages !== undefined;
}

/**
 * The training in stages that `input` describes: the options of each stage are its own, then those beside `stages`,
 * then the defaults. Resolving a resolved one changes nothing.
 * @param origin what the message names, such as the path of the configuration file
 * @throws EchoDuetError `config` that lists EVERY issue with its path (`stages.1.freeze: ...`)
 */
export function resolveStagedConfig(input: ConfigValues, origin: string): StagedConfig {
  parseWith(stagedSchema, input, origin);
  const { stages, ...base } = input as ConfigValues & { stages: (ConfigValues & { name: string })[] };
  const resolved = stages.map(({ name, ...own }, i) => ({
    name,
    config: resolveTrainConfig(mergeConfig(base, own), `${origin}: stages.${i}`),
  }));
  const [{ config }] = resolved;
  return {
    ...(Object.fromEntries(sharedKeys.map((key) => [key, config[key]])) as Pick<TrainConfig, SharedKey>),
    stages: resolved.map(({ name, config }) => ({ name, ...withoutShared(config) })),
  };
}

function withoutShared(config: TrainConfig): Omit<TrainConfig, SharedKey> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !isShared(key))) as Omit<
    TrainConfig,
    SharedKey
  >;
}

/** The configuration of stage `index` (from 0) as of a training of its own. */
export function stageConfig({ stages, ...shared }: StagedConfig, index: number): TrainConfig {
  const { name: _name, ...options } = stages[index];
  return { ...shared, ...options };
}
