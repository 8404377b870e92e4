import type { Audit } from "../audit.js";
import { counted } from "../words.js";
import type { AuditSummary, Finding, MixedClip, Quantiles } from "../types.js";
import {
  boxCentres,
  boxSides,
  colourOf,
  hashDistances,
  orderBars,
  pairGrid,
  patientBars,
  sharesBySplit,
} from "./charts.js";
import { gallery } from "./gallery.js";
import { type Cell, escapeHtml, figure, paragraph, percent, section, table } from "./markup.js";
import { style } from "./style.js";

/** Places of a finding that the page lists; `audit --json` has them all. */
const mostPlaces = 200;
const mostMixedClips = 200;

/**
 * An audit as one HTML page that needs nothing else, neither network nor scripts: what is wrong, with the
 * remedies, then what is in the data. Small pictures of the frames concerned are part of it, so the page is to
 * be guarded like the data.
 */
export async function auditPage({ report, scan, evidence }: Audit): Promise<string> {
  const { summary, findings, viewOrders } = report;
  const pictures = await gallery(evidence);
  const body = [
    header(summary, findings),
    section("Findings", ...(findings.length === 0 ? [paragraph("Nothing found.")] : findings.map(finding))),
    section("Splits", splitTable(summary), splitCharts(summary)),
    section("Leakage", leakage(summary), patients(summary)),
    section("Shift between splits", shift(summary)),
    section(
      "Views and classes",
      figure(
        pairGrid(summary),
        "Boxes by view and class. A red frame marks what the rules say the view cannot show.",
      ),
      figure(
        orderBars(viewOrders),
        "Frames that break the rules, for each order of the views in the one-hot columns.",
      ),
    ),
    section("Clips of several views", mixedClips(summary)),
    section(
      "Boxes",
      boxes(summary),
      `<div class="charts">${figure(boxCentres(scan), "Centres of the boxes, as shares of the image.")}${figure(boxSides(summary), "Sides of the boxes, as shares of the image: median, quarters, 5 % to 95 %.")}</div>`,
    ),
    section("Images", images(summary)),
    ...pictures.map(({ title, html }) => section(title, html)),
    "<footer>Made by echoduet audit. The page holds pictures of the data.</footer>",
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Audit of ${escapeHtml(summary.data)}</title>
<style>${style}</style>
</head>
<body><main>
${body.filter((part) => part !== "").join("\n")}
</main></body>
</html>
`;
}

function header({ data, frames, patients, clips }: AuditSummary, findings: readonly Finding[]): string {
  const tile = (count: number, what: string, kind = ""): string =>
    `<div class="tile ${kind}"><b>${count.toLocaleString("en")}</b><span>${what}</span></div>`;
  const of = (severity: Finding["severity"]): number =>
    findings.filter((f) => f.severity === severity).length;
  const [errors, warnings] = [of("error"), of("warning")];
  return `<h1>Data audit</h1><p class="path file">${escapeHtml(data)}</p>
<div class="tiles">${tile(frames, "frames")}${tile(patients.length, "patients")}${tile(clips.length, "clips")}${tile(errors, "errors", errors > 0 ? "error" : "fine")}${tile(warnings, "warnings", warnings > 0 ? "warning" : "fine")}</div>`;
}

function finding({ code, severity, count, unit, remedy, details }: Finding): string {
  const places = details.slice(0, mostPlaces).map(({ file, line, message }) => {
    const place = line === undefined ? file : `${file}:${line}`;
    return `<li><span class="file">${escapeHtml(place)}</span>: ${escapeHtml(message)}</li>`;
  });
  const more = details.length - places.length;
  const rest = more > 0 ? `<li>and ${more} more, listed by audit --json</li>` : "";
  const list =
    places.length <= 5
      ? `<ul>${places.join("")}${rest}</ul>`
      : `<details><summary>${details.length} places</summary><ul>${places.join("\n")}${rest}</ul></details>`;
  return (
    `<div class="finding ${severity}"><h3><span class="severity">${severity}</span> <code>${escapeHtml(code)}</code> ` +
    `${escapeHtml(counted(count, unit))}</h3><p>${escapeHtml(upperFirst(remedy))}.</p>${places.length === 0 ? "" : list}</div>`
  );
}

function splitTable({ splits, classes, viewFrames }: AuditSummary): string {
  const tallies = Object.values(splits);
  const row = (name: string, of: (tally: (typeof tallies)[number]) => number): Cell[] => [
    name,
    ...tallies.map(of),
  ];
  return table(
    "Frames and boxes of each split",
    ["", ...Object.keys(splits)],
    [
      row("frames", (tally) => tally.frames),
      row("patients", (tally) => tally.patients),
      row("clips", (tally) => tally.clips),
      row("without boxes", (tally) => tally.withoutBoxes),
      row("without a view", (tally) => tally.withoutView),
      row("without a label file", (tally) => tally.withoutLabelFile),
      ...Object.keys(classes).map((name) => row(`boxes ${name}`, (tally) => tally.boxes[name])),
      ...Object.keys(viewFrames).map((name) => row(`frames ${name}`, (tally) => tally.views[name])),
    ],
  );
}

function splitCharts(summary: AuditSummary): string {
  const classes = figure(sharesBySplit(summary, "boxes"), "Share of the boxes by class.");
  const views = figure(sharesBySplit(summary, "views"), "Share of the frames by view.");
  return `<div class="charts">${classes}${views}</div>`;
}

function leakage({ leakage }: AuditSummary): string {
  if (leakage.length === 0) return "";
  const cell = (count: number, frames: number): Cell => ({
    html: `${count} (${percent(frames === 0 ? 0 : count / frames)})`,
    shade: frames === 0 ? 0 : count / frames,
  });
  const rows = leakage.map(({ from, to, frames, patient, clip, duplicate }): Cell[] => [
    `${to}, seen in ${from}`,
    frames,
    ...[patient, clip, duplicate].map((count) => cell(count, frames)),
  ]);
  return table(
    "Frames seen in another split",
    ["frames of", "all", "same patient", "same clip", "copy"],
    rows,
  );
}

function patients(summary: AuditSummary): string {
  const { svg, left } = patientBars(summary);
  const rest =
    left > 0 ? ` ${counted(left, "patients")} with fewer frames ${left === 1 ? "is" : "are"} left out.` : "";
  return figure(
    svg,
    `Frames of each patient; a bar of several colours is a patient in several splits.${rest}`,
  );
}

function shift({ shift }: AuditSummary): string {
  if (shift.length === 0) return "";
  const rows = shift.map(({ of, from, to, distance, pValue, shifted, units }): Cell[] => [
    `${of}: ${from} and ${to}`,
    distance === null ? "–" : distance.toFixed(3),
    pValue === null ? "–" : pValue.toPrecision(2),
    `${units.patients} / ${units.clips} / ${units.frames}`,
    shifted ? { html: "<b>shifted</b>", shade: 0.5 } : "",
  ]);
  return (
    table("Distances between splits", ["", "distance", "p", "patients / clips / frames dealt", ""], rows) +
    paragraph(
      "Distance is the share of labels that would have to change for both splits to be alike. p is the chance of as " +
        "large a distance where patients, clips of patients in both splits, and frames of clips in both are dealt out at random.",
    )
  );
}

function mixedClips({ mixedClips, views }: AuditSummary): string {
  if (mixedClips.length === 0) return "";
  const rows = mixedClips
    .slice(0, mostMixedClips)
    .map(({ clip, majority, views: counts, dissenters }): Cell[] => [
      clip,
      ...views.map((view) => counts[view]),
      { html: bar(views.map((view) => counts[view])) },
      majority ?? "tie",
      dissenters.length,
    ]);
  const left = mixedClips.length - rows.length;
  return (
    table("Clips of several views", ["clip", ...views, "", "majority", "dissenting frames"], rows) +
    paragraph(`${left > 0 ? `${left} more clips are listed by audit --json. ` : ""}${tieNote(mixedClips)}`)
  );
}

function tieNote(clips: readonly MixedClip[]): string {
  return clips.some(({ majority }) => majority === null)
    ? "In a tie every frame with a view counts as dissenting, since none is known to be right."
    : "";
}

function bar(counts: readonly number[]): string {
  const all = counts.reduce((a, b) => a + b, 0);
  const parts = counts.map(
    (count, index) =>
      `<i style="width:${((100 * count) / all).toFixed(1)}%;background:${colourOf(index)}"></i>`,
  );
  return `<span class="bar">${parts.join("")}</span>`;
}

function boxes({ boxes }: AuditSummary): string {
  const rows = Object.entries(boxes).map(([name, of]): Cell[] => [
    name,
    of.boxes,
    of.outOfRange,
    ...[of.width, of.height, of.area, of.centreX, of.centreY].map(middle),
  ]);
  if (rows.length === 0) return "";
  return table(
    "Boxes of each class",
    ["class", "boxes", "out of range", "width", "height", "area", "centre x", "centre y"],
    rows,
  );
}

/** Median and the middle nine tenths. */
function middle({ p5, median, p95 }: Quantiles): string {
  const digits = (value: number): string => String(Number(value.toPrecision(3)));
  return `${digits(median)} (${digits(p5)}–${digits(p95)})`;
}

function images({ images }: AuditSummary): string {
  if (images === null) return paragraph("The images were not looked at.");
  const { measured, unreadable, sizes, luminance, coloured, nearDuplicates, text } = images;
  const exact = nearDuplicates.pairs.filter(({ kind }) => kind === "exact").length;
  const rows: Cell[][] = [
    ["images", measured],
    ["unreadable", unreadable],
    ["pairs of the same picture", exact],
    ["near pairs of different clips", nearDuplicates.pairs.length - exact],
    ["with burnt-in text", text.length],
    ...(luminance ? [["mean luminance, 0 to 255", middle(luminance)]] : []),
    ...(coloured ? [["share of coloured pixels", middle(coloured)]] : []),
    ...sizes.slice(0, 20).map(({ width, height, frames }) => [`${width} × ${height} pixels`, frames]),
  ];
  const { threshold } = nearDuplicates;
  const caption =
    `Pairs of images of different patients, sampled, by the distance of their 64-bit hashes. ` +
    (threshold === null
      ? "No threshold could be taken from them."
      : `Pairs up to ${threshold} bits (red) were compared pixel by pixel.`);
  return table("Images in numbers", ["", ""], rows) + figure(hashDistances(images), caption);
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
