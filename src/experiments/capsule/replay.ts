import { join } from "node:path";
import type { TrainConfig } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { readEvents, readRunInfo, runFiles, type TrainOptions, train } from "../../training/index.js";
import { type Capsule, type CapsuleEnvironment, readCapsule } from "./capsule.js";
import { describeData, hashWeights, trajectoryOf } from "./pack.js";
import { hashCheckpoint } from "./tensor-hashes.js";

/** Where the things of a capsule lie here. */
export interface ReplayOptions {
  readonly data: string;
  readonly out: string;
  /** Files in place of those that the run started from; by default where the run had them. */
  readonly weights?: string;
  readonly detectionWeights?: string;
  readonly classificationWeights?: string;
}

/** The first thing in which two trainings differ. */
export interface Difference {
  /** `step 3: losses.detection`, `last.safetensors: model.0.conv.weight`. */
  readonly place: string;
  readonly capsule: string;
  readonly here: string;
}

/** How a training that was repeated compares with the one in the capsule. */
export interface ReplayReport {
  readonly run: string;
  readonly identical: boolean;
  readonly steps: number;
  /** Tensors of all checkpoints. */
  readonly tensors: number;
  readonly difference: Difference | null;
  /** What is other here than where the capsule's run was made. */
  readonly environment: readonly Difference[];
}

/**
 * Trains again what the capsule `path` describes, in a new run directory, and compares every step and every tensor
 * with what it holds.
 * @throws EchoDuetError `data` where data or weights are not those of the capsule; else as `train`
 */
export async function replayCapsule(
  path: string,
  options: ReplayOptions,
  training: TrainOptions = {},
): Promise<ReplayReport> {
  const capsule = readCapsule(path);
  const config = configHere(capsule, options);
  requireSameData(capsule, config);
  requireSameWeights(capsule, config);
  const { run } = await train(config, training);
  return compareRun(capsule, run);
}

function configHere({ config }: Capsule, options: ReplayOptions): TrainConfig {
  const { data, out } = options;
  return {
    ...config,
    ...{ data, out },
    weights: options.weights ?? config.weights,
    detectionWeights: options.detectionWeights ?? config.detectionWeights,
    classificationWeights: options.classificationWeights ?? config.classificationWeights,
  };
}

/** The data must be those of the run, image by image: another training would prove nothing. */
function requireSameData({ data: packed }: Capsule, config: TrainConfig): void {
  const here = describeData(config);
  for (const key of ["names", "views"] as const) {
    if (packed[key].join("\n") !== here[key].join("\n")) {
      throw otherData(config, `the ${key} ${packed[key].join(", ")}`, here[key].join(", "));
    }
  }
  for (const split of ["train", "val"] as const) {
    const frames = packed[split].frames.map(({ name }) => name);
    const found = here[split].frames.map(({ name }) => name);
    const at = frames.findIndex((name, i) => name !== found[i]);
    if (at >= 0 || frames.length !== found.length) {
      const got = `${found.length}, the first other one ${found[at < 0 ? frames.length : at] ?? "missing"}`;
      throw otherData(config, `the ${frames.length} ${split} frames of the capsule`, got);
    }
    if (packed[split].fingerprint !== here[split].fingerprint) {
      const [wanted, got] = [packed, here].map((each) => each[split].fingerprint.slice(0, 12));
      throw otherData(config, `${split} images and labels with the fingerprint ${wanted}`, got);
    }
  }
}

function otherData({ data }: TrainConfig, expected: string, got: string): EchoDuetError {
  return new EchoDuetError(
    "data",
    `${data}: expected ${expected}, got ${got}; give the data that the run was trained on`,
  );
}

function requireSameWeights({ weights: packed }: Capsule, config: TrainConfig): void {
  const here = hashWeights(config);
  for (const key of Object.keys(packed) as (keyof typeof packed)[]) {
    if (packed[key] === here[key]) continue;
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new EchoDuetError(
      "data",
      `${config[key]}: expected the weights file with SHA-256 ${packed[key]?.slice(0, 12) ?? "none"}, got ${here[key]?.slice(0, 12) ?? "none"}; give it with ${flag}`,
    );
  }
}

/**
 * Compares the finished run in `directory` with the one in a capsule.
 * @throws EchoDuetError where a file of the run is damaged
 */
export function compareRun(capsule: Capsule, directory: string): ReplayReport {
  const here = trajectoryOf(readEvents(join(directory, runFiles.events)));
  const checkpoints = (["last", "best"] as const).flatMap((which) => {
    const packed = capsule.checkpoints[which];
    return packed === null ? [] : [{ file: runFiles[which], packed }];
  });
  const difference =
    firstOf(capsule.steps, here.steps, ({ step }) => `step ${step}`) ??
    firstOf(capsule.validations, here.validations, ({ epoch }) => `validation after epoch ${epoch}`) ??
    checkpoints.reduce<Difference | null>(
      (found, { file, packed }) =>
        found ?? differenceIn(file, packed.tensors, hashCheckpoint(join(directory, file)).tensors),
      null,
    );
  return {
    run: directory,
    identical: difference === null,
    steps: capsule.steps.length,
    tensors: checkpoints.reduce((sum, { packed }) => sum + Object.keys(packed.tensors).length, 0),
    difference,
    environment: compareEnvironment(capsule.environment, readRunInfo(directory)),
  };
}

/** What determines the last bits of a training, beside its configuration; when and where it ran does not. */
const decisive = ["echoduet", "onnxruntime", "node", "platform", "processor"] as const;

function compareEnvironment(packed: CapsuleEnvironment, here: CapsuleEnvironment): Difference[] {
  return decisive.flatMap((place) =>
    packed[place] === here[place] ? [] : [{ place, capsule: packed[place], here: here[place] }],
  );
}

function firstOf<T extends object>(
  packed: readonly T[],
  here: readonly T[],
  placeOf: (each: T) => string,
): Difference | null {
  for (const [i, one] of packed.entries()) {
    const other = here[i];
    if (other === undefined) return { place: placeOf(one), capsule: "there", here: "missing" };
    const difference = differenceIn(placeOf(one), one, other);
    if (difference) return difference;
  }
  return here.length === packed.length
    ? null
    : { place: placeOf(here[packed.length]), capsule: "missing", here: "there" };
}

/** The first leaf that differs. Numbers are equal where JSON spells them alike, which for float32 is to the bit. */
function differenceIn(place: string, packed: object, here: object): Difference | null {
  const [a, b] = [new Map(leavesOf(packed)), new Map(leavesOf(here))];
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    const [mine, other] = [a.get(key) ?? "missing", b.get(key) ?? "missing"];
    if (mine !== other) return { place: `${place}: ${key}`, capsule: mine, here: other };
  }
  return null;
}

function leavesOf(value: object, prefix = ""): [string, string][] {
  return Object.entries(value).flatMap(([key, each]: [string, unknown]): [string, string][] =>
    typeof each === "object" && each !== null
      ? leavesOf(each, `${prefix}${key}.`)
      : [[`${prefix}${key}`, String(each)]],
  );
}
