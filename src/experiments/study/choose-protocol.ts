import { resolveTrainConfig } from "../../config/index.js";
import { type Cost, measureCost } from "../sweep/cost.js";
import { nestPaths } from "../sweep/option-paths.js";
import { finalists, studyArms } from "./arms.js";
import { type StudyBase, studyFile } from "./study-file.js";
import { type Protocol, protocols } from "./protocols.js";

/** Input side at which a step is measured (pixels). */
const probeSize = 192;
/** How much longer the mean arm takes than a shared backbone with fixed weights: gradients of each task, two backbones. */
const meanArm = 1.3;

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
  const probe = studyFile(base, { ...protocols[0], size: probeSize });
  const config = resolveTrainConfig(nestPaths({ ...probe.base, allowLeakage: true }), "study");
  const cost = await measureCost(config, cores);
  return protocols.map((protocol) => ({
    protocol,
    hours: hoursOf(protocol, cost, { frames, cores, batch: config.batch }),
  }));
}

/** Hours of all runs of a study, as many at a time as there are cores. */
export function hoursOf(
  { size, epochs, seeds, folds, arms }: Protocol,
  cost: Cost,
  { frames, cores, batch }: { readonly frames: number; readonly cores: number; readonly batch: number },
): number {
  const pixels = (size / probeSize) ** 2;
  const steps = Math.ceil((frames * (folds - 2)) / folds / batch) * epochs;
  const training = steps * cost.stepSeconds * pixels * meanArm;
  const validation = cost.validationSeconds + (frames / folds) * cost.imageSeconds * pixels;
  const chosen = Object.values(finalists).reduce((sum, count) => sum + count, 0);
  const runs = studyArms("n", arms).length + chosen * (seeds * folds - 1);
  return (runs * (cost.startSeconds + training + validation)) / cores / 3600;
}
