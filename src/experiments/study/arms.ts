import { balancers } from "../../config/index.js";
import type { Settings } from "../sweep/option-paths.js";

/** An arm of the study, and the family whose best one goes on to the finals. */
interface StudyArm {
  readonly name: string;
  readonly family: Family;
  readonly settings: Settings;
}

/** Families of arms, and how many of each go on to the finals; of the controls all do. */
export const finalists = {
  controls: 2,
  group: 1,
  shared: 1,
  gradnorm: 1,
  dual: 1,
} as const;
type Family = keyof typeof finalists;

/** Exponents of GradNorm's relative training rate: equal norms, the paper's for like and for unlike tasks, and between. */
const alphas = [0, 0.12, 0.5, 1, 1.5, 2] as const;

/** Initial weights of detection and classification, by the weight of the latter. */
const initialWeights = [1, 0.1, 0.01] as const;

/** The losses as YOLOv5's loop with 0.01 x cross-entropy added to it has them: the way that is to be improved upon. */
const groupWeights: Settings = { lossScale: "yolov5", taskWeights: [1, 0.01] };

/** The arms of a study that has little time: of each kind what one would try first. */
const core: readonly string[] = [
  ...["detection-alone", "views-alone", "group", "static-1", "static-0.01", "detached"],
  ...["gradnorm-0.5-from-1", "gradnorm-1.5-from-1", "gradnorm-1.5-from-0.01", "gradnorm-1.5-direct"],
  ...["uncertainty", "pcgrad", "dual", "dual-se", "dual-se-bridge"],
];

/**
 * The arms of a study of detector and view classifier at one scale of YOLOv5: each task alone, a shared backbone with fixed
 * weights, under GradNorm and under every other balancer, and two backbones.
 *
 * GradNorm by Adam starts from each of the initial weights; by the direct rule it does not remember where it started,
 * so that one start is enough.
 * @param scale `n`, `s`, `m`, `l` or `x`
 * @param extent `core`: fewer starts, exponents and balancers
 */
export function studyArms(scale: string, extent: "all" | "core"): StudyArm[] {
  const arms = allArms(scale);
  return extent === "all" ? arms : arms.filter(({ name }) => core.includes(name));
}

function allArms(scale: string): StudyArm[] {
  const joint = { model: `joint-yolov5${scale}` };
  const dual = { model: `dual-yolov5${scale}` };
  const starts: readonly [string, Settings][] = [
    ...initialWeights.map((weight): [string, Settings] => [`${weight}`, { taskWeights: [1, weight] }]),
    ["group", groupWeights],
  ];
  const arm = (family: Family, name: string, settings: Settings): StudyArm => ({ name, family, settings });
  return [
    arm("controls", "detection-alone", { model: `detect-yolov5${scale}` }),
    arm("controls", "views-alone", { model: `classify-yolov5${scale}` }),
    arm("group", "group", { ...joint, ...groupWeights }),
    ...initialWeights.map((weight) =>
      arm("shared", `static-${weight}`, { ...joint, taskWeights: [1, weight] }),
    ),
    arm("shared", "detached", { ...joint, detachClassifier: true }),
    ...alphas.flatMap((alpha) =>
      starts.map(([start, weights]) =>
        arm("gradnorm", `gradnorm-${alpha}-from-${start}`, {
          ...joint,
          balancer: "gradnorm",
          alpha,
          ...weights,
        }),
      ),
    ),
    ...alphas.map((alpha) =>
      arm("gradnorm", `gradnorm-${alpha}-direct`, {
        ...joint,
        balancer: "gradnorm",
        alpha,
        "gradnorm.update": "direct",
      }),
    ),
    ...balancers
      .filter((balancer) => balancer !== "static" && balancer !== "gradnorm")
      .map((balancer) => arm("shared", balancer, { ...joint, balancer })),
    arm("dual", "dual", { ...dual }),
    arm("dual", "dual-se", { ...dual, attention: "se" }),
    arm("dual", "dual-se-bridge", { ...dual, attention: "se", bridge: "stop-gradient" }),
    arm("dual", "dual-se-weight-0.1", { ...dual, attention: "se", taskWeights: [1, 0.1] }),
    arm("dual", "dual-se-slow-views", { ...dual, attention: "se", "optim.classification.lr0": 0.0003 }),
    arm("dual", "dual-se-fast-views", { ...dual, attention: "se", "optim.classification.lr0": 0.003 }),
  ];
}
