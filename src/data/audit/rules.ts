import type { DataDescription } from "../description.js";
import type { ScannedFrame } from "./scan.js";

/** The classes that each view can show. */
export type ViewRules = Readonly<Record<string, readonly string[]>>;

/**
 * Which valve's regurgitation each standard view shows: the apical four-chamber view has the mitral and the
 * tricuspid valve, the parasternal short axis the pulmonary and the tricuspid, the parasternal long axis the
 * aortic and the mitral.
 */
export const echoRules: ViewRules = { A4C: ["MR", "TR"], PSAX: ["PR", "TR"], PLAX: ["AR", "MR"] };

const echoClasses = ["AR", "MR", "PR", "TR"];

/** The rules of a data set and where they are from; null where there are none. */
export interface AppliedRules {
  readonly rules: ViewRules;
  readonly from: "data.yaml" | "echo";
}

/** The `rules` of data.yaml, else those of echocardiography where all names and declared views are its. */
export function rulesOf({ rules, names, views }: DataDescription): AppliedRules | null {
  if (rules) return { rules, from: "data.yaml" };
  const known = names.every((name) => echoClasses.includes(name)) && views.every((view) => view in echoRules);
  return known && names.length > 0 ? { rules: echoRules, from: "echo" } : null;
}

/** The classes of a frame's boxes, each once, in order. */
export function classesOf(frame: Pick<ScannedFrame, "boxes">): number[] {
  return [...new Set(frame.boxes.map((box) => box.class))].sort((a, b) => a - b);
}

/** Those of the classes that the view cannot show; none for a view without a rule. */
export function forbiddenClasses(rules: ViewRules, view: string, classes: readonly string[]): string[] {
  const shown = Object.hasOwn(rules, view) ? rules[view] : null;
  return shown === null ? [] : classes.filter((name) => !shown.includes(name));
}
