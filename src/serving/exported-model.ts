import { readFileSync } from "node:fs";
import { z } from "zod";
import { parseWith } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import { optimise } from "../graph/index.js";
import { ioError, sha256File, writeFileAtomically } from "../io/index.js";
import { buildDeployGraph } from "../models/index.js";
import { readModelMetadata, serialise } from "../onnx/index.js";
import { type DeviceName, Program } from "../runtime/index.js";
import { type HostTensor, hostTensor, randomStream, sizeOf } from "../tensor/index.js";
import { echoduetVersion, leakageMarkSchema, Predictor } from "../training/index.js";
import { openTrainedModel } from "./trained-model.js";

/** Key of our JSON text among an ONNX file's metadata. */
const metadataKey = "echoduet";
const axis = z.int().positive();

/** What an exported model says about itself, for whoever runs it. */
export const exportMetadataSchema = z.strictObject({
  version: z.literal(1),
  echoduet: z.string(),
  model: z.string(),
  /** Detection classes in index order; empty without detection. */
  names: z.array(z.string()),
  /** Views in index order; empty without classification. */
  views: z.array(z.string()),
  size: z.strictObject({ width: axis, height: axis }),
  /** How an image becomes the input, and what the outputs hold. */
  preprocessing: z.string(),
  outputs: z.record(z.string(), z.string()),
  /** Confidence of the best F1 on the validation split; null where it is not known. */
  confidence: z.number().nullable(),
  /** What the training split shared with those that judged the model; null where that is not known. */
  leakage: z.array(leakageMarkSchema).nullable().default(null),
  checkpoint: z.strictObject({ path: z.string(), sha256: z.string() }),
});
export type ExportMetadata = z.output<typeof exportMetadataSchema>;

const preprocessing =
  "RGB, uint8, [batch, 3, height, width]; letterboxed: scaled by min(width / w, height / h) to a size rounded half to even, " +
  "bilinear at half-pixel centres, centred on a canvas of 114; the model divides by 255 itself";
const outputTexts = {
  detections:
    "float32 [batch, cells, 5 + classes]: cx, cy, w, h in pixels of the input, objectness, class probabilities; score = objectness x class; suppression is left to the caller",
  views: "float32 [batch, views]: probabilities",
};

export interface ExportOptions {
  /** A run, a checkpoint, a `.pt` or a `.safetensors` file. */
  readonly weights: string;
  /** The `.onnx` file to write. */
  readonly out: string;
  /** Network input; by default the training's, else 640x640. */
  readonly size?: { readonly width: number; readonly height: number };
  readonly threads: number;
}

export interface ExportResult {
  readonly file: string;
  readonly bytes: number;
  /** Largest difference between the file's outputs and the run's, over the largest magnitude of each column. */
  readonly largestDifference: number;
  readonly metadata: ExportMetadata;
}

/** Largest `largestDifference` that an export may show. */
const tolerance = 1e-4;

/**
 * Writes a model as one ONNX graph with dynamic batch, folded batch normalisation and its metadata, and
 * checks the bytes against the run on random images, one and three at a time, before they get their name.
 * @throws EchoDuetError `runtime` where the file and the run disagree
 */
export async function exportModel({
  weights: source,
  out,
  size: asked,
  threads,
}: ExportOptions): Promise<ExportResult> {
  const { weights, model, names, views, metadata: checkpoint } = openTrainedModel(source);
  const size = asked ?? checkpoint?.config.size ?? { width: 640, height: 640 };
  const graph = optimise(buildDeployGraph(model, weights.tensors, { batch: 1, ...size }));
  const metadata: ExportMetadata = {
    version: 1,
    echoduet: echoduetVersion,
    model: model.name,
    names: [...(model.classes > 0 ? names : [])],
    views: [...(model.views > 0 ? views : [])],
    size: { width: size.width, height: size.height },
    preprocessing,
    outputs: Object.fromEntries(
      [...graph.outputs.keys()].map((name) => [name, outputTexts[name as "views"]]),
    ),
    confidence: checkpoint?.metrics.confidence ?? null,
    leakage: checkpoint?.trainedOn?.leakage ?? null,
    checkpoint: { path: weights.path, sha256: sha256File(weights.path) },
  };
  const bytes = serialise(graph, {
    dynamicBatch: "batch",
    metadata: { [metadataKey]: JSON.stringify(metadata) },
  });
  const run = await Predictor.create(model, weights.tensors, size, { threads });
  const exported = await Program.load(bytes, { threads });
  try {
    const largestDifference = await compare(run.program, exported, size);
    if (!(largestDifference <= tolerance)) {
      throw new EchoDuetError(
        "runtime",
        `export ${out}: expected the run's outputs within ${tolerance}, got a difference of ${largestDifference}; nothing was written`,
      );
    }
    writeFileAtomically(out, bytes);
    return { file: out, bytes: bytes.length, largestDifference, metadata };
  } finally {
    await Promise.all([run.close(), exported.close()]);
  }
}

async function compare(a: Program, b: Program, size: { width: number; height: number }): Promise<number> {
  let largest = 0;
  for (const batch of [1, 3]) {
    const feeds = new Map([["images", randomImages(batch, size)]]);
    const [expected, got] = [await a.run(feeds), await b.run(feeds)];
    for (const [name, tensor] of expected)
      largest = Math.max(largest, columnDifference(tensor, got.get(name)));
  }
  return largest;
}

function randomImages(batch: number, { width, height }: { width: number; height: number }): HostTensor {
  const random = randomStream(0, "export", batch);
  const shape = [batch, 3, height, width];
  return hostTensor(
    "uint8",
    shape,
    Uint8Array.from({ length: sizeOf(shape) }, () => random.integer(256)),
  );
}

/** Largest difference of two tensors over the largest magnitude in its column (last axis). */
function columnDifference(expected: HostTensor, got: HostTensor | undefined): number {
  if (!got || got.data.length !== expected.data.length) return Number.POSITIVE_INFINITY;
  const columns = expected.shape[expected.shape.length - 1];
  const [a, b] = [expected.data as Float32Array, got.data as Float32Array];
  const magnitude = new Float64Array(columns);
  const difference = new Float64Array(columns);
  for (let i = 0; i < a.length; i++) {
    const column = i % columns;
    magnitude[column] = Math.max(magnitude[column], Math.abs(a[i]));
    difference[column] = Math.max(difference[column], Math.abs(a[i] - b[i]));
  }
  return Math.max(...difference.map((d, column) => d / Math.max(magnitude[column], 1e-6)));
}

/** An exported file ready for use. */
export interface ExportedModel {
  readonly predictor: Predictor;
  readonly metadata: ExportMetadata;
}

/**
 * Opens a file that `exportModel` wrote.
 * @throws EchoDuetError `checkpoint` for another program's ONNX file
 */
export async function openExportedModel(
  path: string,
  options: { device: DeviceName; threads: number },
): Promise<ExportedModel> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw ioError(path, "read", error);
  }
  const text = readModelMetadata(bytes, path)[metadataKey];
  if (text === undefined) {
    throw new EchoDuetError(
      "checkpoint",
      `${path}: expected a model exported by echoduet, got an ONNX model without "${metadataKey}" metadata`,
    );
  }
  const metadata = parseWith(exportMetadataSchema, parseJson(text, path), path);
  return {
    predictor: new Predictor(await Program.load(bytes, { ...options, keep: true }), metadata.size),
    metadata,
  };
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EchoDuetError(
      "checkpoint",
      `${path}: expected JSON under "${metadataKey}", got damaged text; export the model again`,
      { cause },
    );
  }
}
