import { paretoFigure } from "../charts.js";
import { designSources, joined, type SectionContext, trainingSources } from "../context.js";
import type { Block, Line, Row, Section, Table } from "../document.js";
import { filled } from "../tables.js";
import { measured, name } from "../values.js";

/** What designs cost, how much trouble they are, and what is gained for it. */
export function costSection(context: SectionContext): Section {
  const { say } = context.texts;
  return {
    id: "cost",
    title: say("cost.title"),
    blocks: [
      { kind: "text", lines: [say("cost.lead")] },
      ...costTable(context),
      ...(context.facts.sweep === null ? [] : [...pareto(context), practicalityTable(context)]),
    ],
  };
}

function costTable({ facts, texts: { say } }: SectionContext): Table[] {
  const rows = facts.compared.facts.flatMap(({ name: design, cost, onParetoFront }): Row[] => {
    if (cost === null) return [];
    const trained = trainingSources(facts, design);
    return [
      [
        name(design),
        measured(cost.parameters, "integer", trained),
        measured(cost.flops, "giga3", trained),
        name(`${cost.size.width}×${cost.size.height}`),
        measured(cost.stepSeconds, "fixed3", trained),
        measured(cost.epochSeconds, "fixed1", trained),
        measured(cost.memoryBytes, "mebi", trained),
        measured(cost.latencyMs, "fixed1", trained),
        onParetoFront === null ? [] : say(onParetoFront ? "yes" : "no"),
      ],
    ];
  });
  const columns = [
    ...[say("column.design"), say("column.parameters"), say("column.gflops"), say("column.input")],
    ...[say("column.step"), say("column.epochTime"), say("column.memory"), say("column.latency")],
    say("column.front"),
  ];
  return filled({ id: "costs", caption: say("cost.caption"), columns, rows });
}

function practicalityTable({ facts, texts: { say, comma } }: SectionContext): Table {
  const names = (all: readonly string[]): Line =>
    all.length === 0 ? say("none") : joined(all.map(name), comma);
  // Spread and sensitivity are of complete seeds; a design without one has its failures at most.
  const complete = new Set(
    facts.compared.validation.designs.flatMap((each) => (each.seeds.length > 0 ? each.name : [])),
  );
  const shown = facts.compared.facts.filter(
    (each) => complete.has(each.name) || each.practicality.runs.failed > 0,
  );
  const rows = shown.map(({ name: design, practicality }): Row => {
    const from = designSources(facts, design);
    const trained = trainingSources(facts, design);
    const { seedSpread, foldSpread, runs, extraOptions, extraOperators, networks } = practicality;
    return [
      name(design),
      measured(seedSpread.map50, "fixed3", from),
      measured(seedSpread.balancedAccuracy, "fixed3", from),
      measured(foldSpread.map50, "fixed3", from),
      measured(foldSpread.balancedAccuracy, "fixed3", from),
      ...[runs.finished, runs.failed, runs.unfinished].map((count) =>
        // A design none of whose runs has a checkpoint has no source to name.
        trained.length === 0 ? [] : measured(count, "integer", trained),
      ),
      names(extraOptions),
      names(extraOperators),
      trained.length === 0 ? [] : measured(networks, "integer", trained),
    ];
  });
  return {
    kind: "table",
    id: "practicality",
    caption: say("practicality.caption"),
    columns: [
      ...[say("column.design"), say("column.sdSeedsMap"), say("column.sdSeedsViews")],
      ...[say("column.sdFoldsMap"), say("column.sdFoldsViews"), say("column.finished")],
      ...[say("column.failed"), say("column.unfinished"), say("column.options"), say("column.operators")],
      say("column.networks"),
    ],
    rows,
  };
}

/** Accuracy against FLOPs, a chart a task; the points have letters, which the table explains. */
function pareto({ facts, texts }: SectionContext): Block[] {
  const { say } = texts;
  const { designs } = facts.compared.validation;
  const points = facts.compared.facts.flatMap(({ name: design, cost, onParetoFront }) => {
    // A design without a complete seed has a cost, but no metrics.
    const { metrics, seeds } = designs.find((each) => each.name === design) ?? {};
    return cost && metrics && seeds && seeds.length > 0
      ? [{ design, flops: cost.flops, metrics, isFront: onParetoFront === true }]
      : [];
  });
  if (points.length < 2) return [];
  const letters = points.map((_, i) => letterOf(i));
  const rows = points.map(({ design, flops, metrics, isFront }, i): Row => {
    const from = designSources(facts, design);
    return [
      name(letters[i]),
      name(design),
      measured(flops, "giga3", from),
      measured(metrics.map50?.value, "fixed3", from),
      measured(metrics.balancedAccuracy?.value, "fixed3", from),
      say(isFront ? "yes" : "no"),
    ];
  });
  const columns = [
    ...[say("column.point"), say("column.design"), say("column.gflops")],
    ...[say("metric.map50"), say("metric.balancedAccuracy"), say("column.front")],
  ];
  const table: Table = { kind: "table", id: "pareto-points", caption: say("pareto.points"), columns, rows };
  return [
    {
      kind: "chart",
      figure: paretoFigure(
        points.map((point, i) => ({
          ...{ letter: letters[i], flops: point.flops, isFront: point.isFront },
          map50: point.metrics.map50?.value ?? null,
          balancedAccuracy: point.metrics.balancedAccuracy?.value ?? null,
        })),
        texts,
      ),
      description: say("pareto.description"),
      from: points.flatMap(({ design }) => designSources(facts, design)),
      tables: [],
    },
    table,
  ];
}

/** A, B, ..., Z, A1, B1, ... */
function letterOf(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26));
  return index < 26 ? letter : `${letter}${Math.floor(index / 26)}`;
}
