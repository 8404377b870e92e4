import { balancerNames } from "../src/balancing/index.js";
import type { TrainConfigInput } from "../src/config/index.js";
import { type MachineFacts, machineFacts, syntheticBatch } from "../src/experiments/index.js";
import { InterferenceProbe } from "../src/training/interference-probe.js";
import { median, type PairedRatio, pairedRatio, secondsInTurns, showRatio } from "./paired.js";
import { inputOf, openSession, type StepOptions } from "./step.js";

export interface BalanceOptions extends StepOptions {
  /** Pairs of steps that are timed. */
  readonly pairs: number;
  /** All but `static` by default. */
  readonly balancers?: readonly string[];
}

/** One contender against static weights. */
export interface BalanceReport extends PairedRatio {
  readonly name: string;
  readonly medianSeconds: number;
  readonly staticSeconds: number;
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
  const reports: BalanceReport[] = [];
  for (const balancer of balancers) {
    const { session } = await open({ balancer } as Partial<TrainConfigInput>);
    const [own, without] = await secondsInTurns(
      [() => session.step(batch), () => base.session.step(batch)],
      options.pairs,
    );
    await session.close();
    reports.push({
      name: balancer,
      medianSeconds: median(own),
      staticSeconds: median(without),
      ...pairedRatio(own, without),
    });
    say(`${balancer}: ${showRatio(reports.at(-1) as BalanceReport)}`);
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

/** A report for people. */
export function formatBalance({ machine, options, balancers, probe }: BalanceBench): string {
  const row = (cells: readonly string[]) =>
    cells.map((cell, i) => (i ? cell.padStart(i < 3 ? 12 : 24) : cell.padEnd(12))).join("");
  return [
    `${machine.processor}, ${machine.cores} cores, Node ${machine.node}, ONNX Runtime ${machine.onnxRuntime}, load ${machine.load?.toFixed(2) ?? "unknown"}`,
    `${options.model}, ${options.size} x ${options.size}, batch ${options.batch}, ${options.threads} threads, ${options.pairs} pairs of steps`,
    "Random pixels and boxes: a measure of speed alone.",
    "",
    row(["balancer", "step ms", "static ms", "ratio (95 % interval)"]),
    ...balancers.map(({ name, medianSeconds, staticSeconds, ...paired }) =>
      row([name, (1000 * medianSeconds).toFixed(0), (1000 * staticSeconds).toFixed(0), showRatio(paired)]),
    ),
    "",
    `interference probe: ${(1000 * probe.medianSeconds).toFixed(0)} ms a measurement, ${probe.steps.toFixed(2)} static steps`,
  ].join("\n");
}
