import type { ReportDocument, Table } from "./document.js";
import type { Texts } from "./messages/index.js";
import { describeGroup, SourceIndex } from "./source-index.js";
import { tablesOf } from "./tables.js";
import { plainText } from "./values.js";

/** The tables of a report in LaTeX with booktabs, the sources of each in its note; folded ones are left out. */
export function reportLatex(document: ReportDocument, texts: Texts): string {
  const sources = new SourceIndex();
  const charts = new Set(
    document.sections.flatMap(({ blocks }) =>
      blocks.flatMap((block) => (block.kind === "chart" ? block.tables : [])),
    ),
  );
  const tables = tablesOf(document)
    .map(({ table }) => table)
    .filter((table) => !table.isFolded && !charts.has(table))
    .map((table) => tableText(table, sources, texts));
  const comments = sources.groups.flatMap((group) =>
    group.kind === "data"
      ? [`${group.id}: ${group.from.data} ${group.from.split} data ${group.from.dataFingerprint}`]
      : group.from.map(
          ({ run, checkpointSha256, dataFingerprint, split }) =>
            `${group.id}: ${run} checkpoint ${checkpointSha256} data ${dataFingerprint} ${split}`,
        ),
  );
  const preamble = [
    `% ${oneLine(plainText(document.title))}`,
    "% needs \\usepackage{booktabs}",
    ...(document.language === "en" ? [] : ["% needs XeLaTeX with \\usepackage{xeCJK}"]),
  ];
  return `${[
    preamble.join("\n"),
    ...tables,
    ["% Sources", ...comments.map((line) => `% ${oneLine(line)}`)].join("\n"),
  ].join("\n\n")}\n`;
}

function tableText(table: Table, sources: SourceIndex, { say }: Texts): string {
  const heads = table.columns.map((line) => escapeLatex(plainText(line)));
  const rows = table.rows.map((row) => {
    const shown = row.map((cell) => (cell.length === 0 ? "--" : escapeLatex(plainText(cell))));
    const groups = sources.ofCells(row).map(({ id }) => id);
    return `${[...shown, groups.join(", ")].join(" & ")} \\\\`;
  });
  const groups = new Map(
    table.rows.flatMap((row) =>
      sources.ofCells(row).map((group) => [group.id, describeGroup(group)] as const),
    ),
  );
  const isNumeric = (column: number) =>
    table.rows.some((row) => ["measured", "counted"].includes(row[column][0]?.kind));
  const alignment = heads.map((_, i) => (isNumeric(i) ? "r" : "l")).join("");
  const note = [...groups].map(([id, text]) => `${id}: ${escapeLatex(text)}`).join("; ");
  return [
    "\\begin{table}",
    `\\caption{${escapeLatex(plainText(table.caption))}}`,
    `\\label{tab:${table.id}}`,
    `\\begin{tabular}{${alignment}l}`,
    "\\toprule",
    `${[...heads, escapeLatex(plainText(say("report.sources")))].join(" & ")} \\\\`,
    "\\midrule",
    ...rows,
    "\\bottomrule",
    "\\end{tabular}",
    ...(note === "" ? [] : [`\\par\\footnotesize ${note}`]),
    "\\end{table}",
  ].join("\n");
}

const specials: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "−": "$-$",
  "×": "$\\times$",
  Δ: "$\\Delta$",
  "✗": "$\\times$",
  α: "$\\alpha$",
  "[": "{[}",
  "]": "{]}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
};

/** Text of which nothing is taken for a command. */
export function escapeLatex(text: string): string {
  return oneLine(text).replace(/[\\~^−×Δ✗α[\]<>&%$#_{}]/g, (found) => specials[found] ?? `\\${found}`);
}

/** Neither line breaks nor control characters: in a comment they would end it. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
