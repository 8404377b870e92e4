import { auroc, classificationMetrics } from "../classification/index.js";
import { batches, FrameLoader, type FrameRecord, fingerprint, listFrames } from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import type { Value } from "../graph/index.js";
import { type Features, LinearProbe, linearCka, reaching, similarityOf } from "../interference/index.js";
import { buildDeployGraph, type Model } from "../models/index.js";
import { Scope } from "../nn/index.js";
import { type DeviceName, Program } from "../runtime/index.js";
import { type HostTensor, randomStream } from "../tensor/index.js";
import { echoduetVersion } from "../training/index.js";
import {
  type AnalysedModel,
  type ModelProvenance,
  openAnalysedModel,
  openAnalysisData,
  provenanceOf,
} from "./analysed-model.js";

export interface FeatureSimilarityOptions {
  /** Runs or checkpoints of EchoDuet: both tasks, detection alone, classification alone. */
  readonly joint: string;
  readonly detect: string;
  readonly classify: string;
  /** data.yaml; by default that of the joint model's training. */
  readonly data?: string;
  /** train, val (or valid) or test: where features are compared and probes are scored. */
  readonly split: string;
  /** At most so many images of that split, and as many of the training split; drawn with the seed. */
  readonly limit: number;
  /** Network input; by default that of the joint model's training. */
  readonly size?: { readonly width: number; readonly height: number };
  readonly batch: number;
  readonly seed: number;
  readonly device: DeviceName;
  readonly threads: number;
  /** Told of images whose features are taken, then of layers compared. */
  readonly onProgress?: (done: number, total: number, unit: "images" | "layers") => void;
}

/** The models by what they are trained for. */
export const comparedModels = ["joint", "detect", "classify"] as const;
export type ComparedModel = (typeof comparedModels)[number];

/** What linear probes of a layer's features read out of one model. */
export interface ProbeResult {
  /** Mean recall over the views; null where the split shows none. */
  readonly viewBalancedAccuracy: number | null;
  /** AUROC of whether an image shows each class; null where all images do, or none does. */
  readonly classAuroc: readonly (number | null)[];
  /** Of the above, those that have a value. */
  readonly meanClassAuroc: number | null;
}

/** One layer that all three models have and both tasks of the joint one use. */
export interface LayerSimilarity {
  readonly name: string;
  /** Channels of the output, each pooled to {@link featureGrid}² means. */
  readonly channels: number;
  /** Linear CKA of two models' features, debiased; null where features do not vary. */
  readonly cka: {
    readonly jointDetect: number | null;
    readonly jointClassify: number | null;
    readonly detectClassify: number | null;
  };
  readonly probes: Readonly<Record<ComparedModel, ProbeResult>>;
}

/** What `echoduet interference --features --json` prints. */
export interface FeatureSimilarityReport {
  readonly provenance: {
    readonly models: Readonly<Record<ComparedModel, ModelProvenance>>;
    readonly data: string;
    readonly split: string;
    /** Of the images compared and scored. */
    readonly dataFingerprint: string;
    readonly images: number;
    /** Of the training images that the probes are fitted on. */
    readonly trainFingerprint: string;
    readonly trainImages: number;
    /** Images without a view or masked from detection, which no probe could be judged by: left out of both. */
    readonly leftOut: number;
    readonly size: { readonly width: number; readonly height: number };
    readonly seed: number;
    readonly version: string;
  };
  readonly names: readonly string[];
  readonly views: readonly string[];
  readonly layers: readonly LayerSimilarity[];
}

/** Rows and columns of the means that a layer's output is pooled to. */
export const featureGrid = 4;

/**
 * Compares the features of a joint model, layer by layer, with those of a model for each task alone, on the same
 * images: linear CKA, and what linear probes read out of them. Averaged weights, running statistics; outputs of the
 * network's layers, pooled to means over a 4 x 4 grid of each channel.
 *
 * The probes are ridge regressions fitted on the training split and scored on the chosen one (`LinearProbe`); their
 * regularisation is chosen by leaving out patients of the training split (videos, or images, where data.yaml names
 * no patients).
 * @throws EchoDuetError where a model is not of the kind asked for, or data and models disagree
 */
