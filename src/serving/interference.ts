import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  batches as batchesOf,
  type DataDescription,
  FrameLoader,
  type FrameRecord,
  fingerprint,
  listFrames,
} from "../data/index.js";
import {
  type ClashSummary,
  clashOf,
  nothingShared,
  type Spread,
  spreadOf,
  summariseClashes,
} from "../interference/index.js";
import type { DeviceName } from "../runtime/index.js";
import { randomStream } from "../tensor/index.js";
import {
  echoduetVersion,
  type Independence,
  type Interference,
  measureIndependence,
  probeFrames,
  readEvents,
  runFiles,
  SharedGradients,
} from "../training/index.js";
import {
  type AnalysedModel,
  type ModelProvenance,
  openAnalysedModel,
  openAnalysisData,
  provenanceOf,
} from "./analysed-model.js";

export interface InterferenceOptions {
  /** A run or a checkpoint of EchoDuet. */
  readonly weights: string;
  /** data.yaml; by default that of the training. */
  readonly data?: string;
  /** train, val (or valid) or test. */
  readonly split: string;
  /** Batches drawn from all images, from each view and from each class, where they have so many. */
  readonly batches: number;
  /** Images of a batch; by default that of the training. */
  readonly batch?: number;
  /** Network input; by default that of the training. */
  readonly size?: { readonly width: number; readonly height: number };
  readonly seed: number;
  readonly device: DeviceName;
  readonly threads: number;
  readonly onProgress?: (batches: number, total: number) => void;
}

/** Clashes of the batches with the length of each task's gradient. */
export interface LayerInterference extends ClashSummary {
  /** ‖∇L‖₂ of each task's unweighted mean loss. */
  readonly norms: Readonly<Record<string, Spread>>;
}

/** Interference on batches of one kind of images. */
export interface GroupInterference {
  readonly by: "all" | "view" | "class";
  /** `all`, or the view's or class's name. */
  readonly name: string;
  /** In the split. */
  readonly images: number;
  /** Of a batch; fewer than asked for where the group has no more. */
  readonly batch: number;
  /** Batches drawn. */
  readonly drawn: number;
  /** All shared parameters together; null where the group has no images. */
  readonly overall: LayerInterference | null;
  readonly layers: readonly (LayerInterference & { readonly name: string })[];
}

/** What `echoduet interference --json` prints. */
export interface InterferenceReport {
  readonly provenance: ModelProvenance & {
    readonly data: string;
    readonly dataFingerprint: string;
    readonly split: string;
    readonly images: number;
    readonly size: { readonly width: number; readonly height: number };
    readonly seed: number;
    readonly version: string;
  };
  /** First and second: a norm ratio is the second's over the first's. */
  readonly tasks: readonly string[];
  /** By which the training multiplied each task's mean loss at this checkpoint, and where that was read. */
  readonly weights: Readonly<Record<string, number>>;
  readonly weightsFrom: "events" | "config";
  /** Why there is nothing below; null where there is. */
  readonly statement: string | null;
  /** That nothing is shared, measured on a batch of the split; null where something is, or there is one task. */
  readonly independence: Independence | null;
  readonly groups: readonly GroupInterference[];
}

/**
 * How the tasks' gradients of the parameters that they share lie to each other, for a trained model on seeded batches
 * of a split: batches of all images, of each view, and of images that show each class. The averaged weights are
 * differentiated as training does it, with batch statistics and without dropout.
 * @throws EchoDuetError where data and model disagree, or a file is wrong
 */
export async function measureInterference(options: InterferenceOptions): Promise<InterferenceReport> {
  const analysed = openAnalysedModel(options.weights);
  const { model, metadata } = analysed;
  const { file, description } = openAnalysisData([analysed], options.data);
  const frames = listFrames(description, options.split);
  const size = options.size ?? metadata.config.size;
  const { device, threads, seed } = options;
  const gradients = new SharedGradients(model, { ...metadata.config, size, device, threads });
  const { taskWeights, from } = taskWeightsAt(analysed);
  const weights = gradients.weights(taskWeights);
  const shares = gradients.layers.length > 0;
  const groups = shares ? groupsOf(frames, description) : [];
  const loader = new FrameLoader(frames, size, { cacheBytes: 256 * 2 ** 20 });
  try {
    return {
      provenance: {
        ...provenanceOf(analysed, frames),
        data: file,
        dataFingerprint: fingerprint(frames),
        split: options.split,
        images: frames.length,
        size,
        seed,
        version: echoduetVersion,
      },
      tasks: gradients.tasks,
      weights,
      weightsFrom: from,
      statement: shares ? null : nothingShared,
      independence: shares ? null : await independenceOf({ analysed, loader, frames, options }),
      groups: await measureGroups(groups, { analysed, gradients, loader, weights, options }),
    };
  } finally {
    await Promise.all([gradients.close(), loader.close()]);
  }
}

