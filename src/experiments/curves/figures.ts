import type { EChartsOption } from "echarts";
import { colourRange, conflictMapOption, conflictingShare, mapHeight, probeStride } from "./conflict-map.js";
import { englishFigureTexts, type FigureTexts } from "./figure-texts.js";
import { type Line, type LineChart, type LineStyle, lineOption, marksName, styleOf } from "./line-chart.js";
import { type Curves, curvesOf, type Point, type RunHistory } from "./run-history.js";

/** A chart of a figure: an ECharts option that is plain JSON. */
export interface Chart {
  /** What tells it from the figure's other charts; empty where there are none. */
  readonly title: string;
  readonly option: EChartsOption;
  /** Pixels in the picture. */
  readonly height: number;
  readonly kind: "lines" | "map";
}

/** A name of a figure's legend: the lines of that name in all its charts. */
export interface LegendEntry extends LineStyle {
  readonly name: string;
  readonly mark?: boolean;
}

/** A figure: one picture, and one section of the page. */
export interface Figure {
  /** Of its files, without the ending. */
  readonly name: string;
  readonly title: string;
  readonly caption: string;
  readonly legend: readonly LegendEntry[];
  readonly columns: 1 | 2 | 3;
  readonly charts: readonly Chart[];
}

/** A quantity of which every run has curves. */
interface Quantity {
  readonly of: (run: RunHistory) => Curves;
  readonly y: string;
  /** In front of a curve's name in its chart's title. */
  readonly prefix?: string;
  /** Of charts, by the name of their curve. */
  readonly titles?: Readonly<Record<string, string>>;
  /** All curves of a single run in one chart: for those on one scale. */
  readonly together?: boolean;
  /** Dashed curves of the same names beside them. */
  readonly beside?: { readonly of: (run: RunHistory) => Curves; readonly name: string };
  readonly chart?: Partial<LineChart>;
  readonly marks?: (run: RunHistory, curve: string, points: readonly Point[]) => LineChart["marks"];
}

/**
 * The figures that the runs' events hold the numbers of, in the order of the page. A quantity that no run has is
 * no figure.
 * @param texts English by default
 */
export function figuresOf(runs: readonly RunHistory[], texts: FigureTexts = englishFigureTexts): Figure[] {
  const { step } = texts;
  const smoothing = Math.max(1, Math.round(Math.max(...runs.map(({ steps }) => steps)) / 25));
  const averaged = smoothing > 1 ? texts.averaged(smoothing) : texts.everyStep;
  const perStep = { x: step, smoothing };
  const lines: LineFigures = (name, title, caption, ...quantities) =>
    lineFigure(runs, { name, title, caption }, quantities, texts);
  const alarms = runs.reduce((count, run) => count + run.alarms.length, 0);
  const splits = [...new Set(runs.flatMap(({ validationSplits }) => validationSplits))].join(", ");
  const { losses, lossItems, weights, learningRate, gradientNorm, validation } = texts;
  return [
    ...lines("losses", losses.title, `${losses.caption} ${averaged}`, {
      of: (run) => only(run.losses, (name) => !name.includes(".")),
      y: texts.unweightedLoss,
      chart: perStep,
    }),
    ...lines("loss-items", lossItems.title, `${lossItems.caption} ${averaged}`, {
      of: (run) => only(run.losses, (name) => name.includes(".")),
      y: texts.unweightedLoss,
      chart: perStep,
    }),
    ...lines(
      "weights",
      weights.title,
      `${weights.caption}${alarms === 0 ? "" : ` ${weights.alarms(alarms)}`}`,
      {
        of: ({ taskWeights }) => taskWeights,
        y: weights.y,
        together: true,
        chart: { x: step, fromZero: true, nested: true },
        marks: alarmMarks,
      },
    ),
    ...balanceFigures(runs, { perStep, averaged, texts }, lines),
    ...lines("learning-rate", learningRate.title, learningRate.caption, {
      of: (run) => run.learningRate,
      y: learningRate.y,
      together: true,
      chart: { x: step, fromZero: true, nested: true },
    }),
    ...lines("gradient-norm", gradientNorm.title, `${gradientNorm.caption} ${averaged}`, {
      of: (run) => run.gradientNorm,
      y: gradientNorm.y,
      chart: perStep,
    }),
    ...lines("validation", validation.title, validation.caption(splits), {
      of: (run) => run.validation,
      y: "",
      titles: texts.metrics,
      chart: { x: texts.epoch, dots: true, fromZero: true },
    }),
    ...conflictFigures(runs, texts, lines),
  ];
}

