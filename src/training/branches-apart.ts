import type { TrainConfig } from "../config/index.js";
import { declareModel, type Model, trainingStepFlops } from "../models/index.js";

/** A branch of a model as it runs beside the others. */
export interface BranchThreads {
  readonly model: Model;
  readonly threads: number;
}

/**
 * Largest work of a thread, in parts of an even share, up to which branches run side by side by themselves: on two
 * threads, a branch of up to 65 % of the work. Measured in docs/performance.md.
 */
const evenEnough = 1.3;

/**
 * How the branches of a model share the threads where each runs by itself, the largest first; null where the whole
 * model runs as one program on all threads. That is so where branches depend on each other, where there are fewer
 * threads than branches, on devices other than the CPU, and with `branchThreads: auto` where the branches are of too
 * unequal cost. Work is counted in FLOPs, not measured: the choice decides the last bits of results, so it must not
 * depend on the day.
 */
export function threadsApart(model: Model, config: TrainConfig): readonly BranchThreads[] | null {
  const { branchThreads, threads, device, size, batch } = config;
  const branches = [...model.alone.values()];
  if (branchThreads === "shared" || device !== "cpu" || branches.length < 2 || threads < branches.length) {
    return null;
  }
  const work = branches.map((branch) => trainingStepFlops(declareModel(branch, { ...size, batch }).graph));
  const shares = shareThreads(threads, work);
  const even = work.reduce((a, b) => a + b) / threads;
  const most = Math.max(...work.map((flops, i) => flops / shares[i]));
  if (branchThreads === "auto" && most > evenEnough * even) return null;
  return branches
    .map((branch, i) => ({ model: branch, threads: shares[i], flops: work[i] }))
    .sort((a, b) => b.flops - a.flops)
    .map(({ model: branch, threads: own }) => ({ model: branch, threads: own }));
}

/** One thread each, and every further one to whoever has most work a thread. */
export function shareThreads(threads: number, work: readonly number[]): number[] {
  const shares = work.map(() => 1);
  for (let left = threads - work.length; left > 0; left--) {
    const loads = work.map((amount, i) => amount / shares[i]);
    shares[loads.indexOf(Math.max(...loads))]++;
  }
  return shares;
}
