import type { EChartsOption } from "echarts";
import { englishFigureTexts, type FigureTexts } from "./figure-texts.js";
import { axisStyle, fontFamily } from "./line-chart.js";
import type { RunHistory } from "./run-history.js";

type Probe = RunHistory["probes"][number];

/** Red to blue over a light middle (ColorBrewer's RdBu), which colour-blind readers tell apart: conflict is red. */
const diverging = [
  "#b2182b",
  "#d6604d",
  "#f4a582",
  "#fddbc7",
  "#f7f7f7",
  "#d1e5f0",
  "#92c5de",
  "#4393c3",
  "#2166ac",
];
/** More columns than this would be hairlines and make the file heavy. */
const mostColumns = 240;
const rowHeight = 14;
const stripHeight = 84;
const [top, gap, bottom] = [36, 22, 44];

/** The layers of the probes, in the order of the network. */
export function layersOf(probes: readonly Probe[]): string[] {
  return [...new Set(probes.flatMap(({ layers }) => layers.map(({ name }) => name)))];
}

/** The share of the layers whose cosine is below zero, 0..1, of those that have one; null where none has. */
export function conflictingShare({ layers }: Probe): number | null {
  const cosines = layers.flatMap(({ cosine }) => (cosine === null ? [] : [cosine]));
  return cosines.length === 0 ? null : cosines.filter((cosine) => cosine < 0).length / cosines.length;
}

/** Half the range of the colours: the greatest |cosine| of any layer, rounded up to 0.05, 0.1, 0.2, 0.3, 0.5, 0.7 or 1. */
export function colourRange(probes: readonly Probe[]): number {
  return roundedUp(probes.flatMap(({ layers }) => layers.flatMap(({ cosine }) => cosine ?? [])));
}

function roundedUp(cosines: readonly number[]): number {
  const greatest = cosines.reduce((most, cosine) => Math.max(most, Math.abs(cosine)), 0);
  return [0.05, 0.1, 0.2, 0.3, 0.5, 0.7].find((range) => greatest <= range) ?? 1;
}

/** Every n-th probe is drawn, so that at most 240 columns are. */
export function probeStride(probes: readonly Probe[]): number {
  return Math.ceil(probes.length / mostColumns);
}

/** The map's height in pixels. */
export function mapHeight(probes: readonly Probe[]): number {
  return top + rowHeight * layersOf(probes).length + 2 * (gap + stripHeight) + bottom;
}

/**
 * The cosine between the tasks' gradients, layer by layer from the input down to the last shared one, over the
 * probes; under it, on the same axis, the cosine over all shared parameters and the share of layers in conflict.
 * @param range see `colourRange`; the same one for several runs makes their colours comparable
 */
export function conflictMapOption(
  probes: readonly Probe[],
  range: number,
  texts: FigureTexts = englishFigureTexts,
): EChartsOption {
  const { conflictMap: words, conflict } = texts;
  const layers = layersOf(probes);
  const stride = probeStride(probes);
  const shown = probes.filter((_, i) => i % stride === 0);
  const steps = shown.map(({ step }) => String(step));
  const mapBottom = top + rowHeight * layers.length;
  const strips = [mapBottom + gap, mapBottom + 2 * gap + stripHeight];
  const left = 30 + 6.4 * Math.max(...layers.map((name) => name.length), 12);
  const place = { left, right: 24 };
  const stepAxis = (gridIndex: number, last: boolean) => ({
    ...axisStyle,
    type: "category" as const,
    gridIndex,
    data: steps,
    axisLabel: { ...axisStyle.axisLabel, show: last },
    axisTick: { show: last, alignWithLabel: true },
    splitLine: { show: false },
    ...(last ? { name: texts.step, nameGap: 28 } : {}),
  });
  const stripAxis = (gridIndex: number, name: string, least: number, most: number) => ({
    ...axisStyle,
    type: "value" as const,
    gridIndex,
    name,
    nameRotate: 0,
    nameGap: 44,
    nameTextStyle: { ...axisStyle.nameTextStyle, align: "right" as const, lineHeight: 15 },
    min: least,
    max: most,
    interval: (most - least) / 2,
  });
  const most = roundedUp(shown.flatMap(({ overall }) => overall.cosine ?? []));
  return {
    animation: false,
    textStyle: { fontFamily },
    tooltip: { trigger: "item", confine: true },
    grid: [
      { ...place, top, height: rowHeight * layers.length, show: true, backgroundColor: "#c9ccd1" },
      ...strips.map((at) => ({ ...place, top: at, height: stripHeight })),
    ],
    visualMap: {
      type: "continuous",
      seriesIndex: 0,
      dimension: 2,
      min: -range,
      max: range,
      orient: "horizontal",
      top: 4,
      right: 12,
      itemWidth: 12,
      itemHeight: 200,
      calculable: false,
      hoverLink: false,
      text: [words.agreement(range), words.conflict(range)],
      textStyle: { color: axisStyle.axisLabel.color, fontSize: 11 },
      inRange: { color: diverging },
    },
    xAxis: [stepAxis(0, false), stepAxis(1, false), stepAxis(2, true)],
    yAxis: [
      {
        type: "category",
        data: layers,
        inverse: true,
        axisLabel: { ...axisStyle.axisLabel, fontSize: 10, ...(layers.length <= 90 ? { interval: 0 } : {}) },
        axisTick: { show: false },
        axisLine: { show: false },
      },
      stripAxis(1, words.cosineStrip, -most, most),
      stripAxis(2, words.shareStrip, 0, 100),
    ],
    series: [
      {
        type: "heatmap",
        name: conflict.cosine,
        data: cells(shown, layers),
        itemStyle: { borderWidth: 0 },
        emphasis: { itemStyle: { borderColor: "#111", borderWidth: 1 } },
        progressive: 0,
      },
      {
        ...strip(1),
        name: words.cosineStrip.replaceAll("\n", " "),
        data: shown.map(({ overall: { cosine } }) => digits(cosine)),
        areaStyle: { color: "#9aa5b1", opacity: 0.25 },
        markLine: {
          silent: true,
          symbol: "none",
          label: { show: false },
          lineStyle: { color: "#555", type: "solid", width: 1 },
          data: [{ yAxis: 0 }],
        },
      },
      {
        ...strip(2),
        name: words.shareStrip.replaceAll("\n", " "),
        data: shown.map((probe) => {
          const share = conflictingShare(probe);
          return share === null ? null : digits(100 * share);
        }),
        areaStyle: { color: "#b2182b", opacity: 0.18 },
      },
    ],
  };
}

function strip(index: number) {
  return {
    type: "line" as const,
    xAxisIndex: index,
    yAxisIndex: index,
    symbol: "circle",
    symbolSize: 4,
    itemStyle: { color: "#333" },
    lineStyle: { color: "#333", width: 1.5 },
  };
}

/** Column, row, cosine, then the norm of each task's gradient; a layer without a cosine has no cell. */
function cells(probes: readonly Probe[], layers: readonly string[]): (number | null)[][] {
  const rowOf = new Map(layers.map((name, row) => [name, row]));
  return probes.flatMap(({ layers: measured }, column) =>
    measured.flatMap(({ name, cosine, norms }) =>
      cosine === null || !Number.isFinite(cosine)
        ? []
        : [[column, rowOf.get(name) ?? 0, ...[cosine, ...Object.values(norms)].map(digits)]],
    ),
  );
}

function digits(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Number(value.toPrecision(4));
}
