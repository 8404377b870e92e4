import type { Anatomy, Proportions, View } from "./anatomy.js";
import type { CyclePose } from "./cycle.js";
import { apicalFourChamber } from "./view-apical.js";
import { parasternalLongAxis } from "./view-long-axis.js";
import { parasternalShortAxis } from "./view-short-axis.js";

const BUILDERS: Record<View, (pose: CyclePose, p: Proportions) => Anatomy> = {
  A4C: apicalFourChamber,
  PSAX: parasternalShortAxis,
  PLAX: parasternalLongAxis,
};

/** The heart in `view` at one moment of the cycle, before the clip's shift, scale and rotation. */
export function buildAnatomy(view: View, pose: CyclePose, proportions: Proportions): Anatomy {
  return BUILDERS[view](pose, proportions);
}
