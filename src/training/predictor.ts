import { buildDeployGraph, type Model } from "../models/index.js";
import { Program, type ProgramOptions } from "../runtime/index.js";
import type { HostTensor } from "../tensor/index.js";

/** Raw predictions of a batch. */
export interface Predictions {
  /** For each image, rows [cx, cy, w, h in network pixels, objectness, class probabilities]; null without detection. */
  readonly detections: { readonly perImage: readonly Float32Array[]; readonly rows: number } | null;
  /** For each image, probabilities of the views; null without classification. */
  readonly views: readonly Float32Array[] | null;
}

/** A model ready for use: batches of letterboxed images in, boxes and view probabilities out. */
export class Predictor {
  constructor(
    readonly program: Program,
    /** Network input in pixels. */
    readonly size: { readonly width: number; readonly height: number },
  ) {}

  /** Builds and compiles the deployed form of a model. */
  static async create(
    model: Model,
    tensors: ReadonlyMap<string, HostTensor>,
    size: { readonly width: number; readonly height: number },
    options: Pick<ProgramOptions, "device" | "threads" | "keep"> = {},
  ): Promise<Predictor> {
    const graph = buildDeployGraph(model, tensors, { batch: 1, ...size });
    return new Predictor(await Program.compile(graph, { ...options, dynamicBatch: true }), size);
  }

  /** @param images uint8 [batch, 3, height, width], RGB, letterboxed to `size` */
  async predict(images: HostTensor): Promise<Predictions> {
    const results = await this.program.run(new Map([["images", images]]));
    const detections = results.get("detections");
    const views = results.get("views");
    return {
      detections: detections ? { perImage: rowsOf(detections), rows: detections.shape[1] } : null,
      views: views ? rowsOf(views) : null,
    };
  }

  async close(): Promise<void> {
    await this.program.close();
  }
}

/** One view into the data for each index of the first axis. */
function rowsOf(tensor: HostTensor): Float32Array[] {
  const data = tensor.data as Float32Array;
  const length = data.length / tensor.shape[0];
  return Array.from({ length: tensor.shape[0] }, (_, i) => data.subarray(i * length, (i + 1) * length));
}
