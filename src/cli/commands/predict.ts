import { Command } from "commander";
import type { DeviceName } from "../../runtime/index.js";
import type { ImagePrediction } from "../../serving/index.js";
import { deviceOption, jsonOption, shareOption, sizeOption, threadsOption } from "../options.js";

interface PredictOptions {
  readonly weights: string;
  readonly source: string;
  readonly size?: { width: number; height: number };
  readonly conf: number;
  readonly iou: number;
  readonly out: string;
  readonly device: DeviceName;
  readonly threads: number;
  readonly json?: boolean;
}

/** `echoduet predict`: boxes and view of images, as JSON or as pictures. */
export function predictCommand(): Command {
  return new Command("predict")
    .description(
      "predict boxes and view of images, as pictures (truth in green where labels exist) or as JSON",
    )
    .requiredOption(
      "--weights <path>",
      "a run, a checkpoint, a .pt, a .safetensors or an exported .onnx file",
    )
    .requiredOption("--source <path>", "an image, a folder or a glob (quote it)")
    .addOption(sizeOption("network input, N or WxH (pixels); by default the training's, else 640"))
    .addOption(shareOption("--conf", "least confidence of a box", 0.25))
    .addOption(shareOption("--iou", "overlap (IoU) above which the less confident box of a class goes", 0.45))
    .option("--out <dir>", "folder for the pictures", "runs/predict")
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(options: PredictOptions): Promise<void> {
  // Not by the room's index, which loads validation, export and analyses as well, and with them the training.
  const { drawPrediction, listSources, openPredictor, PictureFolder, predictImage } = await import(
    "../../serving/predict.js"
  );
  const sources = await listSources(options.source);
  const opened = await openPredictor(options.weights, options);
  const thresholds = { confidence: options.conf, iou: options.iou };
  const predictions: ImagePrediction[] = [];
  try {
    const pictures = options.json ? null : new PictureFolder(options.out);
    for (const source of sources) {
      const prediction = await predictImage(opened, source, thresholds);
      predictions.push(prediction);
      if (pictures) {
        const path = pictures.write(source, await drawPrediction(prediction, opened));
        process.stdout.write(`${describe(prediction)} -> ${path}\n`);
      }
    }
  } finally {
    await opened.predictor.close();
  }
  if (options.json) process.stdout.write(`${JSON.stringify(predictions, null, 2)}\n`);
}

function describe({ source, detections, view }: ImagePrediction): string {
  const boxes = detections.map(({ name, confidence }) => `${name} ${confidence.toFixed(2)}`).join(", ");
  const seen = view ? `; view ${view.name} ${view.probabilities[view.name].toFixed(2)}` : "";
  return `${source}: ${boxes || "no boxes"}${seen}`;
}
