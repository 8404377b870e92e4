import type { Block, Line, ReportDocument, Section, Table } from "./document.js";
import type { Texts } from "./messages/index.js";
import { describeGroup, SourceIndex } from "./source-index.js";
import { plainText } from "./values.js";

/** A report without its drawings and pictures in Markdown; tables of charts and folded ones are left out. */
export function reportMarkdown(document: ReportDocument, texts: Texts): string {
  const sources = new SourceIndex();
  const sections = document.sections.map((section) => sectionText(section, sources, texts));
  const { say } = texts;
  const heads = [say("column.group"), say("column.run"), say("column.checkpoint"), say("column.split")];
  const rows = sources.groups.flatMap((group) =>
    group.kind === "data"
      ? [[group.id, group.from.data, group.from.dataFingerprint, group.from.split]]
      : group.from.map((each) => [group.id, each.run, each.checkpointSha256, each.split]),
  );
  return [
    `# ${inline(document.title)}`,
    ...document.lead.slice(0, 1).map(inline),
    ...sections.filter((text) => text !== ""),
    `## ${inline(say("provenance.title"))}`,
    [rowText(heads.map(inline)), rowText(heads.map(() => "---")), ...rows.map(cells)].join("\n"),
    `${inline(say("report.madeBy", { version: [{ kind: "name", text: document.version }] }))}\n`,
  ].join("\n\n");
}

function sectionText(section: Section, sources: SourceIndex, texts: Texts): string {
  const blocks = section.blocks.flatMap((block) => blockText(block, sources, texts));
  return blocks.length === 0 ? "" : [`## ${inline(section.title)}`, ...blocks].join("\n\n");
}

function blockText(block: Block, sources: SourceIndex, texts: Texts): string[] {
  const list = (lines: readonly Line[]) => lines.map((line) => `- ${inline(line)}`).join("\n");
  switch (block.kind) {
    case "text":
      return block.lines.map(inline);
    case "list":
    case "note":
      return [list(block.lines)];
    case "verdict":
      return [`### ${inline(block.title)}`, list(block.lines)];
    case "table":
      return block.isFolded ? [] : [tableText(block, sources, texts)];
    default:
      return [];
  }
}

function tableText(table: Table, sources: SourceIndex, { say }: Texts): string {
  const heads = [...table.columns, say("report.sources")].map(inline);
  const rows = table.rows.map((row) => {
    const groups = sources.ofCells(row).map((group) => `${group.id} (${describeGroup(group)})`);
    return rowText([
      ...row.map((cell) => (cell.length === 0 ? "–" : inline(cell))),
      escapeMarkdown(groups.join("; ")),
    ]);
  });
  return [`### ${inline(table.caption)}\n`, rowText(heads), rowText(heads.map(() => "---")), ...rows].join(
    "\n",
  );
}

const cells = (row: readonly string[]) => rowText(row.map(escapeMarkdown));
const rowText = (row: readonly string[]) => `| ${row.join(" | ")} |`;

function inline(line: Line): string {
  return escapeMarkdown(plainText(line));
}

/** Text of which nothing is taken for Markdown or HTML. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\r\n]+/g, " ").replace(/[\\`*_{}[\]<>#|~]/g, "\\$&");
}
