import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LineProcess } from "../src/experiments/index.js";
import type { StepOptions } from "./step.js";

/** First line of the twin; see torch_twin.py. */
export interface TwinReady {
  readonly torch: string;
  readonly parameters: number;
  readonly threads: number;
  readonly channelsLast: boolean;
  readonly timed: string;
  readonly assignmentSeconds: number;
}

const script = fileURLToPath(new URL("torch_twin.py", import.meta.url));
const candidates = ["/usr/bin/python3", "python3", "python"];

/** The first Python that has PyTorch; null where none has. */
export function findTorchPython(): string | null {
  const has = (python: string) => spawnSync(python, ["-c", "import torch"], { stdio: "ignore" }).status === 0;
  return candidates.find(has) ?? null;
}

/** What a twin does when it is told to step: a training step, or a forward pass of the fused model. */
export type TwinWork = "step" | "predict";

/** Starts the PyTorch twin of a model; null for a model that has no twin (a classifier alone). */
export async function startTwin(
  python: string,
  options: StepOptions,
  channelsLast: boolean,
  work: TwinWork = "step",
): Promise<LineProcess<TwinReady> | null> {
  const [, family, size] = /^(joint|detect)-yolov5([nsmlx])$/.exec(options.model) ?? [];
  if (!size) return null;
  return LineProcess.start<TwinReady>(channelsLast ? "PyTorch, channels last" : "PyTorch", python, [
    script,
    ...["--model", size, "--views", family === "joint" ? "3" : "0"],
    ...["--size", `${options.size}`, "--batch", `${options.batch}`, "--threads", `${options.threads}`],
    ...(channelsLast ? ["--channels-last"] : []),
    ...(work === "predict" ? ["--predict"] : []),
  ]);
}