type LineFigures = (name: string, title: string, caption: string, ...of: readonly Quantity[]) => Figure[];

/** An alarm on its task's curve; one without a task, or of another, on every curve. */
function alarmMarks(run: RunHistory, curve: string, points: readonly Point[]): LineChart["marks"] {
  return run.alarms
    .filter(({ task }) => task === curve || task === null || !run.taskWeights.has(task))
    .flatMap(({ step: at, alarm, message }) => {
      const point = points.findLast(([x]) => x <= at) ?? points.at(0);
      return point ? [{ point: [at, point[1]] as const, text: `${run.name}: ${alarm}: ${message}` }] : [];
    });
}

function balanceFigures(
  runs: readonly RunHistory[],
  { perStep, averaged, texts }: { perStep: Partial<LineChart>; averaged: string; texts: FigureTexts },
  lines: LineFigures,
): Figure[] {
  const quantities = [...new Set(runs.flatMap(({ balance }) => [...balance.keys()]))];
  const of = (quantity: string) => (run: RunHistory) => run.balance.get(quantity) ?? new Map();
  const paired = quantities.includes("norms") && quantities.includes("targets");
  return quantities
    .filter((quantity) => !(paired && quantity === "targets"))
    .flatMap((quantity) => {
      const known = Object.hasOwn(texts.balance, quantity) ? texts.balance[quantity] : null;
      const { title, caption, y } = known ?? { ...texts.otherBalance(quantity), y: quantity };
      const beside = paired && quantity === "norms" ? { of: of("targets"), name: texts.target } : undefined;
      return lines(`balance-${fileName(quantity)}`, title, `${caption} ${averaged}`, {
        of: of(quantity),
        y,
        together: beside === undefined,
        beside,
        chart: perStep,
      });
    });
}

function conflictFigures(runs: readonly RunHistory[], texts: FigureTexts, lines: LineFigures): Figure[] {
  const probed = runs.filter(({ probes }) => probes.length > 0);
  if (probed.length === 0) return [];
  const images = [...new Set(probed.flatMap(({ probes }) => probes.map((probe) => probe.images)))];
  const on = texts.probed(images);
  const dots = { x: texts.step, dots: true };
  const { conflict, conflictNorms, conflictMap, gradientNorm } = texts;
  const overall =
    probed.length === 1
      ? []
      : lines(
          "conflict",
          conflict.title,
          `${conflict.caption} ${on}`,
          {
            of: ({ probes }) =>
              curvesOf(probes.map((probe) => [probe.step, { [conflict.allLayers]: probe.overall.cosine }])),
            y: conflict.cosine,
            prefix: `${conflict.cosine}, `,
            chart: { ...dots, level: 0 },
          },
          {
            of: ({ probes }) =>
              curvesOf(probes.map((probe) => [probe.step, { [conflict.inConflict]: percent(probe) }])),
            y: conflict.share,
            chart: { ...dots, yRange: [0, 100] },
          },
        );
  const norms = lines(
    "conflict-norms",
    conflictNorms.title,
    `${conflictNorms.caption} ${on}`,
    {
      of: ({ probes }) => curvesOf(probes.map((probe) => [probe.step, probe.overall.norms])),
      y: gradientNorm.y,
      prefix: conflictNorms.unweighted,
      together: true,
      chart: dots,
    },
    {
      of: ({ probes }) => curvesOf(probes.map((probe) => [probe.step, weighted(probe)])),
      y: gradientNorm.y,
      prefix: conflictNorms.weighted,
      together: true,
      chart: dots,
    },
  );
  const range = colourRange(probed.flatMap(({ probes }) => probes));
  const maps = probed.map(({ name, probes }, i): Figure => {
    const stride = probeStride(probes);
    return {
      name: probed.length === 1 ? "conflict-map" : `conflict-map-${i + 1}`,
      title: `${conflictMap.title}${runs.length === 1 ? "" : `: ${name}`}`,
      caption: `${conflictMap.caption} ${on}${stride > 1 ? ` ${conflictMap.every(stride, probes.length)}` : ""}`,
      legend: [],
      columns: 1,
      charts: [
        {
          title: "",
          option: conflictMapOption(probes, range, texts),
          height: mapHeight(probes),
          kind: "map",
        },
      ],
    };
  });
  return [...overall, ...norms, ...maps];
}

