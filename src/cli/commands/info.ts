import { Command, Option } from "commander";
import { EchoDuetError } from "../../errors.js";
import {
  createModel,
  formatSummary,
  type MatchTarget,
  matchTargets,
  modelNames,
  summariseModel,
  type Tap,
  taps,
  type Yolov5Size,
  yolov5Sizes,
} from "../../models/index.js";
import { jsonOption, parseCount, sizeOption, threadsOption } from "../options.js";

interface InfoOptions {
  readonly size: { width: number; height: number };
  readonly batch: number;
  readonly classes: number;
  readonly views: number;
  readonly tap: Tap;
  readonly matchFlops?: MatchTarget;
  readonly compare?: boolean;
  readonly scale: Yolov5Size;
  readonly designs?: readonly string[];
  readonly measure?: boolean;
  readonly rounds: number;
  readonly threads: number;
  readonly json?: boolean;
}

/** Training steps and images of a design's turn. */
const turn = { stepsPerRound: 2, imagesPerRound: 5 };

/** `echoduet info MODEL`: layers, parameters, FLOPs, activation memory; `--compare`: all designs in one table. */
export function infoCommand(): Command {
  return new Command("info")
    .description("print what a model consists of and costs, or compare the cost of all designs")
    .argument("[model]", modelNames.join(", "))
    .addOption(sizeOption().default({ width: 320, height: 320 }, "320"))
    .option("--batch <n>", "images at a time", (text) => parseCount(text), 1)
    .option("--classes <n>", "detection classes", (text) => parseCount(text), 4)
    .option("--views <n>", "view classes", (text) => parseCount(text), 3)
    .addOption(new Option("--tap <tap>", "features that the classifier reads").choices(taps).default("p3"))
    .addOption(
      new Option(
        "--match-flops <model>",
        "model whose forward FLOPs a model with one backbone takes",
      ).choices(matchTargets),
    )
    .option("--compare", "all designs in one table: single tasks, one backbone, two backbones")
    .addOption(
      new Option("--scale <scale>", "scale of the compared designs")
        .choices(Object.keys(yolov5Sizes))
        .default("n"),
    )
    .option(
      "--designs <names>",
      "with --compare: these alone, and the single tasks; by name, such as joint,dual",
      (text) => text.split(","),
    )
    .option("--measure", "with --compare: also measure steps, inference and memory on random pixels")
    .option("--rounds <n>", "rounds in which the measured designs take turns", (text) => parseCount(text), 5)
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(async (name: string | undefined, options: InfoOptions) => {
      process.stdout.write(`${options.compare ? await compare(name, options) : describe(name, options)}\n`);
    });
}

function describe(name: string | undefined, options: InfoOptions): string {
  if (name === undefined) {
    throw new EchoDuetError(
      "config",
      "info: expects a model, such as joint-yolov5n, or --compare, got neither",
    );
  }
  if (options.measure) {
    throw new EchoDuetError("config", `--measure: expects --compare, got ${name}; give --compare instead`);
  }
  const { size, batch, json, ...modelOptions } = options;
  const model = createModel(name, modelOptions);
  const summary = summariseModel(model, { batch, ...size });
  return json ? JSON.stringify(summary, null, 2) : formatSummary(summary);
}

async function compare(name: string | undefined, options: InfoOptions): Promise<string> {
  if (name !== undefined) {
    throw new EchoDuetError(
      "config",
      `--compare: expects no model, got ${name}; give --scale n, s, m, l or x`,
    );
  }
  const { chooseDesigns, compareDesigns, designsAt } = await import("../../experiments/index.js");
  const { resolveThreads } = await import("../../runtime/index.js");
  const { formatDesigns } = await import("../designs-text.js");
  const { size, batch, classes, views, scale, measure, rounds, json } = options;
  const threads = resolveThreads(options.threads);
  const designs = designsAt(scale);
  const comparison = await compareDesigns(
    options.designs ? chooseDesigns(designs, options.designs) : designs,
    { size, batch, classes, views },
    measure ? { threads, rounds, ...turn } : null,
    (line) => process.stderr.write(`${line}\n`),
  );
  return json ? JSON.stringify(comparison, null, 2) : formatDesigns(comparison);
}