async function independenceOf({
  analysed: { model, metadata, weights },
  loader,
  frames,
  options: { size, device, threads, seed, batch },
}: Pick<Measuring, "analysed" | "loader" | "options"> & {
  readonly frames: readonly FrameRecord[];
}): Promise<Independence | null> {
  if (model.tasks.length < 2 || frames.length === 0) return null;
  const config = { ...metadata.config, size: size ?? metadata.config.size, device, threads };
  const indices = probeFrames(frames, { count: batch ?? config.batch, seed });
  return measureIndependence(model, config, await loader.batch(indices), weights.tensors);
}

interface FrameGroup {
  readonly by: GroupInterference["by"];
  readonly name: string;
  readonly members: readonly number[];
}

function groupsOf(frames: readonly FrameRecord[], { names, views }: DataDescription): FrameGroup[] {
  const members = (belongs: (frame: FrameRecord) => boolean) =>
    frames.flatMap((frame, i) => (belongs(frame) ? [i] : []));
  const shows = ({ boxes }: FrameRecord, label: number) =>
    boxes.some((value, i) => i % 5 === 0 && value === label);
  return [
    { by: "all", name: "all", members: members(() => true) },
    ...views.map((name, view) => ({
      by: "view" as const,
      name,
      members: members((frame) => frame.view === view),
    })),
    ...names.map((name, label) => ({
      by: "class" as const,
      name,
      members: members((frame) => shows(frame, label)),
    })),
  ];
}

interface Measuring {
  readonly analysed: AnalysedModel;
  readonly gradients: SharedGradients;
  readonly loader: FrameLoader;
  readonly weights: Readonly<Record<string, number>>;
  readonly options: InterferenceOptions;
}

async function measureGroups(
  groups: readonly FrameGroup[],
  measuring: Measuring,
): Promise<GroupInterference[]> {
  const { analysed, gradients, loader, weights, options } = measuring;
  const wanted = options.batch ?? analysed.metadata.config.batch;
  const drawn = groups.map((group) => drawBatches(group, { ...options, batch: wanted }));
  const total = drawn.reduce((sum, { length }) => sum + length, 0);
  let done = 0;
  const results: GroupInterference[] = [];
  for (const [i, { by, name, members }] of groups.entries()) {
    const measured: Interference[] = [];
    for (const indices of drawn[i]) {
      const batch = await loader.batch(indices);
      measured.push(await gradients.measure(batch, analysed.weights.tensors));
      options.onProgress?.(++done, total);
    }
    results.push({
      by,
      name,
      images: members.length,
      batch: Math.min(wanted, members.length),
      drawn: measured.length,
      overall:
        measured.length > 0
          ? summarise(
              measured.map(({ overall }) => overall),
              weights,
            )
          : null,
      layers: (measured[0]?.layers ?? []).map((layer, at) => ({
        name: layer.name,
        ...summarise(
          measured.map(({ layers }) => layers[at]),
          weights,
        ),
      })),
    });
  }
  return results;
}

/**
 * Whole batches of a shuffle of the group, so that no image comes twice; a group of fewer images than a batch makes
 * one smaller batch.
 */
function drawBatches(
  { by, name, members }: FrameGroup,
  { seed, batch, batches }: { seed: number; batch: number; batches: number },
): Int32Array[] {
  if (members.length === 0) return [];
  const order = Int32Array.from(randomStream(seed, "interference", by, name).shuffled(members));
  const size = Math.min(batch, members.length);
  return batchesOf(order, size)
    .filter(({ length }) => length === size)
    .slice(0, batches);
}

function summarise(
  conflicts: readonly Interference["overall"][],
  weights: Readonly<Record<string, number>>,
): LayerInterference {
  const norms = Object.keys(weights).map((task) => [
    task,
    spreadOf(conflicts.map((conflict) => conflict.norms[task])) as Spread,
  ]);
  return {
    ...summariseClashes(conflicts.map((conflict) => clashOf(conflict, weights))),
    norms: Object.fromEntries(norms),
  };
}

/** The weights of the run's last step up to the checkpoint, from the log beside it; else those it began with. */
function taskWeightsAt({ weights, metadata }: AnalysedModel): {
  taskWeights: Readonly<Record<string, number>>;
  from: "events" | "config";
} {
  const log = join(dirname(weights.path), runFiles.events);
  const steps = existsSync(log)
    ? readEvents(log).filter((event) => event.type === "step" && event.step <= metadata.step)
    : [];
  const last = steps.at(-1);
  return last?.type === "step"
    ? { taskWeights: last.taskWeights, from: "events" }
    : { taskWeights: metadata.config.taskWeights, from: "config" };
}
