import { existsSync } from "node:fs";
import { join } from "node:path";
import type { StagedConfig, TrainConfig } from "../config/index.js";
import { resolveThreads } from "../runtime/index.js";
import { runFiles } from "./run-files.js";
import { checkStages, stageRuns } from "./stage-plan.js";
import { StagedDirectory } from "./staged-directory.js";
import { openData, originOf, resume, trainAt } from "./trainer.js";
import type { TrainingData, TrainOptions, TrainResult } from "./training-loop.js";

/** How a training in stages ended: each stage's result in order. */
export interface StagedResult {
  /** The directory of the whole. */
  readonly run: string;
  readonly stages: readonly (TrainResult & { readonly name: string })[];
}

/**
 * Trains a model in stages, in a new directory that has a run for each stage. A stage starts from the last averaged
 * weights of the latest earlier stage that held a branch of its model, or for what none held from the weights
 * configured for the whole; everything else of it (optimiser, schedule, averages) starts anew, under the same seed.
 * @throws EchoDuetError as `train`; before anything is trained where any stage does not fit
 */
export async function trainStages(config: StagedConfig, options: TrainOptions = {}): Promise<StagedResult> {
  const resolved = { ...config, threads: resolveThreads(config.threads) };
  const data = openData(resolved);
  checkStages(resolved, data.description);
  const run = StagedDirectory.create(resolved, originOf(resolved, data));
  return closing(run, () => runStages(run, data, options));
}

/**
 * Goes on with the training in stages in `directory`: finishes the stage that was stopped, then trains the next
 * ones. All end in the weights, bit for bit, of a training that was never stopped.
 * @throws EchoDuetError as `resume`
 */
export async function resumeStages(directory: string, options: TrainOptions = {}): Promise<StagedResult> {
  const run = StagedDirectory.open(directory);
  return closing(run, async () => {
    const { stages } = run.config;
    if (run.info.finished.length < stages.length) {
      return runStages(run, openData(run.config, run.info.data.fingerprint), options);
    }
    options.progress?.onMessage(
      `${directory}: all ${stages.length} stages are finished; nothing is left to train`,
    );
    return resultOf(run);
  });
}

async function closing(run: StagedDirectory, work: () => Promise<StagedResult>): Promise<StagedResult> {
  try {
    return await work();
  } finally {
    run.close();
  }
}

/** Trains the stages that are not finished. */
async function runStages(
  run: StagedDirectory,
  data: TrainingData,
  options: TrainOptions,
): Promise<StagedResult> {
  const runs = stageRuns(run.config, data.description);
  for (let index = run.info.finished.length; index < runs.length; index++) {
    const stage = { number: index + 1, count: runs.length, name: run.config.stages[index].name };
    try {
      options.signal?.throwIfAborted();
      options.progress?.onStageStart(stage);
      const { reason, epochs, bestEpoch, bestFitness, metrics } = await runStage(runs[index], data, options);
      run.finish({ name: stage.name, reason, epochs, bestEpoch, bestFitness, metrics: { ...metrics } });
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
      const where = `stage ${stage.number} of ${stage.count}, ${stage.name}`;
      throw new DOMException(`interrupted in ${where}; resume with --resume ${run.path}`, "AbortError");
    }
  }
  return resultOf(run);
}

/** Begins a stage, also over the beginnings of its directory, or goes on with it. */
function runStage(config: TrainConfig, data: TrainingData, options: TrainOptions): Promise<TrainResult> {
  const isRun = existsSync(join(config.out, runFiles.config));
  return isRun ? resume(config.out, options) : trainAt(config, data, options);
}

function resultOf(run: StagedDirectory): StagedResult {
  const { finished, data } = run.info;
  return {
    run: run.path,
    stages: finished.map((stage, index) => ({ ...stage, run: run.stage(index), leakage: data.leakage })),
  };
}
