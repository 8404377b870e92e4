/** Text as HTML: names and messages come from files, so nothing of them is taken for markup. */
export function escapeHtml(text: string | number): string {
  return String(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** A cell of a table: text, or markup that is safe already. */
export type Cell = string | number | { readonly html: string; readonly shade?: number };

/**
 * A table called `name`; cells are escaped, numbers aligned right. `shade` 0..1 tints a cell. Where the window is
 * narrow it scrolls sideways by itself, with the keyboard too.
 */
export function table(name: string, head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  const titles = head.map((title, i) => `<th${i > 0 ? ' class="n"' : ""}>${escapeHtml(title)}</th>`).join("");
  const place = `<div class="wide" role="region" aria-label="${escapeHtml(name)}" tabindex="0">`;
  return `${place}<table><thead><tr>${titles}</tr></thead><tbody>\n${cells}\n</tbody></table></div>`;
}

function cell(content: Cell, column: number): string {
  const align = column > 0 ? ' class="n"' : "";
  if (typeof content !== "object") return `<td${align}>${escapeHtml(content)}</td>`;
  const tint =
    content.shade === undefined ? "" : ` style="background:rgba(196,60,45,${share(content.shade)})"`;
  return `<td${align}${tint}>${content.html}</td>`;
}

const share = (value: number): string => (0.45 * Math.min(Math.max(value, 0), 1)).toFixed(3);

/** A section with its heading; empty where there is nothing to say. */
export function section(title: string, ...parts: readonly string[]): string {
  const body = parts.filter((part) => part !== "").join("\n");
  return body === "" ? "" : `<section><h2>${escapeHtml(title)}</h2>\n${body}\n</section>`;
}

/** A chart, or other figure, with its caption. */
export function figure(content: string, caption: string): string {
  return content === "" ? "" : `<figure>${content}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** A paragraph. */
export function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

/** A share as per cent, with a decimal where it is small. */
export function percent(value: number): string {
  return `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
}
