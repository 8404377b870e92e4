import { balancerNames } from "../src/balancing/index.js";
import type { TrainConfigInput } from "../src/config/index.js";
import { InterferenceProbe } from "../src/training/interference-probe.js";
import { type MachineFacts, machineFacts, syntheticBatch } from "../src/experiments/index.js";
import { quantile } from "../src/tensor/index.js";
import { inputOf, openSession, type StepOptions } from "./step.js";

export interface BalanceOptions extends StepOptions {
  /** Pairs of steps that are timed. */
  readonly pairs: number;
  /** All but `static` by default. */
  readonly balancers?: readonly string[];
}

/** One contender against static weights. */
export interface BalanceReport {
  readonly name: string;
  readonly medianSeconds: number;
  readonly staticSeconds: number;
  /** Median of the pairs' ratios, and its 95 % interval by order statistics. */
  readonly ratio: number;
  readonly interval: readonly [number, number];
  readonly ratios: readonly number[];
}

export interface BalanceBench {
  readonly input: "synthetic: random pixels and boxes, for speed only";
  readonly machine: MachineFacts;
  readonly options: BalanceOptions;
  readonly balancers: readonly BalanceReport[];
  /** One measurement of the probe, beside the training. */
  readonly probe: { readonly medianSeconds: number; readonly steps: number };
}

const warmUpSteps = 2;
const probeRuns = 5;

/**
 * Steps with each balancer paired with steps with static weights: one of each, taking turns at going first, on the
 * same batch and in the same process, so that what else the machine does meets both.
 */
export async function measureBalance(
  options: BalanceOptions,
  say: (line: string) => void,
): Promise<BalanceBench> {
  const { balancers = balancerNames.filter((name) => name !== "static") } = options;
  const batch = syntheticBatch(inputOf(options));
  const open = async (changes: Partial<TrainConfigInput>) => {
    const opened = openSession(options, changes);
    for (let step = 0; step < warmUpSteps; step++) await opened.session.step(batch);
    return opened;
  };
  const base = await open({});
  const timed = async (run: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await run();
    return (performance.now() - start) / 1000;
  };
  const reports: BalanceReport[] = [];
  for (const balancer of balancers) {
    const { session } = await open({ balancer } as Partial<TrainConfigInput>);
    const pairs: [number, number][] = [];
    for (let pair = 0; pair < options.pairs; pair++) {
      const own = () => timed(() => session.step(batch));
      const without = () => timed(() => base.session.step(batch));
      const first = pair % 2 === 0 ? await own() : await without();
      pairs.push(pair % 2 === 0 ? [first, await without()] : [await own(), first]);
    }
    await session.close();
    const ratios = pairs.map(([own, without]) => own / without);
    reports.push({
      name: balancer,
      medianSeconds: median(pairs.map(([own]) => own)),
      staticSeconds: median(pairs.map(([, without]) => without)),
      ratio: median(ratios),
      interval: medianInterval(ratios),
      ratios,
    });
    say(`${balancer}: ${reports.at(-1)?.ratio.toFixed(3)}`);
  }
  const probe = new InterferenceProbe({ model: base.model, config: base.config, batch });
  const parameters = base.session.parameters();
  await probe.measure(parameters);
  const seconds: number[] = [];
  for (let run = 0; run < probeRuns; run++) seconds.push((await probe.measure(parameters)).seconds);
  await probe.close();
  await base.session.close();
  const medianSeconds = median(seconds);
  return {
    input: "synthetic: random pixels and boxes, for speed only",
    machine: machineFacts(),
    options,
    balancers: reports,
    probe: { medianSeconds, steps: medianSeconds / median(reports.map((report) => report.staticSeconds)) },
  };
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The order statistics that hold the median with a probability of about 95 % (normal approximation of the ranks). */
function medianInterval(values: readonly number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const reach = (1.96 * Math.sqrt(sorted.length)) / 2;
  const low = Math.max(0, Math.floor(sorted.length / 2 - reach) - 1);
  return [sorted[low], sorted[sorted.length - 1 - low]];
}

/** A report for people. */
export function formatBalance({ machine, options, balancers, probe }: BalanceBench): string {
  const row = (cells: readonly string[]) =>
    cells.map((cell, i) => (i ? cell.padStart(14) : cell.padEnd(12))).join("");
  return [
    `${machine.processor}, ${machine.cores} cores, Node ${machine.node}, ONNX Runtime ${machine.onnxRuntime}, load ${machine.load?.toFixed(2) ?? "unknown"}`,
    `${options.model}, ${options.size} x ${options.size}, batch ${options.batch}, ${options.threads} threads, ${options.pairs} pairs of steps`,
    "Random pixels and boxes: a measure of speed alone.",
    "",
    row(["balancer", "step ms", "static ms", "ratio", "95 % interval"]),
    ...balancers.map(({ name, medianSeconds, staticSeconds, ratio, interval }) =>
      row([
        name,
        (1000 * medianSeconds).toFixed(0),
        (1000 * staticSeconds).toFixed(0),
        ratio.toFixed(3),
        interval.map((end) => end.toFixed(3)).join("-"),
      ]),
    ),
    "",
    `interference probe: ${(1000 * probe.medianSeconds).toFixed(0)} ms a measurement, ${probe.steps.toFixed(2)} static steps`,
  ].join("\n");
}