export async function compareFeatures(options: FeatureSimilarityOptions): Promise<FeatureSimilarityReport> {
  const models = openModels(options);
  const all = comparedModels.map((which) => models[which]);
  const { file, description } = openAnalysisData(all, options.data);
  const size = options.size ?? models.joint.metadata.config.size;
  const scored = chooseFrames(listFrames(description, options.split), options, "scored");
  const train = chooseFrames(listFrames(description, "train"), options, "train");
  requireEnough(scored.frames, options.split, file);
  requireEnough(train.frames, "train", file);

  const total = 3 * (scored.frames.length + train.frames.length);
  let done = 0;
  const onImages = (count: number) => {
    done += count;
    options.onProgress?.(done, total, "images");
  };
  const layers = commonLayers(
    all.map(({ model, weights }) => featureGraph(model, weights.tensors, size).used),
  );
  const extracted = {} as Record<ComparedModel, { scored: LayerFeatures; train: LayerFeatures }>;
  for (const which of comparedModels) {
    const extractor = await FeatureExtractor.create(models[which], layers, { ...options, size });
    try {
      extracted[which] = {
        scored: await extractor.features(scored.frames, onImages),
        train: await extractor.features(train.frames, onImages),
      };
    } finally {
      await extractor.close();
    }
  }
  const labels = { scored: scored.frames, train: train.frames, ...description };
  return {
    provenance: {
      models: {
        joint: provenanceOf(models.joint, scored.frames),
        detect: provenanceOf(models.detect, scored.frames),
        classify: provenanceOf(models.classify, scored.frames),
      },
      data: file,
      split: options.split,
      dataFingerprint: fingerprint(scored.frames),
      images: scored.frames.length,
      trainFingerprint: fingerprint(train.frames),
      trainImages: train.frames.length,
      leftOut: scored.leftOut + train.leftOut,
      size,
      seed: options.seed,
      version: echoduetVersion,
    },
    names: description.names,
    views: description.views,
    layers: layers.map((name, i) => {
      const compared = compareLayer(name, extracted, labels);
      options.onProgress?.(i + 1, layers.length, "layers");
      return compared;
    }),
  };
}

function openModels(options: FeatureSimilarityOptions): Record<ComparedModel, AnalysedModel> {
  const open = (which: ComparedModel, tasks: readonly string[]) => {
    const opened = openAnalysedModel(options[which]);
    if (JSON.stringify(opened.model.tasks) === JSON.stringify(tasks)) return opened;
    throw new EchoDuetError(
      "config",
      `${options[which]}: expected a model for ${tasks.join(" and ")}, got ${opened.model.name}; give RUN_JOINT RUN_DETECT RUN_CLASSIFY in this order`,
    );
  };
  return {
    joint: open("joint", ["detection", "classification"]),
    detect: open("detect", ["detection"]),
    classify: open("classify", ["classification"]),
  };
}

/** Seeded draw of the frames that both tasks label, in their own order. */
function chooseFrames(
  frames: readonly FrameRecord[],
  { limit, seed }: { limit: number; seed: number },
  purpose: string,
): { frames: FrameRecord[]; leftOut: number } {
  const labelled = frames.filter(({ view, detectionMasked }) => view >= 0 && !detectionMasked);
  const drawn = randomStream(seed, "features", purpose)
    .shuffled([...labelled.keys()])
    .slice(0, limit);
  const chosen = new Set(drawn);
  return { frames: labelled.filter((_, i) => chosen.has(i)), leftOut: frames.length - labelled.length };
}

function requireEnough(frames: readonly FrameRecord[], split: string, file: string): void {
  if (frames.length >= 4) return;
  throw new EchoDuetError(
    "data",
    `${file}: expected at least 4 images with a view in the ${split} split, got ${frames.length}; raise --limit or choose another split`,
  );
}

/** Names of the layers that all models have and use for each of their tasks, in the order of the first. */
function commonLayers(used: readonly (readonly string[])[]): string[] {
  const [first, ...others] = used;
  return first.filter((name) => others.every((names) => names.includes(name)));
}

/** The deployed model with each of its layers at hand. */
function featureGraph(
  model: Model,
  tensors: ReadonlyMap<string, HostTensor>,
  size: { readonly width: number; readonly height: number },
) {
  const layers = new Map<string, Value>();
  /** The outputs of each task. */
  let ends: (readonly Value[])[] = [];
  const listening: Model = {
    ...model,
    forward: (scope, images) => {
      const outputs = model.forward(
        new Scope(
          {
            ...scope.source,
            layer: (name, output) => {
              layers.set(name, output);
            },
          },
          scope.prefix,
        ),
        images,
      );
      const { detection, classification } = outputs;
      ends = [...(detection ? [detection] : []), ...(classification ? [[classification]] : [])];
      return outputs;
    },
  };
  const graph = buildDeployGraph(listening, tensors, { batch: 1, ...size });
  const values = [...layers.values()];
  // A detached classifier reads the same features, so the stop of the gradient does not matter here.
  const reached = ends.map((outputs) =>
    outputs.map((output) => reaching(output, values, { throughStopGradient: true })),
  );
  const used = [...layers].filter(([, value]) =>
    reached.every((task) => task.some((found) => found.has(value))),
  );
  return { graph, layers, used: used.map(([name]) => name) };
}

/** Pooled features of each layer, over the same images. */
type LayerFeatures = ReadonlyMap<string, Features>;

class FeatureExtractor {
  private constructor(
    readonly program: Program,
    readonly layers: readonly string[],
    readonly options: Pick<FeatureSimilarityOptions, "batch"> & {
      readonly size: { readonly width: number; readonly height: number };
    },
  ) {}

  static async create(
    { model, weights }: AnalysedModel,
    names: readonly string[],
    options: FeatureExtractor["options"] & { readonly device: DeviceName; readonly threads: number },
  ): Promise<FeatureExtractor> {
    const { graph, layers } = featureGraph(model, weights.tensors, options.size);
    graph.outputs.clear();
    for (const name of names) graph.output(`features/${name}`, layers.get(name) as Value);
    const { device, threads } = options;
    const program = await Program.compile(graph, { device, threads, dynamicBatch: true });
    return new FeatureExtractor(program, names, options);
  }

