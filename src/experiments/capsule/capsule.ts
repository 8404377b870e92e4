import { readFileSync } from "node:fs";
import { z } from "zod";
import { parseWith, trainConfigSchema } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { ioError } from "../../io/index.js";

const kind = "echoduet capsule";
const version = 1;
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256 in hexadecimal");
/** JSON has no NaN: such numbers are texts, as in the events. */
const real = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"])]);
const reals = z.record(z.string(), real);

const splitSchema = z.strictObject({
  /** Of names, image bytes and label bytes. */
  fingerprint: sha256,
  /** In the order of the names; `patient` is null where data.yaml tells none. */
  frames: z.array(z.strictObject({ name: z.string(), patient: z.string().nullable() })),
});

const stepSchema = z.strictObject({
  step: z.int(),
  epoch: z.int(),
  losses: reals,
  taskWeights: reals,
  learningRate: real,
  gradientNorm: real.nullable(),
});
/** What a step of the training showed: losses before weighting, and the weights. */
export type CapsuleStep = z.output<typeof stepSchema>;

const checkpointSchema = z.strictObject({
  epoch: z.int(),
  step: z.int(),
  /** SHA-256 of each tensor's dtype, shape and bytes, by name. */
  tensors: z.record(z.string(), sha256),
});

/** Everything that a training can be told and repeated by, without any image. */
export const capsuleSchema = z.strictObject({
  kind: z.literal(kind),
  version: z.literal(version),
  /** The whole configuration, every default filled in; folders are those of the run. */
  config: trainConfigSchema,
  /** What the run was made with. */
  environment: z.strictObject({
    created: z.string(),
    echoduet: z.string(),
    node: z.string(),
    onnxruntime: z.string(),
    platform: z.string(),
    processor: z.string(),
    cores: z.int(),
  }),
  /** SHA-256 of the weights files that it started from, as they are when it is packed; null where none. */
  weights: z.strictObject({
    weights: sha256.nullable(),
    detectionWeights: sha256.nullable(),
    classificationWeights: sha256.nullable(),
  }),
  data: z.strictObject({
    names: z.array(z.string()),
    views: z.array(z.string()),
    /** The frames that were trained on, and those of the other splits that there are. */
    train: splitSchema,
    val: splitSchema,
    test: splitSchema.nullable(),
  }),
  steps: z.array(stepSchema),
  validations: z.array(
    z.strictObject({
      epoch: z.int(),
      fitness: real.nullable(),
      metrics: z.record(z.string(), real.nullable()),
    }),
  ),
  checkpoints: z.strictObject({ last: checkpointSchema, best: checkpointSchema.nullable() }),
});
export type Capsule = z.output<typeof capsuleSchema>;
/** Which environment a training ran in. */
export type CapsuleEnvironment = Capsule["environment"];

/** Kind and version of the capsules that this version writes. */
export const capsuleHead = { kind, version } as const;

/**
 * Reads the capsule `path`.
 * @throws EchoDuetError `io` where it cannot be read, `data` where it is none
 */
export function readCapsule(path: string): Capsule {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw ioError(path, "read", error);
  }
  try {
    return parseWith(capsuleSchema, JSON.parse(text), path);
  } catch (cause) {
    const reason =
      cause instanceof EchoDuetError ? cause.message : `${path}: expected JSON, got a damaged file`;
    throw new EchoDuetError("data", `${reason}; pack it again with \`capsule RUN\``, { cause });
  }
}
