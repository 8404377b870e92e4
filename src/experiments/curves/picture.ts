import { createRequire } from "node:module";
import * as echarts from "echarts";
import sharp from "sharp";
import type { Chart, Figure, LegendEntry } from "./figures.js";
import { fontFamily } from "./line-chart.js";

const fontFile = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
const width = 1000;
const margin = 20;
const columnGap = 16;
const [ink, soft] = ["#1d2430", "#5b6675"];
const lineHeight = 17;
/** Mean width of a letter of the captions, pixels: what wraps them. */
const captionLetter = 6.6;
const legendLetter = 7.2;

/** The figure as one SVG: title, caption, legend, then its charts in columns. */
export function pictureOf({ name, title, caption, legend, columns, charts }: Figure): string {
  const captionLines = wrap(caption, Math.floor((width - 2 * margin) / captionLetter));
  const legendRows = layLegend(legend);
  const captionTop = 54;
  const legendTop = captionTop + lineHeight * captionLines.length + 4;
  const chartsTop = legendTop + 22 * legendRows.length + 8;
  const chartWidth = (width - 2 * margin - columnGap * (columns - 1)) / columns;
  const titleHeight = charts.some((chart) => chart.title !== "") ? 20 : 0;
  const rowHeight = Math.max(...charts.map(({ height }) => height)) + titleHeight + 10;
  const placed = charts.map((chart, i) => {
    const x = margin + (i % columns) * (chartWidth + columnGap);
    const y = chartsTop + Math.floor(i / columns) * rowHeight;
    const heading = chart.title === "" ? "" : text(chart.title, 8, 14, { size: 13, weight: "bold" });
    const svg = chartSvg(chart, chartWidth, `${name}-${i}`);
    return `<g transform="translate(${round(x)} ${round(y)})">${heading}<g transform="translate(0 ${titleHeight})">${svg}</g></g>`;
  });
  const height = Math.ceil(chartsTop + rowHeight * Math.ceil(charts.length / columns) + 6);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${fontFamily}">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(title, margin, 32, { size: 20, weight: "bold" }),
    ...captionLines.map((line, i) =>
      text(line, margin, captionTop + lineHeight * i, { size: 12.5, colour: soft }),
    ),
    ...legendRows.flatMap((row, i) =>
      row.map(({ entry, x }) => legendItem(entry, x, legendTop + 22 * i + 8)),
    ),
    ...placed,
    "</svg>\n",
  ].join("\n");
}

/** The picture as a PNG of twice its size, in a font that comes with the package. */
export async function pngOf(svg: string): Promise<Uint8Array> {
  await loadFont();
  return sharp(Buffer.from(svg), { density: 144 }).png().toBuffer();
}

/** Text drawn from a font's file makes that font known to the drawing of SVGs, whatever the computer has. */
async function loadFont(): Promise<void> {
  await sharp({ text: { text: "x", font: "DejaVu Sans", fontfile: fontFile } })
    .raw()
    .toBuffer();
}

/**
 * A chart as an SVG element.
 * @param id makes the names inside it its own, among several on a page
 */
export function chartSvg({ option, height }: Chart, chartWidth: number, id: string): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: chartWidth, height });
  try {
    chart.setOption(option);
    for (const yAxis of [option.yAxis ?? []].flat()) {
      // Powers of ten below 1 are not exact: 0.0001 would be labelled 0.00009999999999999999.
      if (yAxis.type === "log") chart.setOption({ yAxis: { axisLabel: { formatter: digits } } });
    }
    return withOwnNames(chart.renderToSVGString(), id);
  } finally {
    // A chart that is not disposed of keeps the process alive.
    chart.dispose();
  }
}

/**
 * ECharts numbers the names of its classes and parts over the whole process: by names of our own, in the order of
 * their appearance, the same run gives the same file.
 */
function withOwnNames(svg: string, id: string): string {
  const names = new Map<string, string>();
  return svg.replace(/\bzr\d+-[\w-]+/g, (name) => {
    const own = names.get(name) ?? `${id}-${names.size}`;
    names.set(name, own);
    return own;
  });
}

const digits = (value: number): string => String(Number(value.toPrecision(4)));

interface PlacedEntry {
  readonly entry: LegendEntry;
  readonly x: number;
}

/** The legend in rows of the picture's width. */
function layLegend(legend: readonly LegendEntry[]): PlacedEntry[][] {
  const rows: PlacedEntry[][] = [];
  let x = width;
  for (const entry of legend) {
    const size = 40 + legendLetter * entry.name.length;
    if (x + size > width - margin) {
      rows.push([]);
      x = margin;
    }
    rows[rows.length - 1].push({ entry, x });
    x += size + 18;
  }
  return rows;
}

function legendItem({ name, colour, dash, mark }: LegendEntry, x: number, y: number): string {
  const dashes = { solid: "", dashed: ' stroke-dasharray="7 4"', dotted: ' stroke-dasharray="2 3"' }[dash];
  const symbol = mark
    ? `<path d="M${x + 8} ${y + 5} l6 -11 l6 11 z" fill="#111"/>`
    : `<path d="M${x} ${y} h28" stroke="${colour}" stroke-width="3"${dashes}/>`;
  return symbol + text(name, x + 35, y + 4, { size: 12.5 });
}

function text(
  content: string,
  x: number,
  y: number,
  { size, weight = "normal", colour = ink }: { size: number; weight?: string; colour?: string },
): string {
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" font-weight="${weight}" fill="${colour}">${escapeXml(content)}</text>`;
}

/** The text in lines of at most `letters`, broken at spaces. */
function wrap(content: string, letters: number): string[] {
  const lines: string[] = [];
  for (const word of content.split(" ")) {
    const line = `${lines.at(-1) ?? ""} ${word}`;
    if (lines.length === 0 || line.length > letters) lines.push(word);
    else lines[lines.length - 1] = line;
  }
  return lines;
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** Text as XML or HTML: names come from folders and logs, so nothing of them is taken for markup. */
export function escapeXml(content: string): string {
  return (
    content
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no such characters
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
      .replaceAll("'", "&#39;")
  );
}
