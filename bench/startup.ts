import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { type MachineFacts, machineFacts, syntheticBatch } from "../src/experiments/index.js";
import { quantile, randomStream } from "../src/tensor/index.js";
import { StepPrograms } from "../src/training/step-programs.js";
import { reportHead, table } from "./format.js";
import { childArguments } from "./rounds.js";
import { inputOf, openSession, type StepOptions } from "./step.js";
import { findTorchPython, startTwin, type TwinReady } from "./twin.js";

export interface StartupOptions extends StepOptions {
  /** Weights that `predict` opens. */
  readonly weights: string;
  readonly rounds: number;
  readonly twin: boolean;
}

/** One thing that starts. */
export interface StartupSeries {
  readonly label: string;
  /** Wall time of each round. */
  readonly seconds: readonly number[];
  readonly medianSeconds: number;
  /** Median time of all processors; null where it is not known. */
  readonly processorSeconds: number | null;
  /** Our median with a warm cache over this one, where both do the same. */
  readonly ratio: number | null;
}

export interface StartupBench {
  readonly machine: MachineFacts;
  readonly torch: string | null;
  readonly options: StartupOptions;
  readonly series: readonly StartupSeries[];
}

interface Started {
  readonly seconds: number;
  readonly processorSeconds: number | null;
}

const cli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const warm = "predict one image, programs kept";
const twinLabels = ["PyTorch: import, model, one pass", "PyTorch, channels last: the same"];

/**
 * What it takes from the start of a process to the boxes of one image, and what the programs of a training take at
 * its start, without kept programs and with them, in rounds.
 */
export async function measureStartup(
  options: StartupOptions,
  say: (line: string) => void,
): Promise<StartupBench> {
  const machine = machineFacts();
  const python = options.twin ? findTorchPython() : null;
  const folder = mkdtempSync(join(tmpdir(), "echoduet-bench-"));
  const image = join(folder, "noise.png");
  const found = new Map<string, Started[]>();
  const keep = (label: string, started: Started) => found.set(label, [...(found.get(label) ?? []), started]);
  let torch: string | null = null;
  try {
    await writeNoise(image);
    const kept = join(folder, "kept");
    predictOnce(options, image, kept);
    firstStep(options, kept);
    for (let round = 0; round < options.rounds; round++) {
      say(`round ${round + 1} of ${options.rounds}`);
      keep("predict one image", predictOnce(options, image, "off"));
      keep(warm, predictOnce(options, image, kept));
      keep("programs of a training", firstStep(options, "off"));
      keep("programs of a training, kept", firstStep(options, kept));
      if (python === null) continue;
      for (const channelsLast of [false, true]) {
        const started = await startTwinOnce(python, options, channelsLast);
        if (started === null) continue;
        torch = started.torch;
        keep(twinLabels[Number(channelsLast)], started);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { machine, torch, options, series: seriesOf(found) };
}

function seriesOf(found: ReadonlyMap<string, readonly Started[]>): StartupSeries[] {
  const median = (values: readonly number[]) => quantile(values, 0.5);
  const ours = median((found.get(warm) ?? []).map(({ seconds }) => seconds));
  return [...found].map(([label, rounds]) => {
    const seconds = rounds.map((round) => round.seconds);
    const processor = rounds.flatMap(({ processorSeconds }) => processorSeconds ?? []);
    return {
      label,
      seconds,
      medianSeconds: median(seconds),
      processorSeconds: processor.length > 0 ? median(processor) : null,
      ratio: twinLabels.includes(label) ? ours / median(seconds) : null,
    };
  });
}

/** `predict` as a process of its own. */
function predictOnce({ weights, size, threads }: StartupOptions, image: string, cache: string): Started {
  const args = ["predict", "--weights", weights, "--source", image, "--json"];
  const sized = ["--size", `${size}`, "--threads", `${threads}`];
  return timeProcess([cli, ...args, ...sized], cache).started;
}

/** Building and compiling the step of a training, in a process of its own. */
function firstStep({ model, size, batch, threads }: StartupOptions, cache: string): Started {
  const step = { model, size, batch, threads };
  const { output } = timeProcess(childArguments("first-step", step), cache);
  return JSON.parse(output) as Started;
}

/** Tells on descriptor 3, as the process ends, the microseconds of processor time that it took. */
const tellProcessorTime = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from "node:fs";
  process.on("exit", () => {
    const { user, system } = process.cpuUsage();
    writeSync(3, String(user + system));
  });`)}`;

function timeProcess(args: readonly string[], cache: string): { output: string; started: Started } {
  const start = performance.now();
  const { status, stdout, stderr, output } = spawnSync(
    process.execPath,
    ["--import", tellProcessorTime, ...args],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: { ...process.env, ECHODUET_CACHE: cache },
    },
  );
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
  return { output: stdout, started: { seconds, processorSeconds: Number(output[3]) / 1e6 } };
}

/** Times what a session's first step spends on its programs: building the graph, and loading it. */
export async function printFirstStep(options: StepOptions): Promise<void> {
  const compile = StepPrograms.prototype.compile;
  StepPrograms.prototype.compile = async function (...shape) {
    const [start, used] = [performance.now(), process.cpuUsage()];
    const program = await compile.apply(this, shape);
    const { user, system } = process.cpuUsage(used);
    const seconds = (performance.now() - start) / 1000;
    const programs: Started = { seconds, processorSeconds: (user + system) / 1e6 };
    process.stdout.write(`${JSON.stringify(programs)}\n`);
    return program;
  };
  const { session } = openSession(options);
  await session.step(syntheticBatch(inputOf(options)));
  await session.close();
}

async function startTwinOnce(
  python: string,
  options: StartupOptions,
  channelsLast: boolean,
): Promise<(Started & Pick<TwinReady, "torch">) | null> {
  const start = performance.now();
  const twin = await startTwin(python, { ...options, batch: 1 }, channelsLast, "predict");
  if (twin === null) return null;
  await twin.run("step", 1);
  const seconds = (performance.now() - start) / 1000;
  await twin.quit();
  return { seconds, processorSeconds: null, torch: twin.ready.torch };
}

/** A picture of the usual size of a frame. */
async function writeNoise(path: string): Promise<void> {
  const random = randomStream(0, "bench");
  const data = Uint8Array.from({ length: 640 * 480 * 3 }, () => random.integer(256));
  await sharp(data, { raw: { width: 640, height: 480, channels: 3 } })
    .png()
    .toFile(path);
}

/** A report for people. */
export function formatStartup({ machine, options, torch, series }: StartupBench): string {
  const s = (seconds: number) => seconds.toFixed(2);
  return [
    ...reportHead(machine, torch),
    `predict: ${options.weights}; training: ${options.model}, batch ${options.batch}; ${options.size} x ${options.size}, ${options.threads} threads, ${options.rounds} rounds`,
    "",
    ...table([
      ["", "seconds", "range", "processor s", "ours / theirs"],
      ...series.map(({ label, seconds, medianSeconds, processorSeconds, ratio }) => [
        label,
        s(medianSeconds),
        `${s(Math.min(...seconds))}-${s(Math.max(...seconds))}`,
        processorSeconds === null ? "" : s(processorSeconds),
        ratio === null ? "" : s(ratio),
      ]),
    ]),
  ].join("\n");
}
