import type { Line } from "../document.js";
import type { Texts } from "../messages/index.js";
import type { SourceGroup, SourceIndex } from "../source-index.js";
import { plainText } from "../values.js";
import { escapeHtml } from "./cells.js";

/** The section that the sources of all numbers lead to, hashes whole. */
export function provenanceHtml(sources: SourceIndex, { say }: Texts): string {
  const text = (line: Line) => escapeHtml(plainText(line));
  const { groups } = sources;
  const table = (id: string, caption: string, heads: readonly string[], rows: readonly string[]) =>
    rows.length === 0
      ? ""
      : `<div class="wide" role="group" tabindex="0" aria-labelledby="caption-${id}"><table><caption id="caption-${id}">${caption}</caption><thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join("")}</tr></thead><tbody>
${rows.join("\n")}
</tbody></table></div>`;
  return `<section id="provenance" aria-labelledby="heading-provenance">
<h2 id="heading-provenance">${text(say("provenance.title"))}</h2>
<p>${text(say("provenance.lead"))}</p>
${table(
  "provenance-checkpoints",
  text(say("provenance.checkpoints")),
  [
    text(say("column.group")),
    text(say("column.run")),
    text(say("column.checkpoint")),
    text(say("column.fingerprint")),
    text(say("column.split")),
  ],
  groups.flatMap(checkpointRows),
)}
${table(
  "provenance-data",
  text(say("provenance.data")),
  [
    text(say("column.group")),
    text(say("column.dataFile")),
    text(say("column.fingerprint")),
    text(say("column.split")),
  ],
  groups.flatMap(dataRows),
)}
</section>`;
}

function checkpointRows(group: SourceGroup): string[] {
  if (group.kind !== "checkpoints") return [];
  return group.from.map(
    ({ run, checkpointSha256, dataFingerprint, split }, i) =>
      `<tr><th scope="row"${i === 0 ? ` id="source-${group.id}"` : ""}>${group.id}</th><td class="name">${escapeHtml(run)}</td><td class="hash"><code>${checkpointSha256}</code></td><td class="hash"><code>${dataFingerprint}</code></td><td>${escapeHtml(split)}</td></tr>`,
  );
}

function dataRows(group: SourceGroup): string[] {
  if (group.kind !== "data") return [];
  const { data, dataFingerprint, split } = group.from;
  return [
    `<tr><th scope="row" id="source-${group.id}">${group.id}</th><td class="name">${escapeHtml(data)}</td><td class="hash"><code>${dataFingerprint}</code></td><td>${escapeHtml(split)}</td></tr>`,
  ];
}
