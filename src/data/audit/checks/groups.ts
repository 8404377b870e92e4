import { type Check, foundFrames, foundInYaml, nothing } from "../evidence.js";

/** Data whose patients and clips are unknown. */
export const groupsUndeclared: Check = {
  severity: "warning",
  unit: "patterns",
  remedy:
    "declare `groups` in data.yaml, patterns on the file name such as `patient: '^(p\\d+)'` and `video: '^(p\\d+v\\d+)'`; " +
    "without them leakage, mixed clips and shift cannot be told",
  find: ({ scan }) => {
    const { groups } = scan.description;
    const missing = (["patient", "video"] as const).filter((key) => !groups[key]);
    if (scan.frames.length === 0) return nothing;
    return foundInYaml(
      scan,
      missing.map((key) => `groups.${key} is not declared`),
    );
  },
};

/** Images that a declared pattern does not match. */
export const groupsUnmatched: Check = {
  severity: "warning",
  unit: "frames",
  remedy:
    "widen the pattern in data.yaml, or rename the image: without an id it may leak between splits unseen",
  find: (evidence) => {
    const { groups } = evidence.scan.description;
    return foundFrames(evidence, ({ patient, video }) => {
      const unmatched = [
        ...(groups.patient && patient === null ? ["groups.patient"] : []),
        ...(groups.video && video === null ? ["groups.video"] : []),
      ];
      return unmatched.length === 0 ? null : `${unmatched.join(" and ")} does not match the file name`;
    });
  },
};
