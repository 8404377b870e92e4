import { describe, expect, it } from "vitest";
import { GroupedDetections, IOU_THRESHOLDS, type MatchedImage } from "../../src/detection/index.js";
import { clusterWeights, percentileInterval } from "../../src/experiments/statistics/index.js";
import { type RandomStream, randomStream } from "../../src/tensor/index.js";

const trials = 200;
const resamples = 199;

/** Share of simulated data sets whose interval holds `truth`. */
function coverage(
  clusters: number,
  truth: number,
  statisticOf: (trial: number) => (w: Int32Array) => number,
) {
  let held = 0;
  for (let trial = 0; trial < trials; trial++) {
    const statistic = statisticOf(trial);
    const values = Array.from({ length: resamples }, (_, i) => statistic(clusterWeights(clusters, i, trial)));
    const interval = percentileInterval(values);
    if (interval && interval.low <= truth && truth <= interval.high) held++;
  }
  return held / trials;
}

/** Right answers and frames of a patient; patients differ in how hard they are, and in how many frames they have. */
function simulatedPatient(random: RandomStream): { right: number; frames: number } {
  const [chance, frames] = [0.5 + 0.45 * random.uniform(), 1 + random.integer(40)];
  const right = Array.from({ length: frames }, () => random.uniform() < chance).filter(Boolean).length;
  return { right, frames };
}

/** Images of one class and one label each, found or missed with a patient's own chance, among false positives. */
function simulatedImages(random: RandomStream): MatchedImage[] {
  const chance = 0.3 + 0.6 * random.uniform();
  return Array.from({ length: 1 + random.integer(6) }, () => {
    const hit = random.uniform() < chance;
    const found = [
      ...(hit ? [{ confidence: 0.3 + 0.7 * random.uniform(), tp: 1 }] : []),
      { confidence: 0.8 * random.uniform(), tp: 0 },
    ].sort((a, b) => b.confidence - a.confidence);
    return {
      tp: Uint8Array.from(found.flatMap(({ tp }) => IOU_THRESHOLDS.map(() => tp))),
      confidence: Float64Array.from(found, ({ confidence }) => confidence),
      predictedClass: new Int32Array(found.length),
      targetClass: new Int32Array(1),
    };
  });
}

function map50Of(patients: readonly (readonly MatchedImage[])[]): (weights: ArrayLike<number>) => number {
  const grouped = new GroupedDetections(
    patients.flat(),
    patients.flatMap((images, patient) => images.map(() => patient)),
    { groupCount: patients.length, classes: 1 },
  );
  return (weights) => grouped.meanAveragePrecision(weights).map50 ?? Number.NaN;
}

describe("the patient bootstrap", () => {
  it("holds the true accuracy in about 95 of 100 studies of 40 patients, in fewer of 7", () => {
    const study = (clusters: number) => (trial: number) => {
      const random = randomStream(trial, "coverage", clusters);
      const patients = Array.from({ length: clusters }, () => simulatedPatient(random));
      return (weights: Int32Array) => {
        const sum = (of: (patient: { right: number; frames: number }) => number) =>
          patients.reduce((total, patient, i) => total + weights[i] * of(patient), 0);
        return sum(({ right }) => right) / sum(({ frames }) => frames);
      };
    };
    // The mean chance, whatever the numbers of frames.
    const [many, few] = [coverage(40, 0.725, study(40)), coverage(7, 0.725, study(7))];
    // Three standard errors of a share of 200 trials: 0.046.
    expect(many).toBeGreaterThan(0.95 - 0.06);
    expect(many).toBeLessThanOrEqual(0.99);
    expect(few).toBeGreaterThan(0.75);
    expect(few).toBeLessThan(many);
  });

  it("holds the true mAP of a population in about 95 of 100 studies of 40 patients", () => {
    const population = randomStream(0, "population");
    const truth = map50Of(Array.from({ length: 4000 }, () => simulatedImages(population)))(
      new Int32Array(4000).fill(1),
    );
    const share = coverage(40, truth, (trial) => {
      const random = randomStream(trial, "coverage", "map");
      return map50Of(Array.from({ length: 40 }, () => simulatedImages(random)));
    });
    expect(share).toBeGreaterThan(0.95 - 0.06);
    expect(share).toBeLessThanOrEqual(0.99);
  });

  it("counts as many clusters as there are, and depends on seed and number alone", () => {
    const weights = clusterWeights(9, 4, 1);
    expect(weights.reduce((a, b) => a + b)).toBe(9);
    expect(clusterWeights(9, 4, 1)).toEqual(weights);
    expect(clusterWeights(9, 5, 1)).not.toEqual(weights);
  });
});
