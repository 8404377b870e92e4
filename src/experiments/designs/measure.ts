import { fileURLToPath } from "node:url";
import { quantile } from "../../tensor/index.js";
import { builtScript } from "../../threads/index.js";
import { LineProcess, type SyntheticInput, takeTurns, type TimedRuns } from "../speed/index.js";
import type { DesignProcessOptions } from "./design-process.js";
import { type Design, singleTaskDesigns } from "./designs.js";

export interface MeasureOptions extends SyntheticInput {
  readonly threads: number;
  /** Rounds in which every design has one turn. */
  readonly rounds: number;
  /** Training steps of a turn. */
  readonly stepsPerRound: number;
  /** Images, one at a time, of a turn. */
  readonly imagesPerRound: number;
}

/** What one design showed. */
export interface DesignMeasures {
  /** Every timed training step in order, by round, and every timed image. */
  readonly stepSeconds: readonly (readonly number[])[];
  readonly imageSeconds: readonly (readonly number[])[];
  /** In each round, the median step over the sum of those of the two single-task designs. */
  readonly stepRatios: readonly number[];
  /** Largest resident set of the design's own process up to its last training step, Node and compiling included. */
  readonly peakMemoryBytes: number;
}

const warmUpSteps = 2;
const warmUpImages = 3;

/**
 * Measures designs against each other on random pixels: each in a process of its own, all of them open at once, taking
 * turns.
 * @param say receives a line of progress now and then
 * @returns for each design what it showed
 * @throws EchoDuetError `runtime` where a process ends before its time, such as for lack of memory
 */
export async function measureDesigns(
  designs: readonly Design[],
  { rounds, stepsPerRound, imagesPerRound, ...input }: MeasureOptions,
  say: (line: string) => void,
): Promise<DesignMeasures[]> {
  const processes: LineProcess<object>[] = [];
  try {
    for (const design of designs) {
      say(`${design.name}: compiling`);
      const started = await startDesign({ ...input, design });
      processes.push(started);
      await started.run("step", warmUpSteps);
    }
    const inTurns = (word: string, count: number) =>
      takeTurns(
        processes.map((process) => () => process.run(word, count)),
        rounds,
        (round) => say(`${word}: round ${round} of ${rounds}`),
      );
    const steps = await inTurns("step", stepsPerRound);
    for (const process of processes) await process.run("image", warmUpImages);
    const images = await inTurns("image", imagesPerRound);
    return designs.map((_, i) => ({
      stepSeconds: secondsOf(steps[i]),
      imageSeconds: secondsOf(images[i]),
      stepRatios: ratiosToSingles(designs, steps, i),
      peakMemoryBytes: Math.max(...steps[i].map(({ peakRssBytes }) => peakRssBytes)),
    }));
  } finally {
    for (const process of processes) await process.quit();
  }
}

/** The median of all times of a measurement, and its quartiles. */
export function spreadOf(rounds: readonly (readonly number[])[]): [number, number, number] {
  const all = rounds.flat();
  return [quantile(all, 0.5), quantile(all, 0.25), quantile(all, 0.75)];
}

function startDesign(options: DesignProcessOptions): Promise<LineProcess<object>> {
  const script = builtScript(new URL("./design-process.js", import.meta.url), "measurement");
  const args = [fileURLToPath(script), JSON.stringify(options)];
  return LineProcess.start(options.design.name, process.execPath, args);
}

function secondsOf(rounds: readonly TimedRuns[]): (readonly number[])[] {
  return rounds.map(({ seconds }) => seconds);
}

function ratiosToSingles(
  designs: readonly Design[],
  steps: readonly (readonly TimedRuns[])[],
  at: number,
): number[] {
  const medianOf = ({ seconds }: TimedRuns) => quantile(seconds, 0.5);
  const singles = singleTaskDesigns.map((name) => steps[designs.findIndex((design) => design.name === name)]);
  return steps[at].map((own, round) => {
    const sum = singles.reduce((total, single) => total + medianOf(single[round]), 0);
    return medianOf(own) / sum;
  });
}
