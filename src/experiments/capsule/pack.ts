import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadConfigFile, resolveTrainConfig, type TrainConfig } from "../../config/index.js";
import {
  type DataDescription,
  fingerprint,
  type FrameRecord,
  listFrames,
  loadDataDescription,
  selectFraction,
} from "../../data/index.js";
import { EchoDuetError } from "../../errors.js";
import { sha256File } from "../../io/index.js";
import { type LoggedEvent, findWeights, readEvents, readRunInfo, runFiles } from "../../training/index.js";
import { type Capsule, capsuleHead, type CapsuleStep } from "./capsule.js";
import { hashCheckpoint } from "./tensor-hashes.js";

/**
 * The capsule of the finished run in `directory`. Data and weights files must still lie where the run found them.
 * @throws EchoDuetError `io` for a folder without a finished run, `data` where the data are no longer those that it
 *   was trained on
 */
export function packCapsule(directory: string): Capsule {
  const events = readFinished(directory);
  const configPath = join(directory, runFiles.config);
  const config = resolveTrainConfig(loadConfigFile(configPath), configPath);
  const { seed: _seed, data: trainedOn, ...environment } = readRunInfo(directory);
  const data = describeData(config);
  if (data.train.fingerprint !== trainedOn.fingerprint) {
    throw new EchoDuetError(
      "data",
      `${config.data}: expected the data of the run (fingerprint ${trainedOn.fingerprint.slice(0, 12)}), got ${data.train.fingerprint.slice(0, 12)}; restore them`,
    );
  }
  const best = join(directory, runFiles.best);
  return {
    ...capsuleHead,
    config,
    environment,
    weights: hashWeights(config),
    data,
    ...trajectoryOf(events),
    checkpoints: {
      last: hashCheckpoint(join(directory, runFiles.last)),
      best: existsSync(best) ? hashCheckpoint(best) : null,
    },
  };
}

/**
 * Steps and validations of a run's events, as a capsule has them.
 */
export function trajectoryOf(events: readonly LoggedEvent[]): Pick<Capsule, "steps" | "validations"> {
  const steps = events.flatMap((event): CapsuleStep[] => {
    if (event.type !== "step") return [];
    const { step, epoch, losses, taskWeights, learningRate, gradientNorm } = event;
    return [spelt({ step, epoch, losses, taskWeights, learningRate, gradientNorm })];
  });
  const validations = events.flatMap((event) => {
    if (event.type !== "validation") return [];
    const { epoch, fitness, metrics } = event;
    return [spelt({ epoch, fitness, metrics })];
  });
  return { steps, validations };
}

/** Numbers that JSON has no word for become texts. */
function spelt<T>(value: T): T {
  const text = JSON.stringify(value, (_key, each: unknown) =>
    typeof each === "number" && !Number.isFinite(each) ? String(each) : each,
  );
  return JSON.parse(text) as T;
}

/**
 * What a training as configured reads: names, and for each split the frames with their patients and a fingerprint.
 * @throws EchoDuetError as `listFrames` does
 */
export function describeData(config: TrainConfig): Capsule["data"] {
  const description = loadDataDescription(config.data);
  const all = listFrames(description, "train");
  const train = config.fraction < 1 ? selectFraction(all, config.fraction, config.seed) : all;
  return {
    names: [...description.names],
    views: [...description.views],
    train: describeSplit(train),
    val: describeSplit(listFrames(description, "val")),
    test: hasTest(description) ? describeSplit(listFrames(description, "test")) : null,
  };
}

function describeSplit(frames: readonly FrameRecord[]): Capsule["data"]["val"] {
  return {
    fingerprint: fingerprint(frames),
    frames: frames.map(({ name, patient }) => ({ name, patient })),
  };
}

/** Many a data.yaml names a test split that was never brought here. */
function hasTest({ splits }: DataDescription): boolean {
  return splits.test?.every((entry) => existsSync(entry)) ?? false;
}

/**
 * SHA-256 of the weights files that a training starts from.
 * @throws EchoDuetError `io` where one cannot be read
 */
export function hashWeights(config: TrainConfig): Capsule["weights"] {
  const hash = (path: string | null) => (path === null ? null : sha256File(findWeights(path)));
  return {
    weights: hash(config.weights),
    detectionWeights: hash(config.detectionWeights),
    classificationWeights: hash(config.classificationWeights),
  };
}

function readFinished(directory: string): LoggedEvent[] {
  const log = join(directory, runFiles.events);
  const events = existsSync(log) ? readEvents(log) : [];
  if (events.at(-1)?.type === "end") return events;
  const got = events.length === 0 ? `no ${runFiles.events} there` : "one that has not ended";
  throw new EchoDuetError(
    "io",
    `${directory}: expected a finished run, got ${got}; train it to its end (train --resume)`,
  );
}
