import {
  type CompareReport,
  type Contrast,
  type Cost,
  type DesignFacts,
  type DesignResult,
  type MetricEstimate,
  type MetricName,
  metricNames,
  type Sensitivity,
  type SplitResult,
  showP,
  signed,
} from "../experiments/index.js";

/** A table of a comparison: its first row is the header. */
export interface CompareTable {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

const metricTitles: Record<MetricName, string> = {
  map50: "mAP@.5",
  map50_95: "mAP@.5:.95",
  precision: "precision",
  recall: "recall",
  f1: "F1",
  chosenPrecision: "precision at val's conf.",
  chosenRecall: "recall at val's conf.",
  chosenF1: "F1 at val's conf.",
  accuracy: "accuracy",
  balancedAccuracy: "balanced accuracy",
  macroF1: "macro F1",
  auroc: "AUROC",
  ece: "ECE",
};

/** The tables of a comparison, in the order in which they are printed; what has no row is left out. */
export function compareTables(report: CompareReport): CompareTable[] {
  const { validation, test, facts, contrasts, sensitivities } = report;
  return [
    ...splitTables(validation),
    costTable(facts),
    practicalityTable(facts),
    ...sensitivities.map(sensitivityTable),
    contrastTable(contrasts),
    ...(test ? splitTables(test) : []),
  ].filter(({ rows }) => rows.length > 1);
}

function splitTables({ split, frames, patients, resamples, designs }: SplitResult): CompareTable[] {
  const scored = designs.filter(({ seeds }) => seeds.length > 0);
  const place = `${split}: ${frames} frames, ${patients} patients, 95 % intervals of ${resamples} resamples of patients`;
  return [
    metricTable(`Detection, ${place}`, scored, detectionMetrics),
    metricTable(`Views, ${place}`, scored, viewMetrics),
    {
      title: `Δm against the single-task controls, ${split}`,
      rows: [
        ["design", "Δm", "controls"],
        ...scored.flatMap(({ name, deltaM }) =>
          deltaM ? [[name, percent(deltaM), deltaM.controls.join("; ")]] : [],
        ),
      ],
    },
    {
      title: `AP@.5 of each class, ${split}`,
      rows: [
        ["design", ...classNames(scored)],
        ...scored
          .filter(({ perClass }) => perClass.length > 0)
          .map(({ name, perClass }) => [name, ...perClass.map(({ ap50 }) => number(ap50))]),
      ],
    },
    {
      title: `Targets, ${split} ("certain": the whole interval lies on that side)`,
      rows: [
        ["design", "target", "value", "result"],
        ...scored.flatMap(({ name, targets }) =>
          targets.map((target) => [
            name,
            `${metricTitles[target.name]} >= ${target.least}`,
            number(target.value),
            `${target.passed ? "pass" : "fail"}${target.certain ? ", certain" : ""}`,
          ]),
        ),
      ],
    },
    {
      title: `Confusion of the views, ${split} (rows true, columns predicted, summed over seeds)`,
      rows: [
        ["design", "counts"],
        ...scored.flatMap(({ name, confusion }) =>
          confusion ? [[name, confusion.map((row) => `[${row.join(" ")}]`).join(" ")]] : [],
        ),
      ],
    },
  ];
}

const viewMetrics: readonly MetricName[] = ["accuracy", "balancedAccuracy", "macroF1", "auroc", "ece"];
const detectionMetrics = metricNames.filter((name) => !viewMetrics.includes(name));

/** Designs that have any of the metrics, and the metrics that any of them has. */
function metricTable(
  title: string,
  designs: readonly DesignResult[],
  names: readonly MetricName[],
): CompareTable {
  const used = names.filter((name) => designs.some(({ metrics }) => metrics[name] !== undefined));
  const having = designs.filter(({ metrics }) => used.some((name) => metrics[name] !== undefined));
  return {
    title,
    rows: [
      ["design", "seeds x folds", ...used.map((name) => metricTitles[name])],
      ...having.map(({ name, seeds, folds, metrics }) => [
        name,
        `${seeds.length} x ${folds}`,
        ...used.map((metric) => estimate(metrics[metric])),
      ]),
    ],
  };
}

function classNames(designs: readonly DesignResult[]): string[] {
  const detecting = designs.find(({ perClass }) => perClass.length > 0);
  return (detecting?.perClass ?? []).map(({ name, instances }) => `${name} (${instances})`);
}

function costTable(facts: readonly DesignFacts[]): CompareTable {
  const columns: readonly (readonly [string, (cost: Cost) => string])[] = [
    ["parameters", ({ parameters }) => parameters.toLocaleString("en-US")],
    ["GFLOPs", ({ flops }) => (flops / 1e9).toFixed(3)],
    ["input", ({ size }) => `${size.width}x${size.height}`],
    ["s/step", ({ stepSeconds }) => number(stepSeconds)],
    ["s/epoch", ({ epochSeconds }) => number(epochSeconds, 1)],
    ["memory MiB", ({ memoryBytes }) => (memoryBytes === null ? "-" : (memoryBytes / 2 ** 20).toFixed(0))],
    ["latency ms", ({ latencyMs }) => number(latencyMs, 1)],
  ];
  return {
    title: "Cost",
    rows: [
      ["design", ...columns.map(([name]) => name), "Pareto front"],
      ...facts.flatMap(({ name, cost, onParetoFront }) =>
        cost
          ? [
              [
                name,
                ...columns.map(([, cell]) => cell(cost)),
                onParetoFront === null ? "-" : onParetoFront ? "yes" : "no",
              ],
            ]
          : [],
      ),
    ],
  };
}

function practicalityTable(facts: readonly DesignFacts[]): CompareTable {
  return {
    title: "Practicality (SD: standard deviation over seeds, over folds, of mAP@.5 / balanced accuracy)",
    rows: [
      [
        "design",
        "SD seeds",
        "SD folds",
        "finished",
        "failed",
        "unfinished",
        "options",
        "operators",
        "networks",
      ],
      ...facts.map(({ name, practicality: p }) => [
        name,
        `${number(p.seedSpread.map50)} / ${number(p.seedSpread.balancedAccuracy)}`,
        `${number(p.foldSpread.map50)} / ${number(p.foldSpread.balancedAccuracy)}`,
        ...[p.runs.finished, p.runs.failed, p.runs.unfinished].map(String),
        list(p.extraOptions),
        list(p.extraOperators),
        String(p.networks),
      ]),
    ],
  };
}

function sensitivityTable({ of, points, range }: Sensitivity): CompareTable {
  return {
    title: `Sensitivity to ${of}`,
    rows: [
      ["design", of, "mAP@.5", "balanced accuracy"],
      ...points.map((point) => [
        point.design,
        point.value,
        number(point.map50),
        number(point.balancedAccuracy),
      ]),
      ["largest - smallest", "", number(range.map50), number(range.balancedAccuracy)],
    ],
  };
}

function contrastTable(contrasts: readonly Contrast[]): CompareTable {
  const reference = contrasts[0]?.reference ?? "";
  return {
    title: `Against ${reference}, on val (p: patients swapped, two-sided; Holm over all rows)`,
    rows: [
      [
        ...["design", "metric", "difference", "p", "p (Holm)", "least p", "patients"],
        ...["seeds", "p (seeds)", "Hodges-Lehmann", "d (seeds)", "detectable", "verdict"],
      ],
      ...contrasts.map((each) => [
        each.design,
        metricTitles[each.endpoint],
        each.interval
          ? `${signed(each.difference)} [${signed(each.interval.low)}, ${signed(each.interval.high)}]`
          : signed(each.difference),
        showP(each.patients.p),
        showP(each.patients.adjustedP),
        showP(each.patients.leastP),
        String(each.patients.n),
        String(each.seeds.length),
        each.seedTest ? showP(each.seedTest.p) : "-",
        each.seedTest?.hodgesLehmann == null ? "-" : signed(each.seedTest.hodgesLehmann),
        number(each.seedTest?.standardised ?? null, 2),
        number(each.detectable),
        each.verdict,
      ]),
    ],
  };
}

function estimate(given: MetricEstimate | undefined): string {
  if (given === undefined) return "-";
  const { value, interval } = given;
  return interval ? `${number(value)} [${number(interval.low)}, ${number(interval.high)}]` : number(value);
}

function percent({ value, interval }: MetricEstimate): string {
  const show = (share: number) => `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)}`;
  return interval ? `${show(value)} % [${show(interval.low)}, ${show(interval.high)}]` : `${show(value)} %`;
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "0" : `${names.length}: ${names.join(" ")}`;
}

function number(value: number | null, digits = 3): string {
  return value === null ? "-" : value.toFixed(digits);
}
