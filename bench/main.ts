import { Command, InvalidArgumentError } from "commander";
import { formatBalance, measureBalance } from "./balance.js";
import { formatConvolutions, measureConvolutions } from "./convolutions.js";
import { formatDual, measureDual } from "./dual.js";
import { formatEpochs, measureEpochs } from "./epoch.js";
import { formatReport } from "./format.js";
import { formatMemory, measureMemory } from "./memory.js";
import { formatPredictions, measurePredictions, servePredictions } from "./predict.js";
import { type BenchOptions, measure } from "./rounds.js";
import { drawScaling, formatScaling, measureScaling } from "./scaling.js";
import { formatStartup, measureStartup, printFirstStep } from "./startup.js";
import { profile, type StepOptions, serve } from "./step.js";

const program = new Command("bench").description("Measures EchoDuet's speed on this machine.");

/** A command that lets our engine and PyTorch take turns at every batch size. */
function compare<Report>(
  { name, description, rounds, steps }: { name: string; description: string; rounds: number; steps: number },
  measured: (options: BenchOptions, say: (line: string) => void) => Promise<Report>,
  format: (report: Report) => string,
): void {
  program
    .command(name)
    .description(description)
    .option("--model <name>", "model by name", "joint-yolov5n")
    .option("--size <pixels>", "side of the square images, a multiple of 32", integer, 320)
    .option("--batches <list>", "batch sizes", integers, name === "predict" ? [1, 16] : [8, 16])
    .option("--threads <count>", "threads of both engines", integer, 2)
    .option("--rounds <count>", "rounds in which the engines take turns", integer, rounds)
    .option("--steps <count>", "steps of a turn", integer, steps)
    .option("--no-twin", "leave PyTorch out")
    .option("--json", "print JSON alone")
    .action(async ({ json, steps, ...options }) => {
      const report = await measured({ ...options, stepsPerRound: steps, warmUpSteps: 2 }, say);
      print(json, report, format);
    });
}

compare(
  {
    name: "step",
    description: "time, memory and make-up of a training step, beside PyTorch's where it is installed",
    ...{ rounds: 5, steps: 3 },
  },
  measure,
  formatReport,
);
compare(
  {
    name: "predict",
    description: "time of the deployed model on a batch, beside PyTorch's where it is installed",
    ...{ rounds: 5, steps: 20 },
  },
  measurePredictions,
  formatPredictions,
);
compare(
  {
    name: "memory",
    description: "largest resident set of a training, beside PyTorch's where it is installed",
    ...{ rounds: 3, steps: 3 },
  },
  measureMemory,
  formatMemory,
);

program
  .command("scaling")
  .description("the training step over batch sizes and image sizes, as a picture")
  .option("--model <name>", "model by name", "joint-yolov5n")
  .option("--threads <count>", "threads of both engines", integer, 2)
  .option("--batches <list>", "batch sizes", integers, [1, 2, 4, 8, 16])
  .option(
    "--sizes <list>",
    "sides of the square images, multiples of 32",
    integers,
    [160, 192, 256, 320, 416],
  )
  .option("--fixed-batch <images>", "batch size over which sizes vary", integer, 8)
  .option("--fixed-size <pixels>", "image size over which batches vary", integer, 320)
  .option("--rounds <count>", "rounds in which the engines take turns", integer, 3)
  .option("--steps <count>", "steps of a turn", integer, 2)
  .option("--no-twin", "leave PyTorch out")
  .option("--picture <file>", "PNG with both curves")
  .option("--json", "print JSON alone")
  .action(async ({ json, steps, picture, ...options }) => {
    const report = await measureScaling({ ...options, stepsPerRound: steps }, say);
    if (picture !== undefined) await drawScaling(report, picture);
    print(json, report, formatScaling);
  });

program
  .command("startup")
  .description("from the start of a process to the boxes of an image, and the programs of a training")
  .requiredOption("--weights <file>", "weights that predict opens")
  .option("--model <name>", "model that is trained, by name", "joint-yolov5n")
  .option("--size <pixels>", "side of the square images, a multiple of 32", integer, 320)
  .option("--batch <images>", "batch size of the training", integer, 16)
  .option("--threads <count>", "threads", integer, 2)
  .option("--rounds <count>", "rounds", integer, 5)
  .option("--no-twin", "leave PyTorch out")
  .option("--json", "print JSON alone")
  .action(async ({ json, ...options }) => print(json, await measureStartup(options, say), formatStartup));

