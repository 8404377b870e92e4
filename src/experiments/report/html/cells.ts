import { escapeXml } from "../../curves/picture.js";
import type { Inline, Line } from "../document.js";
import { describeGroup, type SourceIndex } from "../source-index.js";
import { showNumber, showValue } from "../values.js";

/** Text as HTML; nothing of a name is taken for markup. */
export const escapeHtml = escapeXml;

/** A line as HTML: every number carries its source. */
export function lineHtml(line: Line, sources: SourceIndex): string {
  return line.map((part) => inlineHtml(part, sources)).join("");
}

function inlineHtml(part: Inline, sources: SourceIndex): string {
  switch (part.kind) {
    case "said":
      return escapeHtml(part.text);
    case "name":
      return `<span class="name">${breakable(escapeHtml(part.text))}</span>`;
    case "setting":
      return `<code>${breakable(escapeHtml(part.text))}</code>`;
    case "measured":
    case "counted": {
      const group = sources.of(part);
      const own =
        group.kind === "checkpoints" && group.from.length === 1
          ? ` data-run="${escapeHtml(group.from[0].run)}" data-checkpoint="${group.from[0].checkpointSha256}"`
          : "";
      const title = escapeHtml(`${group.id}: ${describeGroup(group)}`);
      const shown = escapeHtml(showNumber(part.value, part.format));
      const interval =
        part.kind === "measured" && part.interval !== null
          ? ` <span class="interval">${escapeHtml(showValue(part).slice(showNumber(part.value, part.format).length + 1))}</span>`
          : "";
      return `<data value="${part.value}" data-source="${group.id}"${own} title="${title}">${shown}${interval}</data>`;
    }
  }
}

/** Long names may break behind their separators. */
function breakable(html: string): string {
  return html.replace(/([/,=_;])(?=[^\s])/g, "$1<wbr>");
}

/** The first number of a line; null for one that has none. */
export function numberIn(line: Line): number | null {
  const [first] = line;
  return first && (first.kind === "measured" || first.kind === "counted") ? first.value : null;
}
