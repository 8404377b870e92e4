import type { EChartsOption } from "echarts";
import { colourRange, conflictMapOption, conflictingShare, mapHeight, probeStride } from "./conflict-map.js";
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

const step = "step (batches)";
/** Titles of the metrics whose names in the log are not words; others stand as they are. */
const metricTitles: Readonly<Record<string, string>> = {
  map50: "mAP@.5",
  map50_95: "mAP@.5:.95",
  f1: "F1",
  confidence: "confidence of the best F1",
  balancedAccuracy: "balanced accuracy",
  macroF1: "macro F1",
  auroc: "AUROC",
  ece: "calibration error (ECE)",
};
/** What is known of a balancer's quantities; one with another name is drawn under that name. */
const balanceTexts: Readonly<Record<string, { title: string; y: string; caption: string }>> = {
  norms: {
    title: "Gradient norms of the tasks",
    y: "gradient norm",
    caption:
      "The norm of each task's gradient at the shared layer, as the balancer measures it. Where it has targets, they are dashed: weights rise where the norm is below its target.",
  },
  rates: {
    title: "Relative training rates",
    y: "relative rate",
    caption:
      "How far a task's loss is from its start, over the mean of all tasks: above 1 it learns more slowly than the others.",
  },
};

/**
 * The figures that the runs' events hold the numbers of, in the order of the page. A quantity that no run has is
 * no figure.
 */
export function figuresOf(runs: readonly RunHistory[]): Figure[] {
  const smoothing = Math.max(1, Math.round(Math.max(...runs.map(({ steps }) => steps)) / 25));
  const averaged =
    smoothing > 1
      ? `Bold: exponential average over ${smoothing} steps; faint: every step.`
      : "Every step as it was.";
  const perStep = { x: step, smoothing };
  const lines = (
    name: string,
    title: string,
    caption: string,
    ...quantities: readonly Quantity[]
  ): Figure[] => lineFigure(runs, { name, title, caption }, quantities);
  return [
    ...lines("losses", "Losses by task", `Before weighting. ${averaged}`, {
      of: ({ losses }) => only(losses, (name) => !name.includes(".")),
      y: "loss (unweighted)",
      chart: perStep,
    }),
    ...lines("loss-items", "Items of the losses", `What the losses are made of. ${averaged}`, {
      of: ({ losses }) => only(losses, (name) => name.includes(".")),
      y: "loss (unweighted)",
      chart: perStep,
    }),
    ...lines("weights", "Task weights", weightsCaption(runs), {
      of: ({ taskWeights }) => taskWeights,
      y: "weight of the loss",
      together: true,
      chart: { x: step, fromZero: true, nested: true },
      marks: alarmMarks,
    }),
    ...balanceFigures(runs, perStep, averaged, lines),
    ...lines("learning-rate", "Learning rate", "Of weights that decay.", {
      of: ({ learningRate }) => learningRate,
      y: "learning rate",
      together: true,
      chart: { x: step, fromZero: true, nested: true },
    }),
    ...lines(
      "gradient-norm",
      "Gradient norm",
      `Over all parameters, of each branch where there are branches, as accumulated, before clipping. ${averaged}`,
      { of: ({ gradientNorm }) => gradientNorm, y: "gradient norm", chart: perStep },
    ),
    ...lines("validation", "Validation metrics", validationCaption(runs), {
      of: ({ validation }) => validation,
      y: "",
      titles: metricTitles,
      chart: { x: "epoch", dots: true, fromZero: true },
    }),
    ...conflictFigures(runs, lines),
  ];
}

type LineFigures = (name: string, title: string, caption: string, ...of: readonly Quantity[]) => Figure[];

function weightsCaption(runs: readonly RunHistory[]): string {
  const alarms = runs.reduce((count, run) => count + run.alarms.length, 0);
  const told =
    alarms === 0 ? "" : ` Triangles: the balancer's ${alarms === 1 ? "alarm" : `${alarms} alarms`}.`;
  return `By which each loss is multiplied before they are added.${told}`;
}

function validationCaption(runs: readonly RunHistory[]): string {
  const splits = [...new Set(runs.flatMap(({ validationSplits }) => validationSplits))].join(", ");
  return `Averaged weights at the end of an epoch, scored on ${splits}. Precision, recall and F1 at the confidence of the best F1 on the same images, which flatters.`;
}

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
  perStep: Partial<LineChart>,
  averaged: string,
  lines: LineFigures,
): Figure[] {
  const quantities = [...new Set(runs.flatMap(({ balance }) => [...balance.keys()]))];
  const of = (quantity: string) => (run: RunHistory) => run.balance.get(quantity) ?? new Map();
  const paired = quantities.includes("norms") && quantities.includes("targets");
  return quantities
    .filter((quantity) => !(paired && quantity === "targets"))
    .flatMap((quantity) => {
      const texts = balanceTexts[quantity] ?? {
        title: `Balancer: ${quantity}`,
        y: quantity,
        caption: `${quantity}, as the balancer logs it.`,
      };
      const beside = paired && quantity === "norms" ? { of: of("targets"), name: "target" } : undefined;
      return lines(`balance-${fileName(quantity)}`, texts.title, `${texts.caption} ${averaged}`, {
        of: of(quantity),
        y: texts.y,
        together: beside === undefined,
        beside,
        chart: perStep,
      });
    });
}

