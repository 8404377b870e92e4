import type { ValidationReport } from "../serving/index.js";
import { describeMark } from "../training/index.js";

/** A validation as lines of text. */
export function formatValidation({ provenance, detection, classification, speed }: ValidationReport): string {
  const lines = [
    `${provenance.checkpoint} (sha256 ${provenance.checkpointSha256.slice(0, 12)}) on ${provenance.split} of ${provenance.data}: ${provenance.images} images`,
  ];
  for (const mark of provenance.leakage ?? []) lines.push(`leakage: ${describeMark(mark)}`);
  if (provenance.seenPatients) {
    lines.push(
      `seen: ${provenance.seenPatients} of ${provenance.images} images are of patients that the model was trained on`,
    );
  }
  if (detection) {
    lines.push(row("class", ["boxes", "precision", "recall", "F1", "mAP@.5", "mAP@.5:.95"]));
    lines.push(row("all", ["", ...points(detection), show(detection.map50), show(detection.map50_95)]));
    for (const c of detection.perClass) {
      lines.push(row(c.name, [String(c.instances), ...points(c), show(c.ap50), show(c.ap50_95)]));
    }
    lines.push(`at this split's own best-F1 confidence ${show(detection.confidence)}`);
    const at = detection.atValidationConfidence;
    if (at) {
      lines.push(
        `at the validation split's confidence ${show(at.confidence)}: precision ${show(at.precision)}, recall ${show(at.recall)}, F1 ${show(at.f1)}`,
      );
    }
  }
  if (classification) {
    const { accuracy, balancedAccuracy, macroF1, auroc, ece, confusion } = classification;
    lines.push(
      `views: accuracy ${show(accuracy)}, balanced ${show(balancedAccuracy)}, macro F1 ${show(macroF1)}, AUROC ${show(auroc)}, ECE ${show(ece)}`,
      `confusion (rows true, columns predicted): ${confusion.map((counts) => `[${counts.join(" ")}]`).join(" ")}`,
    );
  }
  const { preprocessMs, inferenceMs, postprocessMs } = speed;
  lines.push(
    `ms an image: load ${preprocessMs.toFixed(1)}, inference ${inferenceMs.toFixed(1)}, suppression and matching ${postprocessMs.toFixed(1)}`,
  );
  return lines.join("\n");
}

function points(p: { precision: number | null; recall: number | null; f1: number | null }): string[] {
  return [show(p.precision), show(p.recall), show(p.f1)];
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(16) + cells.map((cell) => cell.padStart(11)).join("");
}

function show(value: number | null): string {
  return value === null ? "-" : value.toFixed(3);
}