function percent(probe: RunHistory["probes"][number]): number | null {
  const share = conflictingShare(probe);
  return share === null ? null : 100 * share;
}

function weighted({ overall, weights }: RunHistory["probes"][number]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(overall.norms).flatMap(([task, norm]) =>
      weights[task] === undefined ? [] : [[task, norm * weights[task]]],
    ),
  );
}

/**
 * A figure of quantities over the runs: of several runs a chart a curve, with a line a run; of a single run a
 * chart a curve, or one for all that go together.
 */
function lineFigure(
  runs: readonly RunHistory[],
  head: Pick<Figure, "name" | "title" | "caption">,
  quantities: readonly Quantity[],
  texts: FigureTexts,
): Figure[] {
  const charts = quantities.flatMap((quantity) =>
    runs.length === 1 && quantity.together
      ? together(runs[0], quantity, texts)
      : apart(runs, quantity, texts),
  );
  if (charts.length === 0) return [];
  const drawn = new Set(charts.flatMap(({ chart }) => chart.lines.map(({ name }) => name)));
  const legend = charts
    .flatMap(({ chart }) => chart.lines.map(({ name, style }): LegendEntry => ({ name, ...style })))
    .filter(({ name }) => drawn.delete(name));
  const marked = charts.some(({ chart }) => (chart.marks ?? []).length > 0);
  const columns = charts.length === 1 ? 1 : charts.length === 2 || charts.length === 4 ? 2 : 3;
  return [
    {
      ...head,
      legend: [
        // A chart of a single line needs no name but its title.
        ...(runs.length > 1 || charts.some(({ chart }) => chart.lines.length > 1) ? legend : []),
        ...(marked ? [{ name: marksName, ...styleOf(0), mark: true }] : []),
      ],
      columns,
      charts: charts.map(({ title, chart }) => ({
        title: charts.length === 1 ? "" : title,
        option: lineOption(chart),
        height: { 1: 380, 2: 300, 3: 240 }[columns],
        kind: "lines",
      })),
    },
  ];
}

interface DrawnChart {
  readonly title: string;
  readonly chart: LineChart;
}

/** One chart with a line a curve. */
function together(run: RunHistory, quantity: Quantity, { step }: FigureTexts): DrawnChart[] {
  const curves = [...quantity.of(run)];
  if (curves.length === 0) return [];
  const lines = curves.map(([name, points], i): Line => ({ name, points, style: styleOf(i) }));
  const marks = curves.flatMap(([name, points]) => quantity.marks?.(run, name, points) ?? []);
  return [
    {
      title: (quantity.prefix ?? "").replace(/[:,：，] ?$/, ""),
      chart: { x: step, y: quantity.y, lines, marks, ...quantity.chart },
    },
  ];
}

/** A chart a curve with a line a run. */
function apart(
  runs: readonly RunHistory[],
  quantity: Quantity,
  { step, measured }: FigureTexts,
): DrawnChart[] {
  const names = [...new Set(runs.flatMap((run) => [...quantity.of(run).keys()]))];
  return names.map((name): DrawnChart => {
    const lines = runs.flatMap((run, i) => {
      const style = styleOf(i);
      const points = quantity.of(run).get(name);
      const beside = quantity.beside?.of(run).get(name);
      const own = runs.length === 1 ? (quantity.beside ? measured : name) : run.name;
      return [
        ...(points ? [{ name: own, points, style }] : []),
        ...(beside && quantity.beside
          ? [besideLine(runs.length === 1 ? "" : `${run.name}, `, quantity.beside.name, beside, style)]
          : []),
      ];
    });
    const marks = runs.flatMap((run) => quantity.marks?.(run, name, quantity.of(run).get(name) ?? []) ?? []);
    return {
      title: `${quantity.prefix ?? ""}${quantity.titles?.[name] ?? name}`,
      chart: { x: step, y: quantity.y, lines, marks, ...quantity.chart },
    };
  });
}

function besideLine(prefix: string, name: string, points: readonly Point[], style: LineStyle): Line {
  return { name: `${prefix}${name}`, points, style: { ...style, dash: "dashed" }, averageOnly: true };
}

function only(curves: Curves, keep: (name: string) => boolean): Curves {
  return new Map([...curves].filter(([name]) => keep(name)));
}

/** The text with everything but letters, digits, points and hyphens as hyphens. */
function fileName(text: string): string {
  return text.replace(/[^A-Za-z0-9.-]+/g, "-");
}
