import { counted } from "../data/audit/words.js";
import type {
  AuditReport,
  AuditSummary,
  Counts,
  Finding,
  ImageSummary,
  SplitTally,
} from "../data/audit/index.js";

/** Places of a finding that are printed; --json has them all. */
const mostPlaces = 3;

/** An audit as text: what is in the data, then what is wrong with it, errors first. */
export function formatAudit({ summary, findings, viewOrders }: AuditReport): string {
  const { patients, clips, images } = summary;
  const orders = viewOrders.map(({ views, violations }) => `[${views.join(", ")}] ${violations}`);
  const blocks = [
    [
      `${summary.data}: ${counted(summary.frames, "frames")}, ${counted(patients.length, "patients")}, ${counted(clips.length, "clips")}`,
      ...splitLines(summary),
    ],
    pairLines(summary),
    leakageLines(summary),
    shiftLines(summary),
    orders.length === 0 ? [] : [`frames that break the rules, by order of the views: ${orders.join(", ")}`],
    images === null ? ["images: not looked at"] : imageLines(images),
    findings.length === 0
      ? ["nothing found"]
      : [`${countOf(findings, "error")}, ${countOf(findings, "warning")}`],
    ...findings.map(findingLines),
  ];
  return visible(
    blocks
      .filter((lines) => lines.length > 0)
      .map((lines) => lines.join("\n"))
      .join("\n\n"),
  );
}

/** A split a column, a count a row. */
function splitLines({ splits, classes, viewFrames }: AuditSummary): string[] {
  const tallies = Object.values(splits);
  const line = (name: string, of: (tally: SplitTally) => number): string =>
    row(
      name,
      tallies.map((tally) => of(tally)),
    );
  return [
    row("", Object.keys(splits)),
    line("frames", ({ frames }) => frames),
    line("patients", ({ patients }) => patients),
    line("clips", ({ clips }) => clips),
    line("without boxes", ({ withoutBoxes }) => withoutBoxes),
    line("without a view", ({ withoutView }) => withoutView),
    ...Object.keys(classes).map((name) => line(`boxes ${name}`, ({ boxes }) => boxes[name])),
    ...Object.keys(viewFrames).map((name) => line(`view ${name}`, ({ views }) => views[name])),
  ];
}

function pairLines({ pairs, names }: AuditSummary): string[] {
  const views = Object.entries(pairs);
  if (views.length === 0 || names.length === 0) return [];
  const counts = (of: Counts): number[] => names.map((name) => of[name]);
  return [row("boxes by view", names), ...views.map(([view, of]) => row(view, counts(of)))];
}

function leakageLines({ leakage }: AuditSummary): string[] {
  if (leakage.length === 0) return [];
  return [
    row("seen before, frames", ["patient", "clip", "duplicate", "of"]),
    ...leakage.map(({ from, to, patient, clip, duplicate, frames }) =>
      row(`${to} in ${from}`, [patient, clip, duplicate, frames]),
    ),
  ];
}

function shiftLines({ shift }: AuditSummary): string[] {
  if (shift.length === 0) return [];
  return [
    row("shift", ["distance", "p", ""]),
    ...shift.map(({ of, from, to, distance, pValue, shifted }) =>
      row(`${of}, ${from} to ${to}`, [
        distance?.toFixed(3) ?? "-",
        pValue?.toPrecision(2) ?? "-",
        shifted ? "shifted" : "",
      ]),
    ),
  ];
}

function imageLines({ measured, unreadable, sizes, nearDuplicates, text }: ImageSummary): string[] {
  const shown = sizes.map(({ width, height, frames }) => `${width}x${height} (${frames})`);
  const exact = nearDuplicates.pairs.filter(({ kind }) => kind === "exact").length;
  const near = nearDuplicates.pairs.length - exact;
  const compared =
    nearDuplicates.threshold === null ? "" : `, compared up to ${nearDuplicates.threshold} bits apart`;
  return [
    `images: ${measured}${unreadable > 0 ? `, ${unreadable} unreadable` : ""}: ${shown.join(", ")}`,
    `duplicates: ${exact} identical and ${counted(near, "near pairs")}${compared}; burnt-in text in ${counted(text.length, "images")}`,
  ];
}

function findingLines({ code, severity, count, unit, details, remedy }: Finding): string[] {
  const places = details.slice(0, mostPlaces).map(({ file, line, message }) => {
    return `  ${file}${line === undefined ? "" : `:${line}`}: ${message}`;
  });
  const more = details.length - places.length;
  return [
    `${severity} ${code}: ${counted(count, unit)}`,
    ...places,
    ...(more > 0 ? [`  and ${more} more (--json)`] : []),
    `  remedy: ${remedy}`,
  ];
}

function countOf(findings: readonly Finding[], severity: Finding["severity"]): string {
  const count = findings.filter((finding) => finding.severity === severity).length;
  return counted(count, `${severity}s`);
}

function row(name: string, cells: readonly (string | number)[]): string {
  return (name.padEnd(24) + cells.map((cell) => String(cell).padStart(10)).join("")).trimEnd();
}

/** Names come from files: what would steer a terminal is shown instead. */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) =>
    character === "\n" ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
