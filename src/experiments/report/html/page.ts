import type { Block, Line, ReportDocument, Section } from "../document.js";
import type { Texts } from "../messages/index.js";
import { SourceIndex } from "../source-index.js";
import { name, plainText } from "../values.js";
import { escapeHtml, lineHtml } from "./cells.js";
import { chartHtml } from "./chart.js";
import { galleryHtml } from "./gallery.js";
import { pageScript } from "./script.js";
import { provenanceHtml } from "./sources.js";
import { pageStyle } from "./style.js";
import { tableHtml } from "./table.js";

/** A report as one HTML page that needs nothing else: neither network nor, for reading, scripts. */
export function reportPage(document: ReportDocument, texts: Texts): string {
  const { say } = texts;
  const sources = new SourceIndex();
  const said = (line: Line) => escapeHtml(plainText(line));
  const title = escapeHtml(plainText(document.title));
  const sections = document.sections.map((section) => sectionHtml(section, sources, texts));
  const contents = [
    ...document.sections.map((section) => link(section.id, section.title)),
    link("provenance", say("provenance.title")),
  ];
  return `<!doctype html>
<html lang="${document.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>${title}</title>
<style>${pageStyle}</style>
</head>
<body data-sort="${said(say("report.sort"))}" data-filter="${said(say("report.filter"))}" data-enlarge="${said(say("report.enlarge"))}" data-close="${said(say("report.close"))}">
<a class="skip" href="#content">${escapeHtml(plainText(say("report.skip")))}</a>
<main>
<h1>${lineHtml(document.title, sources)}</h1>
${document.lead.map((line) => `<p>${lineHtml(line, sources)}</p>`).join("\n")}
<nav aria-label="${escapeHtml(plainText(say("report.contents")))}"><ol>${contents.map((each) => `<li>${each}</li>`).join("")}</ol></nav>
<div id="content" tabindex="-1">
${sections.join("\n")}
${provenanceHtml(sources, texts)}
</div>
<footer>${lineHtml(say("report.madeBy", { version: name(document.version) }), sources)}</footer>
</main>
<script>${pageScript}</script>
</body>
</html>
`;
}

function link(id: string, title: Line): string {
  return `<a href="#${id}">${escapeHtml(plainText(title))}</a>`;
}

function sectionHtml({ id, title, blocks }: Section, sources: SourceIndex, texts: Texts): string {
  const body = blocks.map((block) => blockHtml(block, sources, texts));
  return `<section id="${id}" aria-labelledby="heading-${id}">
<h2 id="heading-${id}">${lineHtml(title, sources)}</h2>
${body.join("\n")}
</section>`;
}

function blockHtml(block: Block, sources: SourceIndex, texts: Texts): string {
  const list = (lines: readonly Line[]) =>
    lines.map((line) => `<li>${lineHtml(line, sources)}</li>`).join("");
  switch (block.kind) {
    case "text":
      return block.lines.map((line) => `<p>${lineHtml(line, sources)}</p>`).join("\n");
    case "list":
      return `<ul>${list(block.lines)}</ul>`;
    case "note":
      return `<ul class="notes">${list(block.lines)}</ul>`;
    case "verdict":
      return `<div class="verdict"><h3>${lineHtml(block.title, sources)}</h3><ul>${list(block.lines)}</ul></div>`;
    case "table":
      return tableHtml(block, sources, texts);
    case "chart":
      return chartHtml(block, sources, texts);
    case "gallery":
      return galleryHtml(block, sources, texts);
  }
}
