import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { parseWith, type TrainConfig } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";

/** What a run of one program shape costs. Times are in seconds, as measured side by side with its like. */
export const costSchema = z.strictObject({
  /** From the start of the process to the end of the first step. */
  startSeconds: z.number(),
  /** Median of a training step, loading its images included. */
  stepSeconds: z.number(),
  /** Compiling the deployed form, at each validation. */
  validationSeconds: z.number(),
  /** Scoring an image of the validation split. */
  imageSeconds: z.number(),
  /** Largest resident memory of the process (bytes). */
  peakBytes: z.number(),
});
export type Cost = z.output<typeof costSchema>;

/** Options that change neither what a step computes nor how long it takes. */
const shapeless: ReadonlySet<keyof TrainConfig> = new Set<keyof TrainConfig>([
  ...(["data", "weights", "detectionWeights", "classificationWeights", "out", "seed"] as const),
  ...(["epochs", "fraction", "patience", "fitness", "validation", "checkpointEverySteps"] as const),
  ...(["lr0", "lrf", "schedule", "momentum", "weightDecay"] as const),
  ...(["warmupEpochs", "warmupMomentum", "warmupBiasLr", "ema", "labelSmoothing", "lossScale"] as const),
  ...(["taskWeights", "boxGain", "objGain", "clsGain", "anchorThreshold"] as const),
  ...(["alpha", "balancerLr", "sampling", "allowLeakage"] as const),
]);

/** A name for the program that a configuration trains with: configurations of equal shape cost the same. */
export function shapeOf(config: TrainConfig): string {
  const optim = {
    detection: withoutRates(config.optim.detection),
    classification: withoutRates(config.optim.classification),
  };
  const kept = Object.entries({ ...config, optim }).filter(([key]) => !isShapeless(key));
  return createHash("sha256").update(JSON.stringify(kept)).digest("hex").slice(0, 16);
}

function isShapeless(key: string): boolean {
  return shapeless.has(key as keyof TrainConfig);
}

/** What of a branch's own settings changes its program. */
function withoutRates(branch: TrainConfig["optim"]["detection"]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(branch).filter(([key]) => !isShapeless(key)));
}

/**
 * Measures what training as configured costs, by a few real steps in a process of its own; or in several at once,
 * so that what they take from each other is in the times: then medians, and the largest memory.
 * @throws EchoDuetError with the message of the process where it cannot be trained so
 */
export async function measureCost(config: TrainConfig, processes: number): Promise<Cost> {
  const costs = await Promise.all(Array.from({ length: processes }, () => measureOnce(config)));
  const median = (key: keyof Cost) => medianOf(costs.map((cost) => cost[key]));
  return {
    startSeconds: median("startSeconds"),
    stepSeconds: median("stepSeconds"),
    validationSeconds: median("validationSeconds"),
    imageSeconds: median("imageSeconds"),
    peakBytes: Math.max(...costs.map(({ peakBytes }) => peakBytes)),
  };
}

/** The middle of the sorted numbers; of two middles the greater. */
export function medianOf(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

const program = fileURLToPath(new URL("./measure-process.js", import.meta.url));

async function measureOnce(config: TrainConfig): Promise<Cost> {
  const child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "pipe"] });
  const texts = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      texts[stream] += text;
    });
  }
  child.stdin.on("error", () => {}); // the process is gone: how it ended tells
  child.stdin.end(JSON.stringify(config));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) {
    throw new EchoDuetError("runtime", texts.stderr.trim() || `measuring: expected exit code 0, got ${code}`);
  }
  return parseWith(costSchema, JSON.parse(texts.stdout), "measuring");
}
