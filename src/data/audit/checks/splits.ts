import type { SplitName } from "../../description.js";
import { type Check, type Evidence, type Found, foundFiles, foundInYaml } from "../evidence.js";
import { splitNames } from "../scan.js";
import type { ShiftTest } from "../types.js";

/** A split whose images cannot be listed. */
export const splitUnreadable: Check = {
  severity: "error",
  unit: "splits",
  remedy: "correct the split in data.yaml, or leave it out where it was never downloaded",
  find: ({ scan }) =>
    foundInYaml(
      scan,
      scan.splitFaults.map(({ split, message }) => `${split}: ${message}`),
    ),
};

type Way = "patient" | "clip" | "duplicate";

/** Frames of a later split of which an earlier one has seen the patient, the clip or the picture. */
function leakage(way: Way, what: string): Check {
  return {
    severity: "error",
    unit: "frames",
    remedy:
      "split anew by patient with `echoduet split --by patient`; a score on these splits is one on what was seen",
    find: ({ leakage }) =>
      foundFiles(
        leakage.flatMap(({ from, to, images }) =>
          images[way].map((file) => ({ file, message: `${to}: ${what} in ${from}` })),
        ),
      ),
  };
}

export const leakagePatient = leakage("patient", "its patient is");
export const leakageClip = leakage("clip", "its clip is");
export const leakageDuplicate = leakage("duplicate", "a copy of it is");

/** Splits between which the classes or the views differ by more than chance. */
function shift(of: ShiftTest["of"]): Check {
  return {
    severity: "warning",
    unit: "pairs of splits",
    remedy:
      `split anew, stratified over classes and views (\`echoduet split\`); else read each score by ${of}, since ` +
      "their mean is over another mixture than the training's",
    find: ({ shift, scan }) => {
      const shifted = shift.filter((test) => test.of === of && test.shifted);
      return foundInYaml(scan, shifted.map(describeShift));
    },
  };
}

export const shiftClass = shift("class");
export const shiftView = shift("view");

function describeShift({ from, to, distance, pValue, shares }: ShiftTest): string {
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const changes = Object.keys(shares.from).map(
    (label) => `${label} ${percent(shares.from[label])} of ${from}, ${percent(shares.to[label])} of ${to}`,
  );
  return `${from} and ${to} are ${(distance ?? 0).toFixed(2)} apart (p ${pValue?.toPrecision(2)}): ${changes.join("; ")}`;
}

/** A class or view that a split lacks though another split has it. */
export const classAbsent: Check = {
  severity: "warning",
  unit: "classes and views",
  remedy:
    "split anew, stratified (`echoduet split`), or add data: what a split lacks cannot be learned or scored there",
  find: absentClasses,
};

function absentClasses({ scan }: Evidence): Found {
  const { names } = scan.description;
  const held = new Map<SplitName, { classes: Set<number>; views: Set<number> }>();
  for (const { split, boxes, view } of scan.frames) {
    const of = held.get(split) ?? { classes: new Set(), views: new Set() };
    for (const box of boxes) of.classes.add(box.class);
    if (view >= 0) of.views.add(view);
    held.set(split, of);
  }
  const gaps = (kind: "classes" | "views", labels: readonly string[]): string[] =>
    labels.flatMap((label, index) => {
      const present = splitNames.filter((split) => held.get(split)?.[kind].has(index));
      const absent = splitNames.filter((split) => held.has(split) && !present.includes(split));
      if (present.length === 0) return [];
      return absent.map((split) => `${split} has no ${label}; ${present.join(", ")} has`);
    });
  return foundInYaml(scan, [...gaps("classes", names), ...gaps("views", scan.views)]);
}
