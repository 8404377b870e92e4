import type { EChartsOption, LineSeriesOption, ScatterSeriesOption } from "echarts";
import { plotted, smooth, spansDecades, thin } from "./points.js";
import type { Point } from "./run-history.js";

/** Fonts of every figure; the first one is drawn into the PNGs. */
export const fontFamily = "DejaVu Sans, Verdana, system-ui, sans-serif";

/** How a line looks; the dash helps where colours are not seen. */
export interface LineStyle {
  readonly colour: string;
  readonly dash: "solid" | "dashed" | "dotted";
}

/** Colours that colour-blind readers can tell apart (Okabe and Ito 2008), those that are dark on white first. */
const palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333"];
const dashes = ["solid", "dashed", "dotted"] as const;

/** The style of the run or task at `index`: after seven colours they come again, dashed. */
export function styleOf(index: number): LineStyle {
  return {
    colour: palette[index % palette.length],
    dash: dashes[Math.floor(index / palette.length) % dashes.length],
  };
}

/** One line of a chart. */
export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
  readonly style: LineStyle;
  /** Whether its steps are left out where an average is drawn. */
  readonly averageOnly?: boolean;
}

/** What a chart of lines shows. */
export interface LineChart {
  /** Labels of the axes, with the unit where there is one. */
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
  /** Steps of the exponential average; 1: none. With one, each step is drawn faintly behind it. */
  readonly smoothing?: number;
  /** A dot at every point: for few ones, such as epochs. */
  readonly dots?: boolean;
  /** Whether the axis begins at zero; by default at the least value. */
  readonly fromZero?: boolean;
  /** Whether a line is wider than those above it: for lines that may cover each other. */
  readonly nested?: boolean;
  /** Symbols on top, with what they tell. */
  readonly marks?: readonly { readonly point: Point; readonly text: string }[];
  /** A horizontal line here. */
  readonly level?: number;
  readonly yRange?: readonly [number, number];
}

/** More points than a screen has columns. */
const mostPoints = 1600;
const ink = "#3c4653";
const gridColour = "#e4e8ed";

/** Suffix of the name of the faint line behind an averaged one. */
export const rawSuffix = ", each step";
/** The name of the marks. */
export const marksName = "alarm";

/** An axis in the style of all charts. */
export const axisStyle = {
  nameLocation: "middle" as const,
  nameTextStyle: { color: ink, fontSize: 12 },
  axisLabel: { color: ink, fontSize: 11, hideOverlap: true },
  axisLine: { show: true, lineStyle: { color: "#8a94a0" } },
  axisTick: { show: true, lineStyle: { color: "#8a94a0" } },
  splitLine: { show: true, lineStyle: { color: gridColour } },
};

/** The chart as an ECharts option that is plain JSON: the page holds it as it is. */
export function lineOption(chart: LineChart): EChartsOption {
  const { lines, smoothing = 1, marks = [] } = chart;
  const values = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const log = chart.yRange === undefined && spansDecades(values);
  const range = chart.yRange ? { min: chart.yRange[0], max: chart.yRange[1] } : {};
  return {
    animation: false,
    textStyle: { fontFamily },
    grid: { left: 66, right: 18, top: 12, bottom: 46 },
    tooltip: { trigger: "axis", confine: true },
    legend: { show: false },
    dataZoom: [
      {
        type: "inside",
        zoomOnMouseWheel: "ctrl",
        moveOnMouseMove: "ctrl",
        moveOnMouseWheel: false,
        preventDefaultMouseMove: false,
      },
    ],
    xAxis: {
      ...axisStyle,
      type: "value",
      name: chart.x,
      nameGap: 28,
      min: "dataMin",
      max: "dataMax",
      minInterval: 1,
      axisLine: { ...axisStyle.axisLine, onZero: false },
      splitLine: { show: false },
    },
    yAxis: {
      ...axisStyle,
      type: log ? "log" : "value",
      name: chart.y,
      nameGap: 48,
      scale: !chart.fromZero,
      minorSplitLine: { show: false },
      ...range,
    },
    series: [
      ...lines.flatMap((line, i) => lineSeries(line, chart, smoothing, lines.length - 1 - i)),
      ...(marks.length === 0 ? [] : [markSeries(marks)]),
    ],
  };
}

function lineSeries(
  { name, points, style: { colour, dash }, averageOnly }: Line,
  { dots = false, nested = false, level }: LineChart,
  smoothing: number,
  above: number,
): LineSeriesOption[] {
  const base: LineSeriesOption = {
    type: "line",
    showSymbol: dots || points.length === 1,
    symbol: "circle",
    symbolSize: 6,
    itemStyle: { color: colour },
    emphasis: { disabled: true },
  };
  const main: LineSeriesOption = {
    ...base,
    name,
    z: 3,
    lineStyle: { color: colour, width: 2 + (nested ? 1.2 * Math.min(above, 3) : 0), type: dash },
    ...(level === undefined
      ? {}
      : {
          markLine: {
            silent: true,
            symbol: "none",
            label: { show: false },
            lineStyle: { color: "#555", type: "solid", width: 1 },
            data: [{ yAxis: level }],
          },
        }),
  };
  if (smoothing <= 1) return [{ ...main, data: plotted(thin(points, mostPoints)) }];
  const average = { ...main, data: plotted(thin(smooth(points, smoothing), mostPoints)) };
  if (averageOnly) return [average];
  const raw: LineSeriesOption = {
    ...base,
    name: `${name}${rawSuffix}`,
    z: 2,
    lineStyle: { color: colour, width: 1, opacity: 0.28 },
    data: plotted(thin(points, mostPoints)),
  };
  return [raw, average];
}

function markSeries(marks: NonNullable<LineChart["marks"]>): ScatterSeriesOption {
  return {
    type: "scatter",
    name: marksName,
    z: 5,
    symbol: "triangle",
    symbolSize: 12,
    itemStyle: { color: "#111", borderColor: "#fff", borderWidth: 1, opacity: 1 },
    data: marks.map(({ point, text }) => ({ name: text, value: [...plotted([point])[0]] })),
  };
}
