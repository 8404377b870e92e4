import type { EChartsOption } from "echarts";
import type { ReliabilityBin } from "../../classification/index.js";
import type { Chart, Figure } from "../curves/figures.js";
import {
  axisStyle,
  fontFamily,
  type Line,
  type LineStyle,
  lineOption,
  styleOf,
} from "../curves/line-chart.js";
import type { Point } from "../curves/run-history.js";
import type { Texts } from "./messages/index.js";
import { plainText } from "./values.js";

/** A curve of a class. */
export interface ClassCurve {
  readonly name: string;
  readonly points: readonly Point[];
}

const zeroToOne = { min: 0, max: 1, minInterval: 0 };
/** More points than this on a curve are not seen. */
const mostPoints = 300;

/** Precision over recall, a line a class. */
export function precisionRecallFigure(curves: readonly ClassCurve[], { say }: Texts): Figure {
  const text = (key: "axis.recall" | "axis.precision") => plainText(say(key));
  // Below the first true positive's recall its precision holds.
  const whole = curves.map(({ name, points }) => {
    const [first] = points;
    return { name, points: first ? [[0, first[1]] as const, ...points] : [] };
  });
  const option = unitOption(text("axis.recall"), text("axis.precision"), whole);
  return {
    ...{ name: "precision-recall", title: plainText(say("detection.pr")), caption: "" },
    legend: legendOf(curves),
    ...{ columns: 1, charts: [{ title: "", option, height: 320, kind: "lines" }] },
  };
}

/** Metrics over confidence, a chart a metric and a line a class, with a rule at the confidence of the best mean F1. */
export function confidenceFigure(
  charts: readonly {
    readonly metric: "f1" | "precision" | "recall";
    readonly lines: readonly ClassCurve[];
  }[],
  best: number,
  { say }: Texts,
): Figure {
  const drawn = charts.map(({ metric, lines }): Chart => {
    const title = plainText(say(`metric.${metric}`));
    const option = unitOption(plainText(say("axis.confidence")), title, lines);
    return { title, option: withRule(option, best), height: 260, kind: "lines" };
  });
  return {
    ...{ name: "confidence", title: plainText(say("detection.confidence")), caption: "" },
    legend: legendOf(charts[0]?.lines ?? []),
    ...{ columns: 3, charts: drawn },
  };
}

function withRule(option: EChartsOption, x: number): EChartsOption {
  const [first, ...rest] = option.series as object[];
  if (first === undefined) return option;
  const markLine = {
    ...{ silent: true, symbol: "none", label: { show: false }, data: [{ xAxis: x }] },
    lineStyle: { color: "#555", type: "dashed", width: 1 },
  };
  return { ...option, series: [{ ...first, markLine }, ...rest] as EChartsOption["series"] };
}

/** Share right over confidence, a bar a bin, with the line on which confidence is right. */
export function reliabilityFigure(
  of: "boxes" | "views",
  bins: readonly ReliabilityBin[],
  { say }: Texts,
): Figure {
  const title = plainText(say(of === "boxes" ? "detection.reliability" : "views.reliability"));
  const option: EChartsOption = {
    animation: false,
    textStyle: { fontFamily },
    grid: { left: 66, right: 18, top: 26, bottom: 46 },
    xAxis: {
      ...axisStyle,
      ...zeroToOne,
      type: "value",
      name: plainText(say("axis.confidence")),
      nameGap: 28,
    },
    yAxis: {
      ...axisStyle,
      ...zeroToOne,
      type: "value",
      name: plainText(say(of === "boxes" ? "axis.precision" : "axis.right")),
      nameGap: 44,
    },
    series: [
      {
        type: "line",
        symbol: "none",
        lineStyle: { color: "#333", type: "dashed", width: 1.5 },
        data: [
          [0, 0],
          [1, 1],
        ],
      },
      {
        type: "scatter",
        symbolSize: 8,
        itemStyle: { color: "#b2182b", opacity: 1 },
        // Bars of a value axis would widen it: areas lie just where their bins do.
        markArea: {
          silent: true,
          itemStyle: { color: "#9ec7e3", borderColor: "#0072b2", borderWidth: 1 },
          data: bins.flatMap(({ low, high, accuracy }) =>
            accuracy === null
              ? []
              : [
                  [
                    { xAxis: low, yAxis: 0 },
                    { xAxis: high, yAxis: accuracy },
                  ],
                ],
          ) as never,
        },
        data: bins.flatMap(({ confidence, accuracy }) =>
          confidence === null || accuracy === null ? [] : [[confidence, accuracy]],
        ),
      },
    ],
  };
  const charts: Chart[] = [{ title: "", option, height: 320, kind: "lines" }];
  return { name: `reliability-${of}`, title, caption: "", legend: [], columns: 2, charts };
}

