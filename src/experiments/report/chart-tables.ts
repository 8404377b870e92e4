import type { Figure } from "../curves/figures.js";
import { rawSuffix } from "../curves/line-chart.js";
import type { Provenance, Row, Table } from "./document.js";
import type { Texts } from "./messages/index.js";
import { measured, name } from "./values.js";

/** Rows of the table behind a curve. */
const mostRows = 13;

type XY = readonly [number, number | null];

/** What a figure draws as tables: some points of every curve, or the layers of a conflict map. */
export function dataOf(figure: Figure, from: readonly Provenance[], texts: Texts): Table[] {
  return figure.charts.flatMap((chart, i): Table[] => {
    const place = { id: `${figure.name}-data-${i + 1}`, title: chart.title || figure.title };
    return chart.kind === "map"
      ? [layerTable(chart.option, { ...place, from, texts })]
      : curveTables(chart.option, { ...place, from, texts });
  });
}

interface Place {
  readonly id: string;
  readonly title: string;
  readonly from: readonly Provenance[];
  readonly texts: Texts;
}

function curveTables(option: object, { id, title, from, texts: { say } }: Place): Table[] {
  const { series, xAxis } = option as {
    readonly series: readonly {
      readonly type: string;
      readonly name: string;
      readonly data: readonly XY[];
    }[];
    readonly xAxis: { readonly name: string };
  };
  const lines = series.filter(({ type, name: own }) => type === "line" && !own.endsWith(rawSuffix));
  const xs = [...new Set(lines.flatMap(({ data }) => data.map(([x]) => x)))].sort((a, b) => a - b);
  if (xs.length === 0) return [];
  const rows = picked(xs).map((x): Row => {
    const cells = lines.map(({ data }) => measured(data.find(([at]) => at === x)?.[1], "digits4", from));
    return [measured(x, "integer", from), ...cells];
  });
  const columns = [name(xAxis.name), ...lines.map((line) => name(line.name))];
  return [
    { kind: "table", id, caption: say("chart.data", { title: name(title) }), columns, rows, isFolded: true },
  ];
}

/** Some of the numbers, evenly, the first and the last among them. */
function picked(xs: readonly number[]): number[] {
  const count = Math.min(xs.length, mostRows);
  if (count < 2) return [...xs];
  return Array.from({ length: count }, (_, i) => xs[Math.round((i * (xs.length - 1)) / (count - 1))]);
}

/** Mean, least and greatest cosine of each layer, and the share of probes in which it is below zero. */
function layerTable(option: object, { id, title, from, texts: { say } }: Place): Table {
  const { series, yAxis } = option as {
    readonly series: readonly { readonly data: readonly (readonly number[])[] }[];
    readonly yAxis: readonly { readonly data: readonly string[] }[];
  };
  const rows = yAxis[0].data.flatMap((layer, row): Row[] => {
    const cosines = series[0].data.filter((cell) => cell[1] === row).map((cell) => cell[2]);
    if (cosines.length === 0) return [];
    const mean = cosines.reduce((a, b) => a + b, 0) / cosines.length;
    const below = cosines.filter((cosine) => cosine < 0).length / cosines.length;
    return [
      [
        name(layer),
        ...[mean, Math.min(...cosines), Math.max(...cosines)].map((value) =>
          measured(value, "signed3", from),
        ),
        measured(below, "percent1", from),
      ],
    ];
  });
  const columns = [
    ...[say("column.layer"), say("column.meanCosine"), say("column.leastCosine")],
    ...[say("column.greatestCosine"), say("column.inConflict")],
  ];
  const caption = say("chart.data", { title: name(title) });
  return { kind: "table", id, caption, columns, rows, isFolded: true };
}