  async features(frames: readonly FrameRecord[], onImages: (count: number) => void): Promise<LayerFeatures> {
    const parts = new Map<string, Float32Array[]>(this.layers.map((name) => [name, []]));
    const loader = new FrameLoader(frames, this.options.size, { cacheBytes: 0 });
    try {
      for (const indices of batches(Int32Array.from(frames.keys()), this.options.batch)) {
        const { images } = await loader.batch(indices);
        const results = await this.program.run(new Map([["images", images]]));
        for (const [name, pooled] of parts) {
          pooled.push(...pooledRows(results.get(`features/${name}`) as HostTensor));
        }
        onImages(indices.length);
      }
    } finally {
      await loader.close();
    }
    return new Map([...parts].map(([name, rows]) => [name, stackRows(rows)]));
  }

  async close(): Promise<void> {
    await this.program.close();
  }
}

function stackRows(rows: readonly Float32Array[]): Features {
  const columns = rows[0].length;
  const data = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => {
    data.set(row, i * columns);
  });
  return { rows: rows.length, columns, data };
}

/** Each image's channels [channels, height, width] as means over a grid of cells, [channels, grid, grid]. */
export function pooledRows({ shape, data }: HostTensor, grid = featureGrid): Float32Array[] {
  const [batch, channels, height, width] = shape;
  // Where the grid does not divide a side, neighbouring cells share a row or a column of pixels.
  const cells = (length: number) =>
    Array.from({ length: grid }, (_, i) => [
      Math.floor((i * length) / grid),
      Math.ceil(((i + 1) * length) / grid),
    ]);
  const [rows, columns] = [cells(height), cells(width)];
  const values = data as Float32Array;
  return Array.from({ length: batch }, (_, image) => {
    const out = new Float32Array(channels * grid * grid);
    let at = 0;
    for (let channel = 0; channel < channels; channel++) {
      const base = (image * channels + channel) * height * width;
      for (const [top, bottom] of rows) {
        for (const [left, right] of columns) {
          let sum = 0;
          for (let y = top; y < bottom; y++) {
            for (let x = left; x < right; x++) sum += values[base + y * width + x];
          }
          out[at++] = sum / ((bottom - top) * (right - left));
        }
      }
    }
    return out;
  });
}

interface Labels {
  readonly scored: readonly FrameRecord[];
  readonly train: readonly FrameRecord[];
  readonly names: readonly string[];
  readonly views: readonly string[];
}

function compareLayer(
  name: string,
  extracted: Readonly<Record<ComparedModel, { scored: LayerFeatures; train: LayerFeatures }>>,
  labels: Labels,
): LayerSimilarity {
  const of = (which: ComparedModel, split: "scored" | "train") =>
    extracted[which][split].get(name) as Features;
  const similarities = {
    joint: similarityOf(of("joint", "scored")),
    detect: similarityOf(of("detect", "scored")),
    classify: similarityOf(of("classify", "scored")),
  };
  const probe = (which: ComparedModel) => probeLayer(of(which, "train"), of(which, "scored"), labels);
  return {
    name,
    channels: of("joint", "scored").columns / featureGrid ** 2,
    cka: {
      jointDetect: linearCka(similarities.joint, similarities.detect),
      jointClassify: linearCka(similarities.joint, similarities.classify),
      detectClassify: linearCka(similarities.detect, similarities.classify),
    },
    probes: { joint: probe("joint"), detect: probe("detect"), classify: probe("classify") },
  };
}

function probeLayer(train: Features, scored: Features, labels: Labels): ProbeResult {
  const probe = new LinearProbe(
    train,
    scored,
    labels.train.map(({ patient, video, name }) => patient ?? video ?? name),
  );
  const views = probe.fit(
    labels.views.map((_, view) => labels.train.map((frame) => Number(frame.view === view))),
  );
  const classAuroc = labels.names.map((_, label) => {
    const { scores } = probe.fit([labels.train.map((frame) => Number(shows(frame, label)))]);
    return auroc(
      scores[0],
      labels.scored.map((frame) => shows(frame, label)),
    );
  });
  const known = classAuroc.filter((value) => value !== null);
  return {
    viewBalancedAccuracy: balancedAccuracy(views.scores, labels.scored),
    classAuroc,
    meanClassAuroc: known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : null,
  };
}

/** Of the view with the largest score. */
function balancedAccuracy(scores: readonly Float64Array[], frames: readonly FrameRecord[]): number | null {
  const chosen = frames.flatMap((_, i) => {
    const best = Math.max(...scores.map((view) => view[i]));
    const first = scores.findIndex((view) => view[i] === best);
    return scores.map((_, view) => (view === first ? 1 : 0));
  });
  const labels = frames.map(({ view }) => view);
  return classificationMetrics(chosen, labels, scores.length).balancedAccuracy;
}

function shows({ boxes }: FrameRecord, label: number): boolean {
  return boxes.some((value, i) => i % 5 === 0 && value === label);
}
