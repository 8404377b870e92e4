import {
  comparedModels,
  type FeatureSimilarityReport,
  type InterferenceReport,
  type LayerInterference,
  type ModelProvenance,
} from "../serving/index.js";
import { describeMark, type Independence } from "../training/index.js";
import { table } from "./table.js";

/** The report of `echoduet interference` as tables. */
export function formatInterference(report: InterferenceReport): string {
  const { provenance, tasks, weights, statement, independence, groups } = report;
  const lines = [
    `${describe(provenance)} on ${provenance.split} of ${provenance.data}: ${provenance.images} images`,
    ...marks("", provenance, provenance.images),
  ];
  if (statement !== null) {
    return [...lines, statement, ...(independence ? describeIndependence(independence) : [])].join("\n");
  }
  const { width, height } = provenance.size;
  lines.push(
    `averaged weights, batch statistics, ${width}x${height}, seed ${provenance.seed}`,
    `weights of the mean losses: ${tasks.map((task) => `${task} ${show(weights[task], 4)}`).join(", ")}`,
    `ratio: weighted gradient of ${tasks[1]} over that of ${tasks[0]}, geometric mean; ± one standard deviation of the batches`,
    "",
    table([
      ["images", "in all", "batches", ...measures],
      ...groups.map(({ by, name, images, drawn, batch, overall }) => [
        by === "all" ? "all" : `${by} ${name}`,
        String(images),
        `${drawn} x ${batch}`,
        ...(overall ? cells(overall) : measures.map(() => "-")),
      ]),
    ]),
    "",
    table([
      ["layer (all images)", ...measures],
      ...groups[0].layers.map((layer) => [layer.name, ...cells(layer)]),
    ]),
  );
  return lines.join("\n");
}

function describeIndependence({ reached, shared, gradients }: Independence): string[] {
  const counts = Object.entries(reached).map(([task, count]) => `${task} ${count}`);
  return [
    `parameter tensors that a loss reaches: ${counts.join(", ")}, both ${shared}`,
    "",
    table([
      ["loss", "parameters of", "largest entry of the gradient"],
      ...gradients.map(({ loss, parametersOf, largest }) => [
        loss,
        parametersOf,
        largest === 0 ? "0" : largest.toExponential(2),
      ]),
    ]),
  ];
}

const measures = ["cosine", "ratio", "conflicts", "removable"];

function cells({ cosine, normRatio, conflictRate, removableEnergy }: LayerInterference): string[] {
  return [
    cosine ? `${show(cosine.mean)}${cosine.sd === null ? "" : ` ± ${show(cosine.sd)}`}` : "-",
    normRatio ? normRatio.geometricMean.toPrecision(3) : "-",
    conflictRate === null ? "-" : `${(100 * conflictRate).toFixed(0)} %`,
    removableEnergy ? `${(100 * removableEnergy.mean).toFixed(2)} %` : "-",
  ];
}

/** The report of `echoduet interference --features` as a table. */
export function formatFeatures(report: FeatureSimilarityReport): string {
  const { provenance, names, layers } = report;
  const { width, height } = provenance.size;
  const lines = comparedModels.flatMap((which) => [
    `${which.padEnd(8)} ${describe(provenance.models[which])}`,
    ...marks(`${which.padEnd(8)} `, provenance.models[which], provenance.images),
  ]);
  lines.push(
    `compared on ${provenance.split} of ${provenance.data}: ${provenance.images} images, ${width}x${height}, seed ${provenance.seed}`,
    `probes fitted on ${provenance.trainImages} images of train; ${provenance.leftOut} images without a label for both tasks left out`,
    `view: balanced accuracy; classes: mean AUROC of the presence of ${names.join(", ")}`,
    "",
    table([
      [
        "layer",
        ...["joint-detect", "joint-classify", "detect-classify"].map((pair) => `CKA ${pair}`),
        ...comparedModels.map((which) => `view ${which}`),
        ...comparedModels.map((which) => `classes ${which}`),
      ],
      ...layers.map(({ name, cka, probes }) => [
        name,
        ...[cka.jointDetect, cka.jointClassify, cka.detectClassify].map((value) => show(value)),
        ...comparedModels.map((which) => show(probes[which].viewBalancedAccuracy)),
        ...comparedModels.map((which) => show(probes[which].meanClassAuroc)),
      ]),
    ]),
  );
  return lines.join("\n");
}

function describe({ checkpoint, checkpointSha256, model, epoch }: ModelProvenance): string {
  return `${checkpoint} (${model}, epoch ${epoch}, sha256 ${checkpointSha256.slice(0, 12)})`;
}

function marks(prefix: string, { leakage, seenPatients }: ModelProvenance, images: number): string[] {
  const lines = (leakage ?? []).map((mark) => `${prefix}leakage: ${describeMark(mark)}`);
  if (!seenPatients) return lines;
  return [
    ...lines,
    `${prefix}seen: ${seenPatients} of ${images} images are of patients that the model was trained on`,
  ];
}

function show(value: number | null, digits = 3): string {
  if (value === null) return "-";
  return digits === 3 ? value.toFixed(3) : String(Number(value.toPrecision(digits)));
}
