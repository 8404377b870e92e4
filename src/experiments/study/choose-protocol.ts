import { resolveTrainConfig } from "../../config/index.js";
import { type Cost, measureCost } from "../sweep/cost.js";
import { nestPaths } from "../sweep/option-paths.js";
import { finalists, studyArms } from "./arms.js";
import { type StudyBase, studyFile } from "./study-file.js";
import { type Protocol, protocols } from "./protocols.js";

/** Input side (pixels) and images of the step that is measured. */
const probe = { size: 192, batch: 16 };
/**
 * How much longer the mean arm takes than a shared backbone with fixed weights: 1.1 over all arms, 1.2 over six finalists, as
 * a sweep of yolov5n measured them on two busy cores.
 */
const meanArm = 1.2;

/**
 * Exponent of the batch size in a step's time, below 1 since updating the weights takes as long for few images: 4 images
 * take 0.3 of the time of 16 (`bench scaling`, docs/performance.md).
 */
const smallBatch = 0.87;

/** A protocol with a rough figure of what it takes. */
export interface PricedProtocol {
  readonly protocol: Protocol;
  readonly hours: number;
}

/**
 * What each protocol would take, roughly: steps of a shared backbone are measured at one input size, side by side on all
 * cores, and taken to grow with the number of pixels. The sweep then measures the protocol that is chosen.
 * @param frames of the whole data set
 * @throws EchoDuetError as a training with these data and weights does
 */
export async function priceProtocols(
  base: StudyBase,
  { frames, cores }: { readonly frames: number; readonly cores: number },
): Promise<PricedProtocol[]> {
  const file = studyFile(base, { ...protocols[0], ...probe });
  const config = resolveTrainConfig(nestPaths({ ...file.base, allowLeakage: true }), "study");
  const cost = await measureCost(config, cores);
  return protocols.map((protocol) => ({
    protocol,
    hours: hoursOf(protocol, cost, { frames, cores }),
  }));
}

/** Hours of all runs of a study, as many at a time as there are cores. */
export function hoursOf(
  { size, epochs, batch, seeds, folds, arms }: Protocol,
  cost: Cost,
  { frames, cores }: { readonly frames: number; readonly cores: number },
): number {
  const pixels = (size / probe.size) ** 2;
  const steps = Math.ceil((frames * (folds - 2)) / folds / batch) * epochs;
  const training = steps * cost.stepSeconds * pixels * (batch / probe.batch) ** smallBatch * meanArm;
  const validation = cost.validationSeconds + (frames / folds) * cost.imageSeconds * pixels;
  const chosen = Object.values(finalists).reduce((sum, count) => sum + count, 0);
  const runs = studyArms("n", arms).length + chosen * (seeds * folds - 1);
  return (runs * (cost.startSeconds + training + validation)) / cores / 3600;
}
