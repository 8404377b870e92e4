import { Command, InvalidArgumentError } from "commander";
import { formatBalance, measureBalance } from "./balance.js";
import { formatEpochs, measureEpochs } from "./epoch.js";
import { formatReport } from "./format.js";
import { measure } from "./rounds.js";
import { profile, serve, type StepOptions } from "./step.js";

const program = new Command("bench").description("Measures EchoDuet's speed on this machine.");

program
  .command("step")
  .description("time, memory and make-up of a training step, beside PyTorch's where it is installed")
  .option("--model <name>", "model by name", "joint-yolov5n")
  .option("--size <pixels>", "side of the square images, a multiple of 32", integer, 320)
  .option("--batches <list>", "batch sizes", integers, [8, 16])
  .option("--threads <count>", "threads of both engines", integer, 2)
  .option("--rounds <count>", "rounds in which the engines take turns", integer, 5)
  .option("--steps <count>", "steps of a turn", integer, 3)
  .option("--no-twin", "leave PyTorch out")
  .option("--json", "print JSON alone")
  .action(async ({ json, steps, ...options }) => {
    const say = (line: string) => process.stderr.write(`${line}\n`);
    const report = await measure({ ...options, stepsPerRound: steps, warmUpSteps: 2 }, say);
    process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatReport(report)}\n`);
  });

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
    const say = (line: string) => process.stderr.write(`${line}\n`);
    const report = await measureBalance(options, say);
    process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatBalance(report)}\n`);
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
    const say = (line: string) => process.stderr.write(`${line}\n`);
    const report = await measureEpochs({ ...options, augment }, say);
    process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatEpochs(report)}\n`);
  });

// What the step command starts as processes of their own.
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
