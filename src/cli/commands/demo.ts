import { join } from "node:path";
import { Command } from "commander";
import { parseCount } from "../options.js";
import { withTerminal } from "../terminal.js";

/** Simulated patients of the demo, and how its model is trained: from nothing, in minutes on two cores. */
const simulation = { patients: 60, framesPerClip: 2, clipsPerPatient: 6, size: { width: 320, height: 240 } };
const training = {
  model: "joint-yolov5n",
  size: 160,
  batch: 16,
  nominalBatch: 0,
  optimizer: "adamw",
  lr0: 0.002,
  epochs: 16,
  warmupEpochs: 2,
  warmupBiasLr: 0,
  momentum: 0.9,
  weightDecay: 0.01,
  ema: { decay: 0.99, tau: 50 },
  taskWeights: { detection: 1, classification: 0.1 },
  validation: { every: 4 },
};
const pictureCount = 12;

interface DemoOptions {
  readonly out: string;
  readonly seed: number;
  readonly threads: number;
}

/** `echoduet demo`: simulates patients, trains on some, scores and draws the others. */
export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "train on simulated echocardiograms for a few minutes, score unseen simulated patients, draw pictures",
    )
    .option("--out <dir>", "folder for data, runs and pictures", "runs/demo")
    .option("--seed <n>", "seed of the patients and of the training", (text) => parseCount(text, 0), 0)
    .option("--threads <n>", "threads; 0: all cores", (text) => parseCount(text, 0), 0)
    .action(run);
}

async function run({ out, seed, threads }: DemoOptions): Promise<void> {
  const { resolveTrainConfig } = await import("../../config/index.js");
  const { simulate } = await import("../../data/simulate/index.js");
  const { validate } = await import("../../serving/index.js");
  const { train } = await import("../../training/index.js");
  const { formatValidation } = await import("../validation-text.js");
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const folder = join(out, `data-seed${seed}`);
  say(`simulating ${simulation.patients} patients in ${folder}`);
  const { splits, images } = await simulate({ ...simulation, out: folder, seed });
  say(
    `${images} frames; patients: ${Object.entries(splits)
      .map(([name, s]) => `${s.patients.length} ${name}`)
      .join(", ")}`,
  );
  const data = join(folder, "data.yaml");
  await withTerminal(async (terminal) => {
    const config = resolveTrainConfig({ ...training, data, seed, threads, out: join(out, "train") }, "demo");
    const { run: weights } = await train(config, terminal);
    terminal.progress.stop();
    const report = await validate({ weights, data, split: "test", batch: 16, device: "cpu", threads });
    process.stdout.write(`${formatValidation(report)}\n`);
    const sheet = await drawPictures(weights, data, { folder: join(weights, "pictures"), threads, seed });
    process.stdout.write(`run: ${weights}\npictures (truth green, prediction red): ${sheet}\n`);
  });
}

/** Draws some test frames, picked by the seed, into `folder`, and all of them on one sheet. */
async function drawPictures(
  weights: string,
  data: string,
  { folder, threads, seed }: { folder: string; threads: number; seed: number },
): Promise<string> {
  const { listFrames, loadDataDescription } = await import("../../data/index.js");
  const { drawPrediction, drawSheet, openPredictor, PictureFolder, predictImage } = await import(
    "../../serving/index.js"
  );
  const { randomStream } = await import("../../tensor/index.js");
  const frames = listFrames(loadDataDescription(data), "test");
  const picked = randomStream(seed, "pictures").shuffled(frames).slice(0, pictureCount);
  const opened = await openPredictor(weights, { device: "cpu", threads });
  try {
    const pictures = new PictureFolder(folder);
    const drawn: Buffer[] = [];
    for (const { imagePath } of picked) {
      const prediction = await predictImage(opened, imagePath, { confidence: 0.25, iou: 0.45 });
      const picture = await drawPrediction(prediction, opened);
      pictures.write(imagePath, picture);
      drawn.push(picture);
    }
    return pictures.write("sheet", await drawSheet(drawn, 4));
  } finally {
    await opened.predictor.close();
  }
}
