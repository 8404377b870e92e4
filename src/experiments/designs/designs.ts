import { EchoDuetError } from "../../errors.js";
import type { TrainConfigInput } from "../../config/index.js";
import type { MatchTarget, Yolov5Size } from "../../models/index.js";

/** One way to do both tasks, or one of them, that is compared with the others. */
export interface Design {
  readonly name: string;
  readonly options: Partial<TrainConfigInput> & { readonly model: string };
}

/** The single-task designs, whose sum every other design is held against. */
export const singleTaskDesigns = ["detection", "classification"] as const;

/**
 * Every design at a scale of YOLOv5: the two single-task models (the dual model's branches), the shared backbone as it
 * is, with the classifier's gradient kept out and matched to the dual model in FLOPs, and two backbones with each kind
 * of attention in the classification backbone, with the bridge, and with a ResNet-18 as classifier.
 */
export function designsAt(scale: Yolov5Size): Design[] {
  const joint = `joint-yolov5${scale}`;
  const dual: MatchTarget = `dual-yolov5${scale}`;
  return [
    { name: singleTaskDesigns[0], options: { model: dual, branch: "detection" } },
    { name: singleTaskDesigns[1], options: { model: dual, branch: "classification" } },
    { name: "joint", options: { model: joint } },
    { name: "joint-detached", options: { model: joint, detachClassifier: true } },
    { name: "joint-matched", options: { model: joint, matchFlops: dual } },
    { name: "dual", options: { model: dual } },
    { name: "dual-se", options: { model: dual, attention: "se" } },
    { name: "dual-cbam", options: { model: dual, attention: "cbam" } },
    { name: "dual-simam", options: { model: dual, attention: "simam" } },
    { name: "dual-bridge", options: { model: dual, bridge: "stop-gradient" } },
    { name: "dual-resnet18", options: { model: dual, classifierBackbone: "resnet18" } },
  ];
}

/**
 * The designs of those names, in the order of `designsAt`, and always the single-task ones.
 * @throws EchoDuetError `config` for an unknown name
 */
export function chooseDesigns(designs: readonly Design[], names: readonly string[]): Design[] {
  const known = designs.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new EchoDuetError("config", `designs: expects names of ${known.join(", ")}, got ${unknown}`);
  }
  const chosen = new Set([...singleTaskDesigns, ...names]);
  return designs.filter(({ name }) => chosen.has(name));
}
