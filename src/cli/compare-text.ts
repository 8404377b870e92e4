import type { CompareReport } from "../experiments/index.js";
import { formatCsvLine } from "../training/index.js";
import { type CompareTable, compareTables } from "./compare-tables.js";

/** A comparison as aligned text. */
export function formatComparison(report: CompareReport): string {
  const tables = compareTables(report).map(({ title, rows }) => [title, ...aligned(rows)].join("\n"));
  return [...tables, ...paragraphs(report, "", "  ")].join("\n\n");
}

/** A comparison in Markdown. */
export function comparisonMarkdown(report: CompareReport): string {
  const tables = compareTables(report).map(({ title, rows: [header, ...rows] }) =>
    [
      `### ${title}`,
      "",
      markdownRow(header),
      markdownRow(header.map(() => "---")),
      ...rows.map(markdownRow),
    ].join("\n"),
  );
  return [...tables, ...paragraphs(report, "### ", "- ")].join("\n\n");
}

/** A comparison as CSV: one row a number, with the run directories behind it. */
export function comparisonCsv(report: CompareReport): string {
  const rows: (string | number | null)[][] = [
    ["split", "design", "quantity", "value", "low", "high", "seeds", "patients", "frames"],
  ];
  for (const result of [report.validation, ...(report.test ? [report.test] : [])]) {
    for (const { name, metrics, deltaM, seeds } of result.designs) {
      const place = [seeds.length, result.patients, result.frames];
      for (const [quantity, estimate] of Object.entries({ ...metrics, ...(deltaM ? { deltaM } : {}) })) {
        const { value, interval } = estimate;
        rows.push([
          result.split,
          name,
          quantity,
          value,
          interval?.low ?? null,
          interval?.high ?? null,
          ...place,
        ]);
      }
    }
  }
  for (const { name, cost } of report.facts) {
    const { parameters, flops, stepSeconds, epochSeconds, memoryBytes, latencyMs } = cost ?? {};
    const numbers = { parameters, flops, stepSeconds, epochSeconds, memoryBytes, latencyMs };
    for (const [quantity, value] of Object.entries(numbers)) {
      if (value != null) rows.push(["", name, quantity, value, null, null, null, null, null]);
    }
  }
  return rows.map(formatCsvLine).join("\n");
}

/** Recommendation, notes and provenance. */
function paragraphs(report: CompareReport, heading: string, bullet: string): string[] {
  const { recommendation, notes, validation, test, testOpened } = report;
  const listed = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [[`${heading}${title}`, ...lines.map((line) => `${bullet}${line}`)].join("\n")];
  const chosen = recommendation
    ? [
        ...listed(`Recommended: ${recommendation.design}`, recommendation.reasons),
        ...listed("What would change it", recommendation.wouldChange),
      ]
    : [`${heading}No recommendation: no design does every task that is compared`];
  const runs = [...validation.provenance, ...(test?.provenance ?? [])].map(
    ({ run, split, checkpoint, checkpointSha256, epoch, dataFingerprint, images }) =>
      `${run}: ${checkpoint} (sha256 ${checkpointSha256.slice(0, 12)}, epoch ${epoch}) on ${split}, ${images} images, data ${dataFingerprint.slice(0, 12)}`,
  );
  const opened = testOpened.map(({ time, who }) => `${time}, by ${who}`);
  return [
    ...chosen,
    ...listed("Notes", notes),
    ...listed("Test split opened", opened),
    ...listed("Where the numbers come from", runs),
  ];
}

function aligned(rows: CompareTable["rows"]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd(),
  );
}

function markdownRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
