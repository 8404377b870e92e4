import { type Check, foundFiles, foundFrames, foundLines, linesWith, viewFaults } from "../evidence.js";

/** A label file whose image is gone or renamed. */
export const labelOrphan: Check = {
  severity: "warning",
  unit: "label files",
  remedy: "restore the image, rename the label file after it, or remove the label file",
  find: ({ scan }) =>
    foundFiles(scan.orphans.map((file) => ({ file, message: "no image has this label file" }))),
};

/** An image that nobody labelled, or whose label file is gone. */
export const labelMissing: Check = {
  severity: "warning",
  unit: "frames",
  remedy: "label the image; where it has no box on purpose, add an empty label file to say so",
  find: (evidence) => foundFrames(evidence, ({ hasLabelFile }) => (hasLabelFile ? null : "no label file")),
};

/** A line that is neither box nor view, or a label file that cannot be read. */
export const labelUnparseable: Check = {
  severity: "error",
  unit: "frames",
  remedy: "correct or remove the line; docs/data.md shows every form that a line may have",
  find: (evidence) =>
    foundLines(evidence, ({ unreadable, faults }) => {
      const lines = faults.filter(({ kind }) => kind === "syntax");
      const strayViews = viewFaults(evidence.scan, faults, "stray");
      return [...(unreadable === null ? [] : [{ message: unreadable }]), ...lines, ...strayViews];
    }),
};

/** A box of a class that data.yaml does not have. */
export const labelClassRange: Check = {
  severity: "error",
  unit: "frames",
  remedy: "correct the class, or declare it under `names` in data.yaml",
  find: linesWith("class"),
};
