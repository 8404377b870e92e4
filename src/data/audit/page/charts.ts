import * as echarts from "echarts";
import { forbiddenClasses } from "../rules.js";
import type { DataScan } from "../scan.js";
import type { AuditSummary, Counts, ImageSummary, ViewOrder } from "../types.js";

/** Colours that colour-blind readers can tell apart (Okabe and Ito 2008), in the order of the names. */
const palette = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6d31", "#777777"];
const splitColours: Readonly<Record<string, string>> = { train: "#4c78a8", val: "#f2a541", test: "#b5485d" };
/** More patients than this would be hairlines. */
const mostPatients = 60;
/** More points than this hide each other and make the page heavy. */
const mostPoints = 1500;

/** Those of the palette that need dark text. */
const lightColours = ["#e69f00", "#cc79a7", "#56b4e9"];

/** The colour of the name at `index`. */
export function colourOf(index: number): string {
  return palette[index % palette.length];
}

/** A chart as an SVG element. */
function draw(option: echarts.EChartsOption, width: number, height: number): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: "system-ui, sans-serif" }, ...option });
    return chart.renderToSVGString();
  } finally {
    // A chart that is not disposed of keeps the process alive.
    chart.dispose();
  }
}

const legend = { top: 0, left: 0, itemWidth: 14, itemHeight: 10 };

/** Share of each class or view in every split: one bar a split. */
export function sharesBySplit({ splits }: AuditSummary, of: "boxes" | "views"): string {
  const names = Object.keys(splits).reverse();
  const tallies = Object.values(splits).map((tally) => tally[of]);
  const labels = Object.keys(tallies[0] ?? {});
  const total = (counts: Counts): number => Object.values(counts).reduce((a, b) => a + b, 0);
  if (labels.length === 0 || tallies.every((counts) => total(counts) === 0)) return "";
  return draw(
    {
      legend,
      grid: { left: 46, right: 16, top: 34, bottom: 24 },
      xAxis: { type: "value", max: 100, axisLabel: { formatter: "{value} %" } },
      yAxis: { type: "category", data: names },
      series: labels.map((label, index) => ({
        type: "bar",
        stack: "all",
        name: label,
        itemStyle: { color: colourOf(index) },
        barWidth: 24,
        data: tallies.map((counts) => round((100 * counts[label]) / Math.max(1, total(counts)))).reverse(),
        label: {
          show: true,
          color: lightColours.includes(colourOf(index)) ? "#111" : "#fff",
          fontSize: 11,
          formatter: ({ value }) => (Number(value) >= 7 ? `${Math.round(Number(value))} %` : ""),
        },
      })),
    },
    500,
    60 + 38 * names.length,
  );
}

/** Boxes by view and class; a framed cell breaks a rule. */
export function pairGrid({ pairs, names, rules }: AuditSummary): string {
  const views = Object.keys(pairs);
  if (views.length === 0 || names.length === 0) return "";
  const cells = views.flatMap((view, y) => names.map((name, x) => [x, y, pairs[view][name]]));
  const broken = cells.filter(
    ([x, y]) => rules !== null && forbiddenClasses(rules, views[y], [names[x]]).length > 0,
  );
  return draw(
    {
      grid: { left: 70, right: 16, top: 8, bottom: 28 },
      xAxis: { type: "category", data: [...names] },
      yAxis: { type: "category", data: views, inverse: true },
      visualMap: {
        show: false,
        min: 0,
        max: Math.max(1, ...cells.map(([, , count]) => count)),
        inRange: { color: ["#f4f7fa", "#4c78a8"] },
      },
      series: [
        {
          type: "heatmap",
          data: cells,
          label: { show: true, fontSize: 13 },
          itemStyle: { borderColor: "#fff", borderWidth: 1 },
        },
        // On top, so that no neighbour covers a frame.
        {
          type: "heatmap",
          data: broken,
          label: { show: true, fontSize: 13 },
          z: 3,
          itemStyle: { borderColor: "#b3261e", borderWidth: 2 },
        },
      ],
    },
    Math.max(260, 96 + 80 * names.length),
    50 + 44 * views.length,
  );
}

