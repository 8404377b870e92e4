import { Command } from "commander";
import type { DeviceName } from "../../runtime/index.js";
import { type ValidationReport, validate } from "../../serving/index.js";
import { describeMark } from "../../training/index.js";
import { deviceOption, jsonOption, parseCount, sizeOption, threadsOption } from "../options.js";

interface ValOptions {
  readonly weights: string;
  readonly data: string;
  readonly split: string;
  readonly size?: { width: number; height: number };
  readonly batch: number;
  readonly device: DeviceName;
  readonly threads: number;
  readonly json?: boolean;
}

/** `echoduet val`: scores a model on a split. */
export function valCommand(): Command {
  return new Command("val")
    .description("score a model on a split of labelled data")
    .requiredOption("--weights <path>", "a run, a checkpoint, a .pt or a .safetensors file")
    .requiredOption("--data <file>", "data.yaml")
    .option("--split <name>", "train, val or test", "val")
    .addOption(sizeOption("network input, N or WxH (pixels); by default the training's, else 640"))
    .option("--batch <n>", "images at a time", (text) => parseCount(text), 16)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(async ({ json, ...options }: ValOptions) => {
      const showsProgress = process.stderr.isTTY === true;
      const report = await validate({
        ...options,
        onProgress: (images, total) => {
          if (showsProgress)
            process.stderr.write(`\r${images}/${total} images${images === total ? "\n" : ""}`);
        },
      });
      process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatReport(report)}\n`);
    });
}

/** The report as lines of text. */
export function formatReport({ provenance, detection, classification, speed }: ValidationReport): string {
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