program
  .command("balance")
  .description("what each balancer, and the interference probe, adds to a training step with static weights")
  .option("--model <name>", "model by name", "joint-yolov5n")
  .option("--size <pixels>", "side of the square images, a multiple of 32", integer, 320)
  .option("--batch <images>", "batch size", integer, 8)
  .option("--threads <count>", "threads", integer, 2)
  .option("--pairs <count>", "pairs of steps, one with static weights and one without", integer, 30)
  .option("--balancers <list>", "balancers by name; all by default", (text: string) => text.split(","))
  .option("--json", "print JSON alone")
  .action(async ({ json, ...options }) => {
    print(json, await measureBalance(options, say), formatBalance);
  });

program
  .command("convolutions")
  .description("each convolution of a training step in ONNX Runtime's plain and blocked layout")
  .option("--model <name>", "model by name", "joint-yolov5n")
  .option("--size <pixels>", "side of the square images, a multiple of 32", integer, 320)
  .option("--batches <list>", "batch sizes", integers, [1, 2, 4, 8])
  .option("--threads <count>", "threads", integer, 2)
  .option("--rounds <count>", "rounds in which each form runs once", integer, 15)
  .option("--json", "print JSON alone")
  .action(async ({ json, ...options }) =>
    print(json, await measureConvolutions(options, say), formatConvolutions),
  );

program
  .command("dual")
  .description("a dual model's step, its branches in one program or side by side, against each branch alone")
  .option("--model <name>", "model by name", "dual-yolov5n")
  .option("--classifier-backbone <name>", "classification backbone", "yolov5n")
  .option("--size <pixels>", "side of the square images, a multiple of 32", integer, 320)
  .option("--batch <images>", "batch size", integer, 8)
  .option("--threads <count>", "threads", integer, 2)
  .option("--rounds <count>", "rounds in which each steps once", integer, 30)
  .option("--json", "print JSON alone")
  .action(async ({ json, ...options }) => {
    print(json, await measureDual(options), formatDual);
  });

program
  .command("epoch")
  .description("the training loop on real frames beside its steps alone")
  .requiredOption("--data <file>", "data.yaml of the frames")
  .option("--model <name>", "model by name", "joint-yolov5n")
  .option("--size <pixels>", "side of the square images, a multiple of 32", integer, 320)
  .option("--batch <images>", "batch size", integer, 16)
  .option("--threads <count>", "threads", integer, 2)
  .option("--epochs <count>", "epochs; the first decodes the images", integer, 3)
  .option("--fraction <share>", "share of the training clips", Number, 1)
  .option("--bare-steps <count>", "steps alone before each epoch", integer, 5)
  .option("--augment", "augment the images")
  .option("--json", "print JSON alone")
  .action(async ({ json, augment = false, ...options }) => {
    print(json, await measureEpochs({ ...options, augment }, say), formatEpochs);
  });

// What the commands start as processes of their own.
program
  .command("serve-predictions", { hidden: true })
  .argument("<step>")
  .action((step) => servePredictions(parseStep(step)));
program
  .command("first-step", { hidden: true })
  .argument("<step>")
  .action((step) => printFirstStep(parseStep(step)));
program
  .command("serve", { hidden: true })
  .argument("<step>")
  .action((step) => serve(parseStep(step)));
program
  .command("profile", { hidden: true })
  .argument("<step>")
  .argument("<steps>", "", integer)
  .action(async (step, steps) => {
    process.stdout.write(`${JSON.stringify(await profile(parseStep(step), steps))}\n`);
  });

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function print<Report>(json: boolean, report: Report, format: (report: Report) => string): void {
  process.stdout.write(`${json ? JSON.stringify(report, null, 2) : format(report)}\n`);
}

function parseStep(text: string): StepOptions {
  return JSON.parse(text) as StepOptions;
}

function integer(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected a positive integer");
  return value;
}

function integers(text: string): number[] {
  return text.split(",").map(integer);
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});
