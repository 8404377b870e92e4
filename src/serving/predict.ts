import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, isAbsolute, join } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { decodeImage, letterbox, toSourceBox } from "../data/image.js";
import { imageExtensions, labelPathOf } from "../data/image-paths.js";
import { parseLabel } from "../data/labels.js";
import { nonMaximumSuppression, xywhToXyxy } from "../detection/index.js";
import { EchoDuetError } from "../errors.js";
import { ioError, writeFileAtomically } from "../io/index.js";
import type { DeviceName } from "../runtime/index.js";
import { hostTensor } from "../tensor/index.js";
import { Predictor } from "../training/predictor.js";
import { drawPredictions } from "./draw.js";
import { openTrainedModel } from "./trained-model.js";

/** One found object. */
export interface PredictedBox {
  /** x1, y1, x2, y2 in pixels of the source image. */
  readonly box: readonly [number, number, number, number];
  readonly confidence: number;
  /** Class index. */
  readonly class: number;
  readonly name: string;
}

/** What is predicted for one image. */
export interface ImagePrediction {
  readonly source: string;
  /** Size of the source image in pixels. */
  readonly width: number;
  readonly height: number;
  readonly detections: readonly PredictedBox[];
  /** The most probable view and the probability of each; null without classification. */
  readonly view: { readonly name: string; readonly probabilities: Readonly<Record<string, number>> } | null;
}

/** A model that predicts images. */
export interface OpenedPredictor {
  readonly predictor: Predictor;
  readonly names: readonly string[];
  readonly views: readonly string[];
}

/**
 * Opens a run, a checkpoint, a `.pt`, a `.safetensors` or an exported `.onnx` file for prediction.
 * @param size network input; by default the training's, else 640x640. An exported file has its own.
 */
export async function openPredictor(
  source: string,
  options: { size?: { width: number; height: number }; device: DeviceName; threads: number },
): Promise<OpenedPredictor> {
  const { device, threads } = options;
  if (extname(source).toLowerCase() === ".onnx") {
    const { openExportedModel } = await import("./exported-model.js");
    const { predictor, metadata } = await openExportedModel(source, { device, threads });
    const { width, height } = metadata.size;
    if (options.size && (options.size.width !== width || options.size.height !== height)) {
      await predictor.close();
      throw new EchoDuetError(
        "config",
        `--size: ${source} takes ${width}x${height}, got ${options.size.width}x${options.size.height}; leave it out, or export again with this size`,
      );
    }
    return { predictor, names: metadata.names, views: metadata.views };
  }
  const { model, weights, names, views, metadata } = openTrainedModel(source);
  const size = options.size ?? metadata?.config.size ?? { width: 640, height: 640 };
  return {
    predictor: await Predictor.create(model, weights.tensors, size, { device, threads, keep: true }),
    names,
    views,
  };
}

/**
 * The images that `--source` means: a file, the images of a folder, or the matches of a glob, sorted.
 * @throws EchoDuetError `io` or `data` where there is none
 */
export async function listSources(source: string): Promise<string[]> {
  const isImage = (path: string) => imageExtensions.includes(extname(path).toLowerCase());
  if (existsSync(source)) {
    if (!statSync(source).isDirectory()) return [source];
    const inside = await glob("*", { cwd: source, onlyFiles: true });
    return nonEmpty(
      inside
        .filter(isImage)
        .sort()
        .map((name) => join(source, name)),
      source,
    );
  }
  if (!isDynamicPattern(source)) {
    throw new EchoDuetError("io", `${source}: expected an image, a folder or a glob, found nothing there`);
  }
  const found = await glob(source, {
    onlyFiles: true,
    expandDirectories: false,
    absolute: isAbsolute(source),
  });
  return nonEmpty(found.filter(isImage).sort(), source);
}

function nonEmpty(paths: string[], source: string): string[] {
  if (paths.length > 0) return paths;
  throw new EchoDuetError("data", `${source}: expected images (${imageExtensions.join(", ")}), found none`);
}

/**
 * Predicts one image file: boxes by their best class, suppressed class by class, in source pixels.
 * @throws EchoDuetError `data` for a file that is no image, or is corrupt
 */
export async function predictImage(
  { predictor, names, views }: OpenedPredictor,
  source: string,
  thresholds: { readonly confidence: number; readonly iou: number },
): Promise<ImagePrediction> {
  const image = await decodeImage(source);
  const boxed = letterbox(image, predictor.size);
  const { width, height } = predictor.size;
  const { detections, views: probabilities } = await predictor.predict(
    hostTensor("uint8", [1, 3, height, width], boxed.data),
  );
  const found = detections
    ? nonMaximumSuppression(detections.perImage[0], {
        rows: detections.rows,
        classes: names.length,
        confidenceThreshold: thresholds.confidence,
        iouThreshold: thresholds.iou,
      })
    : [];
  return {
    source,
    width: image.width,
    height: image.height,
    detections: found.map(({ box, confidence, classIndex }) => ({
      box: [...toSourceBox(boxed, box)] as [number, number, number, number],
      confidence,
      class: classIndex,
      name: names[classIndex],
    })),
    view: probabilities ? viewOf(probabilities[0], views) : null,
  };
}

function viewOf(probabilities: Float32Array, views: readonly string[]): NonNullable<ImagePrediction["view"]> {
  const best = probabilities.indexOf(Math.max(...probabilities));
  return {
    name: views[best],
    probabilities: Object.fromEntries(views.map((view, i) => [view, probabilities[i]])),
  };
}

/** Draws a prediction over its image, beside the truth where a label file lies where YOLO's layout has it. */
export async function drawPrediction(
  prediction: ImagePrediction,
  { names, views }: Pick<OpenedPredictor, "names" | "views">,
): Promise<Buffer> {
  const image = await decodeImage(prediction.source);
  const truth = readTruth(prediction.source, names, views);
  const scaled = truth?.boxes.map(({ class: index, cx, cy, w, h }) => {
    const [x1, y1, x2, y2] = xywhToXyxy([cx, cy, w, h]);
    return {
      name: names[index],
      box: [x1 * image.width, y1 * image.height, x2 * image.width, y2 * image.height],
    };
  });
  const { view } = prediction;
  return drawPredictions(image, {
    detections: prediction.detections,
    truth: names.length > 0 ? (scaled ?? []) : [],
    view: view && { name: view.name, probability: view.probabilities[view.name] },
    trueView: truth && truth.view >= 0 ? views[truth.view] : null,
  });
}

/** The label of an image; null where it has none, or one that does not fit the model's classes. */
function readTruth(source: string, names: readonly string[], views: readonly string[]) {
  const file = labelPathOf(source);
  if (!existsSync(file)) return null;
  try {
    return parseLabel(readFileSync(file, "utf8"), { file, classes: names.length, views: views.length });
  } catch (error) {
    // The picture is of the prediction; a label of another data set must not stop it.
    if (error instanceof EchoDuetError) return null;
    throw error;
  }
}

/** Writes pictures under `folder`, one `STEM.png` an image, numbered where stems repeat. */
export class PictureFolder {
  readonly #taken = new Set<string>();

  constructor(readonly folder: string) {
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw ioError(folder, "created", error);
    }
  }

  /** @returns the path written */
  write(source: string, png: Uint8Array): string {
    const stem = basename(source, extname(source));
    let name = stem;
    for (let n = 2; this.#taken.has(name); n++) name = `${stem}-${n}`;
    this.#taken.add(name);
    const path = join(this.folder, `${name}.png`);
    writeFileAtomically(path, png);
    return path;
  }
}