/** A design on the Pareto plot. */
export interface ParetoPoint {
  readonly letter: string;
  readonly flops: number;
  readonly isFront: boolean;
  readonly map50: number | null;
  readonly balancedAccuracy: number | null;
}

/** Accuracy over FLOPs, a chart a task: full points are on the front, hollow ones are not. */
export function paretoFigure(points: readonly ParetoPoint[], { say }: Texts): Figure {
  const endpoints = ["map50", "balancedAccuracy"] as const;
  const charts = endpoints.flatMap((endpoint): Chart[] => {
    const placed = points.flatMap(({ letter, flops, isFront, [endpoint]: value }) =>
      value === null ? [] : [{ letters: letter, at: [flops, value] as const, isFront }],
    );
    if (placed.length === 0) return [];
    const title = plainText(say(`metric.${endpoint}`));
    const option: EChartsOption = {
      animation: false,
      textStyle: { fontFamily },
      grid: { left: 66, right: 24, top: 24, bottom: 46 },
      xAxis: { ...axisStyle, type: "value", scale: true, name: "GFLOPs", nameGap: 28 },
      yAxis: { ...axisStyle, type: "value", scale: true, name: title, nameGap: 48 },
      series: {
        type: "scatter",
        symbolSize: 12,
        label: { show: true, position: "top", formatter: "{b}", color: "#1d2430", fontSize: 12 },
        data: labelled(placed).map(({ letters, at: [flops, value], isFront }) => ({
          name: letters,
          value: [flops / 1e9, value],
          itemStyle: { color: isFront ? "#0072b2" : "#fff", borderColor: "#0072b2", borderWidth: 2 },
        })),
      },
    };
    return [{ title, option, height: 300, kind: "lines" }];
  });
  const title = plainText(say("pareto.title"));
  return { name: "pareto", title, caption: "", legend: [], columns: charts.length === 2 ? 2 : 1, charts };
}

/** A point with its letter, or with those of all points around it, or with none where another one has it. */
interface PlacedPoint {
  readonly letters: string;
  readonly at: readonly [flops: number, value: number];
  readonly isFront: boolean;
}

/** Shares of the two axes within which letters would cover each other. */
const nearness = [0.04, 0.14] as const;

/** The points, those on the front on top; of each crowd one has the letters of all. */
export function labelled(points: readonly PlacedPoint[]): PlacedPoint[] {
  const spans = ([0, 1] as const).map((axis) => {
    const values = points.map(({ at }) => at[axis]);
    return Math.max(...values) - Math.min(...values);
  });
  const crowds: PlacedPoint[][] = [];
  for (const point of points) {
    const isNear = (other: PlacedPoint) =>
      nearness.every((share, axis) => Math.abs(other.at[axis] - point.at[axis]) <= share * spans[axis]);
    const around = crowds.find((crowd) => crowd.some(isNear));
    if (around) around.push(point);
    else crowds.push([point]);
  }
  return crowds
    .flatMap((crowd) => {
      const highest = crowd.reduce((high, point) => (point.at[1] > high.at[1] ? point : high));
      const letters = crowd.map((point) => point.letters).join(", ");
      return crowd.map((point) => ({ ...point, letters: point === highest ? letters : "" }));
    })
    .sort((a, b) => Number(a.isFront) - Number(b.isFront));
}

function unitOption(x: string, y: string, curves: readonly ClassCurve[]): EChartsOption {
  const option = lineOption({ x, y, lines: linesOf(curves), yRange: [0, 1] });
  return {
    ...option,
    grid: { left: 66, right: 18, top: 22, bottom: 46 },
    xAxis: { ...option.xAxis, ...zeroToOne } as EChartsOption["xAxis"],
  };
}

function linesOf(curves: readonly ClassCurve[]): Line[] {
  return curves.map(({ name, points }, i) => {
    const stride = Math.ceil(points.length / mostPoints);
    const kept = points.filter((_, at) => at % stride === 0 || at === points.length - 1);
    return { name, points: kept, style: classStyle(i) };
  });
}

/** Colours are not all that tells the classes apart. */
function classStyle(index: number): LineStyle {
  return { ...styleOf(index), dash: (["solid", "dashed", "dotted"] as const)[index % 3] };
}

function legendOf(curves: readonly ClassCurve[]): Figure["legend"] {
  return curves.map((curve, i) => ({ name: curve.name, ...classStyle(i) }));
}
