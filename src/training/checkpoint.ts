import { z } from "zod";
import { parseWith, trainConfigSchema } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import { encodeSafetensors, readSafetensors } from "../onnx/index.js";
import type { HostTensor } from "../tensor/index.js";
import { writeFileAtomically } from "../io/index.js";
import { leakageMarkSchema } from "./leakage-mark.js";

/** Version of the layout below; a reader refuses what is newer than it knows. */
const formatVersion = 1;
/** Key of the JSON text among the safetensors file's metadata. */
const metadataKey = "echoduet";

const count = z.int().min(0);

/** What a checkpoint says about itself, beside its tensors. Every number is finite. */
export const checkpointMetadataSchema = z.strictObject({
  kind: z.literal("checkpoint"),
  version: z.literal(formatVersion),
  /** Version of the package that wrote it. */
  echoduet: z.string(),
  /** Name of the model, such as `joint-yolov5n`. */
  model: z.string(),
  /** Detection classes in index order; empty without detection. */
  names: z.array(z.string()),
  /** Views in index order; empty without classification. */
  views: z.array(z.string()),
  /** Epochs completed. */
  epoch: count,
  /** Batches processed over the whole run. */
  step: count,
  config: trainConfigSchema,
  /** What the weights were trained on; null in checkpoints from before it was recorded. */
  trainedOn: z
    .strictObject({
      fingerprint: z.string(),
      leakage: z.array(leakageMarkSchema),
      /** Ids by data.yaml's `groups`, sorted; empty where it has none. */
      patients: z.array(z.string()),
    })
    .nullable()
    .default(null),
  /** Latest validation; null where a metric has no value. */
  metrics: z.record(z.string(), z.number().nullable()),
  /** Lengths of the run's logs at this point, in bytes: resuming cuts them back to these. */
  logs: z.strictObject({ events: count, metrics: count }),
  /** The trainer's own state apart from tensors. */
  state: z.record(z.string(), z.json()),
});

export type CheckpointMetadata = z.output<typeof checkpointMetadataSchema>;

/** Model tensors and training state under the trainer's names, and what they mean. */
export interface Checkpoint {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: CheckpointMetadata;
}

/** What the caller of `writeCheckpoint` states; kind and version are filled in. */
export type NewCheckpointMetadata = Omit<CheckpointMetadata, "kind" | "version">;

/**
 * Writes a checkpoint to `path` as one safetensors file, atomically: whoever reads `path` finds the previous
 * checkpoint or this one, whole, also after a SIGKILL in the middle of it.
 * @throws EchoDuetError `checkpoint` where the metadata holds a value that JSON would lose, such as NaN;
 *   `io`, with file and remedy, where the file system refuses
 */
export function writeCheckpoint(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: NewCheckpointMetadata,
): void {
  const complete = checkMetadata({ kind: "checkpoint", version: formatVersion, ...metadata }, path);
  writeFileAtomically(path, encodeSafetensors(tensors, { [metadataKey]: JSON.stringify(complete) }));
}

/**
 * Reads the checkpoint `path`.
 * @throws EchoDuetError `checkpoint` where the file is truncated, no checkpoint of EchoDuet or of a newer
 *   version; `io` where it cannot be read
 */
export function readCheckpoint(path: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(path);
  const text = metadata[metadataKey];
  if (text === undefined) {
    throw new EchoDuetError(
      "checkpoint",
      `${path}: expected a checkpoint of EchoDuet, got safetensors without "${metadataKey}" metadata; ` +
        "give such a file as --weights",
    );
  }
  return { tensors, metadata: checkMetadata(parseJson(text, path), path) };
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EchoDuetError(
      "checkpoint",
      `${path}: "${metadataKey}" metadata is no JSON; the file is damaged`,
      {
        cause,
      },
    );
  }
}

const headSchema = z.looseObject({ kind: z.string(), version: z.number() });

function checkMetadata(value: unknown, path: string): CheckpointMetadata {
  try {
    const { kind, version } = parseWith(headSchema, value, path);
    if (kind !== "checkpoint" || version > formatVersion) {
      throw new EchoDuetError(
        "checkpoint",
        `${path}: expected a checkpoint of version ${formatVersion} or older, got ${kind} of version ${version}` +
          (version > formatVersion ? "; update echoduet" : ""),
      );
    }
    return parseWith(checkpointMetadataSchema, value, path);
  } catch (error) {
    if (!(error instanceof EchoDuetError) || error.code === "checkpoint") throw error;
    throw new EchoDuetError("checkpoint", `checkpoint metadata of ${error.message}`, { cause: error });
  }
}
