/** The codes of an audit's findings that the simulator can plant or cause. */
export type FindingCode =
  | "label.orphan"
  | "label.missing"
  | "label.unparseable"
  | "label.class-range"
  | "box.out-of-range"
  | "box.empty"
  | "box.repeated"
  | "view.missing"
  | "view.contradictory"
  | "view.ambiguous"
  | "view.mixed-clip"
  | "rules.violation"
  | "duplicate.exact"
  | "duplicate.near"
  | "leakage.patient"
  | "leakage.clip"
  | "leakage.duplicate"
  | "shift.class"
  | "shift.view"
  | "class.absent"
  | "image.unreadable"
  | "privacy.text";

/** What a share of a fault counts: all frames, all clips or all patients. */
export type FaultUnit = "frames" | "clips" | "patients";

/** A fault that can be planted. */
export interface FaultKindInfo {
  /** What is shared out: an amount below 1 is a share of these, any other a count. */
  readonly of: FaultUnit;
  /** The finding that it is planted for; what else follows is for `consequencesOf` to tell. */
  readonly code: FindingCode;
  readonly help: string;
}

/** Every fault that can be planted, in the order of planting. */
export const FAULT_KINDS = {
  shiftView: {
    of: "clips",
    code: "shift.view",
    help: "clips of test seen from the apex that would be parasternal",
  },
  shiftClass: {
    of: "clips",
    code: "shift.class",
    help: "clips of test that leak at the view's other valve",
  },
  patientLeakage: { of: "patients", code: "leakage.patient", help: "patients with a clip in another split" },
  clipLeakage: { of: "clips", code: "leakage.clip", help: "clips with half their frames in another split" },
  exactDuplicates: { of: "frames", code: "duplicate.exact", help: "frames more, with copies within a split" },
  exactDuplicatesAcross: {
    of: "frames",
    code: "duplicate.exact",
    help: "frames more, with copies in another split",
  },
  nearDuplicates: {
    of: "frames",
    code: "duplicate.near",
    help: "frames more, with re-encoded copies within a split",
  },
  nearDuplicatesAcross: {
    of: "frames",
    code: "duplicate.near",
    help: "frames more, with re-encoded copies in another split",
  },
  ruleViolations: {
    of: "clips",
    code: "rules.violation",
    help: "clips labelled with a view that cannot show their valve",
  },
  viewNoise: {
    of: "frames",
    code: "view.mixed-clip",
    help: "frames labelled with another view than their clip",
  },
  viewMissing: { of: "frames", code: "view.missing", help: "labels without a view" },
  viewContradictory: { of: "frames", code: "view.contradictory", help: "labels with two view lines" },
  viewAmbiguous: { of: "frames", code: "view.ambiguous", help: "labels with a view line of no or two ones" },
  unparseable: { of: "frames", code: "label.unparseable", help: "labels with a line that is no box" },
  classRange: { of: "frames", code: "label.class-range", help: "labels of a class that there is not" },
  boxOutOfRange: { of: "frames", code: "box.out-of-range", help: "boxes over the edge of the picture" },
  boxEmpty: { of: "frames", code: "box.empty", help: "boxes without width" },
  boxRepeated: { of: "frames", code: "box.repeated", help: "boxes written twice" },
  labelMissing: { of: "frames", code: "label.missing", help: "pictures without a label file" },
  labelOrphan: { of: "frames", code: "label.orphan", help: "label files without a picture" },
  corruptImages: {
    of: "frames",
    code: "image.unreadable",
    help: "pictures cut off in the middle of the file",
  },
  burntInText: { of: "frames", code: "privacy.text", help: "pictures with a name and a date of birth" },
} as const satisfies Record<string, FaultKindInfo>;

export type FaultKind = keyof typeof FAULT_KINDS;

/** How much of each fault to plant: a share of its unit where below 1, else a count. */
export type FaultAmounts = Readonly<Record<FaultKind, number>>;

/** The names of all faults. */
export const faultNames = Object.keys(FAULT_KINDS) as FaultKind[];
