import type { Row, Table } from "../document.js";
import type { Texts } from "../messages/index.js";
import { describeGroup, type SourceGroup, type SourceIndex } from "../source-index.js";
import { plainText } from "../values.js";
import { escapeHtml, lineHtml, numberIn } from "./cells.js";

/**
 * A table in a region of its own that scrolls, with its sources: in a last column where rows differ in them, else
 * below the caption.
 */
export function tableHtml(table: Table, sources: SourceIndex, texts: Texts): string {
  const { say } = texts;
  const groups = table.rows.map((row) => sources.ofCells(row));
  const ids = groups.map((row) => row.map(({ id }) => id).join());
  const differ = new Set(ids.filter((id) => id !== "")).size > 1;
  const common = differ ? [] : (groups.find((row) => row.length > 0) ?? []);
  const heads = [...table.columns, ...(differ ? [say("report.sources")] : [])];
  const numeric = table.columns.map((_, i) => i > 0 && table.rows.some((row) => numberIn(row[i]) !== null));
  const caption = `${lineHtml(table.caption, sources)}${common.length > 0 ? `<span class="source">${sourceLine(common, texts)}</span>` : ""}`;
  const head = heads
    .map((line, i) => `<th scope="col"${numeric[i] ? ' class="n"' : ""}>${lineHtml(line, sources)}</th>`)
    .join("");
  const body = table.rows
    .map((row, i) => rowHtml(row, { table, numeric, source: differ ? groups[i] : null, sources }))
    .join("\n");
  const region = `<div class="wide" role="group" tabindex="0" aria-labelledby="caption-${table.id}"><table id="table-${table.id}"${table.isMatrix ? ' class="matrix"' : ""}><caption id="caption-${table.id}">${caption}</caption><thead><tr>${head}</tr></thead><tbody>
${body}
</tbody></table></div>`;
  if (!table.isFolded) return region;
  const summary = plainText(say("report.open", { title: table.caption }));
  return `<details><summary>${escapeHtml(summary)}</summary>${region}</details>`;
}

function rowHtml(
  row: Row,
  context: {
    readonly table: Table;
    readonly numeric: readonly boolean[];
    readonly source: readonly SourceGroup[] | null;
    readonly sources: SourceIndex;
  },
): string {
  const { table, numeric, source, sources } = context;
  const total = row.slice(1).reduce((sum, cell) => sum + (numberIn(cell) ?? 0), 0);
  const cells = row.map((cell, i) => {
    const html = cell.length === 0 ? "–" : lineHtml(cell, sources);
    if (i === 0) return `<th scope="row">${html}</th>`;
    const value = numberIn(cell);
    const sort = value === null ? "" : ` data-value="${value}"`;
    const share = table.isMatrix && value !== null && total > 0 ? value / total : 0;
    const tint = share > 0 ? ` style="background:rgba(0,114,178,${(0.45 * share).toFixed(3)})"` : "";
    return `<td${numeric[i] ? ' class="n"' : ""}${sort}${tint}>${html}</td>`;
  });
  const last = source === null ? "" : `<td class="from">${source.map(groupLink).join("<br>")}</td>`;
  return `<tr>${cells.join("")}${last}</tr>`;
}

/** `Source: S1 static-s0 4f2a91bc03de val`. */
export function sourceLine(groups: readonly SourceGroup[], { say }: Texts): string {
  const [before, after] = plainText(
    say("report.sourceOf", { source: [{ kind: "name", text: "\u0000" }] }),
  ).split("\u0000");
  return `${escapeHtml(before)}${groups.map(groupLink).join("; ")}${escapeHtml(after)}`;
}

function groupLink(group: SourceGroup): string {
  // Of many checkpoints the provenance table has the hashes.
  const full =
    group.kind === "data"
      ? group.from.dataFingerprint
      : group.from
          .slice(0, 3)
          .map(({ run, checkpointSha256 }) => `${run} ${checkpointSha256}`)
          .join(", ");
  return `<a href="#source-${group.id}" title="${escapeHtml(full)}">${group.id}</a> <span class="name">${escapeHtml(describeGroup(group))}</span>`;
}
