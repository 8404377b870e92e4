import { formatCsvLine } from "../../training/index.js";
import type { Counted, Measured, ReportDocument } from "./document.js";
import { tablesOf } from "./tables.js";
import { plainText } from "./values.js";

const header = [
  ...["section", "table", "row", "column", "value", "low", "high", "shown"],
  ...["runs", "checkpoints", "data", "split"],
];

/** The numbers of a report's tables as CSV, one a row, each with its runs, checkpoints, data and split. */
export function reportCsv(document: ReportDocument): string {
  const rows = tablesOf(document).flatMap(({ section, table }) =>
    table.rows.flatMap((row) =>
      row.flatMap((cell, i) => {
        const numbers = cell.filter((part) => part.kind === "measured" || part.kind === "counted");
        const place = [
          ...[section.id, table.id, plainText(row[0]), plainText(table.columns[i])].map(harmless),
        ];
        return i === 0 ? [] : numbers.map((number) => [...place, ...valuesOf(number)]);
      }),
    ),
  );
  return `${[header, ...rows].map(formatCsvLine).join("\n")}\n`;
}

function valuesOf(number: Measured | Counted): (string | number | null)[] {
  const shown = harmless(plainText([number]));
  if (number.kind === "counted") {
    const { data, dataFingerprint, split } = number.from;
    return [number.value, null, null, shown, harmless(data), "", dataFingerprint, split];
  }
  const { value, interval, from } = number;
  const distinct = (pick: (source: Measured["from"][number]) => string) =>
    [...new Set(from.map(pick))].join(";");
  return [
    value,
    interval?.low ?? null,
    interval?.high ?? null,
    shown,
    harmless(distinct(({ run }) => run)),
    distinct(({ checkpointSha256 }) => checkpointSha256),
    distinct(({ dataFingerprint }) => dataFingerprint),
    distinct(({ split }) => split),
  ];
}

/** A spreadsheet takes a text that begins with one of these for a formula; names come from files. */
export function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}