/** Frames of each patient by split: a bar of several colours is a patient in several splits. */
export function patientBars({ patients, splits }: AuditSummary): { svg: string; left: number } {
  const shown = [...patients].sort((a, b) => b.frames - a.frames).slice(0, mostPatients);
  if (shown.length === 0) return { svg: "", left: 0 };
  const svg = draw(
    {
      legend,
      grid: { left: 46, right: 16, top: 34, bottom: 54 },
      xAxis: {
        type: "category",
        data: shown.map(({ id }) => id),
        axisLabel: { interval: 0, rotate: 60, fontSize: 10 },
      },
      yAxis: { type: "value" },
      series: Object.keys(splits).map((split) => ({
        type: "bar",
        stack: "all",
        name: split,
        itemStyle: { color: splitColours[split] },
        data: shown.map((patient) => patient.splits[split] ?? 0),
      })),
    },
    1000,
    280,
  );
  return { svg, left: patients.length - shown.length };
}

/** Violations of the rules by order of the views, the best and the declared one marked. */
export function orderBars(orders: readonly ViewOrder[]): string {
  const shown = orders.slice(0, 24).toReversed();
  if (shown.length < 2) return "";
  return draw(
    {
      grid: { left: 190, right: 60, top: 4, bottom: 24 },
      xAxis: { type: "value" },
      yAxis: { type: "category", data: shown.map(({ views }) => views.join(", ")) },
      series: {
        type: "bar",
        barWidth: 14,
        data: shown.map(({ violations }, index) => ({
          value: violations,
          itemStyle: { color: index === shown.length - 1 ? "#1a7f4b" : "#9aa5b1" },
        })),
        label: { show: true, position: "right" },
      },
    },
    620,
    40 + 24 * shown.length,
  );
}

/** Centres of the boxes over the image's area, by class. */
export function boxCentres({ frames, description: { names } }: DataScan): string {
  const boxes = frames.flatMap((frame) => frame.boxes);
  if (boxes.length === 0) return "";
  const step = Math.max(1, boxes.length / mostPoints);
  const shown = Array.from(
    { length: Math.min(boxes.length, mostPoints) },
    (_, i) => boxes[Math.floor(i * step)],
  );
  const axis = { type: "value" as const, min: 0, max: 1, interval: 0.25 };
  return draw(
    {
      legend,
      grid: { left: 42, right: 16, top: 34, bottom: 30 },
      xAxis: axis,
      yAxis: { ...axis, inverse: true },
      series: names.map((name, index) => ({
        type: "scatter",
        name,
        symbolSize: 5,
        clip: true,
        itemStyle: { color: colourOf(index), opacity: 0.45 },
        data: shown.filter((box) => box.class === index).map(({ cx, cy }) => [round(cx), round(cy)]),
      })),
    },
    480,
    380,
  );
}

/** Widths and heights of the boxes of each class: median, quarters and the middle nine tenths. */
export function boxSides({ boxes }: AuditSummary): string {
  const names = Object.keys(boxes);
  if (names.length === 0) return "";
  const sides = (of: "width" | "height"): number[][] =>
    names.map((name) => {
      const { p5, p25, median, p75, p95 } = boxes[name][of];
      return [p5, p25, median, p75, p95].map(round);
    });
  const series = (of: "width" | "height", color: string) => ({
    type: "boxplot" as const,
    name: of,
    itemStyle: { color: `${color}33`, borderColor: color },
    data: sides(of),
  });
  return draw(
    {
      legend,
      grid: { left: 42, right: 16, top: 34, bottom: 28 },
      xAxis: { type: "category", data: names },
      yAxis: { type: "value", min: 0 },
      series: [series("width", "#0072b2"), series("height", "#d55e00")],
    },
    480,
    380,
  );
}

/** Pairs of images of different patients by the distance of their hashes, with the threshold. */
export function hashDistances({ nearDuplicates: { distances, threshold } }: ImageSummary): string {
  if (!distances.some((count) => count > 0)) return "";
  const last = distances.findLastIndex((count) => count > 0);
  return draw(
    {
      grid: { left: 66, right: 16, top: 24, bottom: 40 },
      xAxis: {
        type: "category",
        data: distances.slice(0, last + 1).map((_, bits) => String(bits)),
        name: "bits in which the hashes differ",
        nameLocation: "middle",
        nameGap: 26,
      },
      yAxis: { type: "value", name: "pairs" },
      series: {
        type: "bar",
        barCategoryGap: "10%",
        data: distances.slice(0, last + 1).map((value, bits) => ({
          value,
          itemStyle: { color: threshold !== null && bits <= threshold ? "#b3261e" : "#9aa5b1" },
        })),
      },
    },
    700,
    240,
  );
}

/** Four digits are as fine as any picture of it. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
