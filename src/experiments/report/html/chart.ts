import type { LegendEntry } from "../../curves/figures.js";
import { chartSvg } from "../../curves/picture.js";
import type { ChartBlock } from "../document.js";
import type { Texts } from "../messages/index.js";
import type { SourceIndex } from "../source-index.js";
import { plainText } from "../values.js";
import { escapeHtml, lineHtml } from "./cells.js";
import { sourceLine, tableHtml } from "./table.js";

/** Widths of charts (pixels): of one, two or three beside each other. */
const widths = { 1: 940, 2: 470, 3: 340 } as const;

/** A figure as drawings with a text alternative, its legend, its sources, and its data in tables. */
export function chartHtml(block: ChartBlock, sources: SourceIndex, texts: Texts): string {
  const { figure, description, tables } = block;
  const group = sources.ofCheckpoints(block.from);
  const charts = figure.charts.map((chart, i) => {
    const title = chart.title === "" ? "" : `<p class="chart-title">${escapeHtml(chart.title)}</p>`;
    const label = `${figure.title}${chart.title === "" ? "" : `, ${chart.title}`}. ${plainText(description)}`;
    const width = widths[figure.columns];
    const svg = chartSvg(chart, width, `${figure.name}-${i}`);
    const place = escapeHtml(`${figure.title} ${chart.title}`.trim());
    return `<div>${title}<div class="scroll" role="group" tabindex="0" aria-label="${place}"><div role="img" aria-label="${escapeHtml(label)}" class="drawing of${figure.columns}">${svg}</div></div></div>`;
  });
  const caption = figure.caption === "" ? "" : `<p>${escapeHtml(figure.caption)}</p>`;
  return `<figure class="chart" id="figure-${figure.name}">
<figcaption><h3>${escapeHtml(figure.title)}</h3>${caption}<p>${lineHtml(description, sources)}</p><p class="source">${sourceLine([group], texts)}</p></figcaption>
${legendHtml(figure.legend)}
<div class="charts columns${figure.columns}">${charts.join("\n")}</div>
${detailsHtml(tables, sources, texts)}
</figure>`;
}

function legendHtml(legend: readonly LegendEntry[]): string {
  if (legend.length === 0) return "";
  const items = legend.map(({ name, colour, dash, mark }) => {
    const swatch = mark
      ? '<span aria-hidden="true">▲</span>'
      : `<i aria-hidden="true" style="border-top:3px ${dash} ${colour}"></i>`;
    return `<li>${swatch}${escapeHtml(name)}</li>`;
  });
  return `<ul class="legend">${items.join("")}</ul>`;
}

function detailsHtml(tables: ChartBlock["tables"], sources: SourceIndex, texts: Texts): string {
  if (tables.length === 0) return "";
  const open = tables.map((table) => tableHtml({ ...table, isFolded: false }, sources, texts));
  return `<details><summary>${escapeHtml(plainText(texts.say("report.details")))}</summary>${open.join("\n")}</details>`;
}