function conflictFigures(runs: readonly RunHistory[], lines: LineFigures): Figure[] {
  const probed = runs.filter(({ probes }) => probes.length > 0);
  if (probed.length === 0) return [];
  const images = [...new Set(probed.flatMap(({ probes }) => probes.map((probe) => probe.images)))];
  const on = `Measured on ${images.join(" or ")} probe images.`;
  const dots = { x: step, dots: true };
  const overall =
    probed.length === 1
      ? []
      : lines(
          "conflict",
          "Conflict between the tasks",
          `Cosine between the tasks' gradients of all shared parameters, and the share of layers in which it is below zero. ${on}`,
          {
            of: ({ probes }) =>
              curvesOf(probes.map((probe) => [probe.step, { "all layers": probe.overall.cosine }])),
            y: "cosine",
            prefix: "cosine, ",
            chart: { ...dots, level: 0 },
          },
          {
            of: ({ probes }) =>
              curvesOf(probes.map((probe) => [probe.step, { "layers in conflict": percent(probe) }])),
            y: "layers (%)",
            chart: { ...dots, yRange: [0, 100] },
          },
        );
  const norms = lines(
    "conflict-norms",
    "Pull of the tasks on the shared layers",
    `Norm of each task's gradient of all shared parameters: of its mean loss, and as the training step weighs it. ${on}`,
    {
      of: ({ probes }) => curvesOf(probes.map((probe) => [probe.step, probe.overall.norms])),
      y: "gradient norm",
      prefix: "unweighted: ",
      together: true,
      chart: dots,
    },
    {
      of: ({ probes }) => curvesOf(probes.map((probe) => [probe.step, weighted(probe)])),
      y: "gradient norm",
      prefix: "weighted: ",
      together: true,
      chart: dots,
    },
  );
  const range = colourRange(probed.flatMap(({ probes }) => probes));
  const maps = probed.map(({ name, probes }, i): Figure => {
    const stride = probeStride(probes);
    return {
      name: probed.length === 1 ? "conflict-map" : `conflict-map-${i + 1}`,
      title: `Conflict by layer${runs.length === 1 ? "" : `: ${name}`}`,
      caption:
        `Cosine between the tasks' gradients of each shared layer, from the input at the top to the last shared layer. Red: a step that helps one task harms the other. Grey: no angle, a gradient is zero or was not measured. ${on}` +
        (stride > 1 ? ` Every ${stride}th of ${probes.length} probes is drawn.` : ""),
      legend: [],
      columns: 1,
      charts: [
        { title: "", option: conflictMapOption(probes, range), height: mapHeight(probes), kind: "map" },
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
  texts: Pick<Figure, "name" | "title" | "caption">,
  quantities: readonly Quantity[],
): Figure[] {
  const charts = quantities.flatMap((quantity) =>
    runs.length === 1 && quantity.together ? together(runs[0], quantity) : apart(runs, quantity),
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
      ...texts,
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
function together(run: RunHistory, quantity: Quantity): DrawnChart[] {
  const curves = [...quantity.of(run)];
  if (curves.length === 0) return [];
  const lines = curves.map(([name, points], i): Line => ({ name, points, style: styleOf(i) }));
  const marks = curves.flatMap(([name, points]) => quantity.marks?.(run, name, points) ?? []);
  return [
    {
      title: (quantity.prefix ?? "").replace(/[:,] $/, ""),
      chart: { x: step, y: quantity.y, lines, marks, ...quantity.chart },
    },
  ];
}

/** A chart a curve with a line a run. */
function apart(runs: readonly RunHistory[], quantity: Quantity): DrawnChart[] {
  const names = [...new Set(runs.flatMap((run) => [...quantity.of(run).keys()]))];
  return names.map((name): DrawnChart => {
    const lines = runs.flatMap((run, i) => {
      const style = styleOf(i);
      const points = quantity.of(run).get(name);
      const beside = quantity.beside?.of(run).get(name);
      const own = runs.length === 1 ? (quantity.beside ? "measured" : name) : run.name;
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
