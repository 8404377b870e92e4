import { type MetricName, metricNames } from "../../compare/pool.js";
import type { DesignResult, SplitResult } from "../../compare/report.js";
import { designSources, joined, type SectionContext } from "../context.js";
import type { Block, Line, Row, Section, Table } from "../document.js";
import { filled } from "../tables.js";
import { measured, name, scale } from "../values.js";

const viewMetrics: readonly MetricName[] = ["accuracy", "balancedAccuracy", "macroF1", "auroc", "ece"];
const detectionMetrics = metricNames.filter((each) => !viewMetrics.includes(each));

/** Metrics of every design with their intervals: of the validation, then of the test split where it was opened. */
export function resultSections(context: SectionContext): Section[] {
  const { compared, sweep } = context.facts;
  const test = sweep?.test ?? compared.test;
  return [compared.validation, ...(test ? [test] : [])].map((result) => resultSection(context, result));
}

function resultSection(context: SectionContext, result: SplitResult): Section {
  const { facts, texts } = context;
  const { say } = texts;
  const { split, frames, patients, resamples, designs } = result;
  const scored = designs.filter(({ seeds }) => seeds.length > 0);
  const all = scored.flatMap((each) => designSources(facts, each.name, split));
  const count = (value: number) => measured(value, "integer", all);
  const lead = say(split === "val" ? "results.lead.val" : "results.lead.test", {
    frames: count(frames),
    patients: count(patients),
    resamples: count(resamples),
  });
  return {
    id: `results-${split}`,
    title: say(split === "val" ? "results.title.val" : "results.title.test"),
    blocks: [
      { kind: "text", lines: [lead, say("results.seeds")] },
      ...metricTables(context, result, scored),
      ...classTable(context, result, scored),
      ...targetTable(context, result, scored),
      ...deltaTable(context, result, scored),
    ],
  };
}

/** Of one design a row a metric, of several a row a design. */
function metricTables(
  { facts, texts: { say } }: SectionContext,
  { split }: SplitResult,
  designs: readonly DesignResult[],
): Table[] {
  const cell = (design: DesignResult, metric: MetricName): Line => {
    const estimate = design.metrics[metric];
    const from = designSources(facts, design.name, split);
    return measured(estimate?.value, "fixed3", from, estimate?.interval ?? null);
  };
  const groups = [
    ["detection", detectionMetrics, say("results.detection")],
    ["views", viewMetrics, say("results.views")],
  ] as const;
  return groups.flatMap(([id, names, caption]): Table[] => {
    const used = names.filter((each) => designs.some(({ metrics }) => metrics[each] !== undefined));
    const having = designs.filter(({ metrics }) => used.some((each) => metrics[each] !== undefined));
    if (having.length === 0) return [];
    const titles = used.map((each) => say(`metric.${each}`));
    const place = { kind: "table" as const, id: `${split}-${id}`, caption };
    if (having.length === 1 && facts.sweep === null) {
      const rows = used.map((metric, i): Row => [titles[i], cell(having[0], metric)]);
      return [{ ...place, columns: [say("column.metric"), say("column.value")], rows }];
    }
    const heads = [say("column.design"), say("column.seeds"), say("column.folds")];
    const rows = having.map((design): Row => {
      const from = designSources(facts, design.name, split);
      const [seeds, folds] = [design.seeds.length, design.folds].map((count) =>
        measured(count, "integer", from),
      );
      return [name(design.name), seeds, folds, ...used.map((metric) => cell(design, metric))];
    });
    return [{ ...place, columns: [...heads, ...titles], rows }];
  });
}

function classTable(
  { facts, texts: { say } }: SectionContext,
  { split }: SplitResult,
  designs: readonly DesignResult[],
): Table[] {
  const rows = designs.flatMap((design) => {
    const from = designSources(facts, design.name, split);
    return design.perClass.map(
      (each): Row => [
        name(design.name),
        name(each.name),
        measured(each.instances, "integer", from),
        measured(each.ap50, "fixed3", from),
        measured(each.ap50_95, "fixed3", from),
      ],
    );
  });
  const columns = [
    say("column.design"),
    say("column.class"),
    say("column.instances"),
    say("column.ap50"),
    say("column.ap5095"),
  ];
  return filled({ id: `${split}-classes`, caption: say("results.classes"), columns, rows });
}

function targetTable(
  { facts, texts: { say } }: SectionContext,
  { split }: SplitResult,
  designs: readonly DesignResult[],
): Table[] {
  const rows = designs.flatMap((design) => {
    const from = designSources(facts, design.name, split);
    return design.targets.map(({ name: target, least, value, passed, certain }): Row => {
      const result = passed
        ? say(certain ? "target.passCertain" : "target.pass")
        : say(certain ? "target.failCertain" : "target.fail");
      return [
        name(design.name),
        say(`metric.${target}`),
        scale(least, "fixed2"),
        measured(value, "fixed3", from),
        result,
      ];
    });
  });
  const columns = [
    say("column.design"),
    say("column.metric"),
    say("column.least"),
    say("column.value"),
    say("column.result"),
  ];
  return filled({ id: `${split}-targets`, caption: say("results.targets"), columns, rows });
}

function deltaTable(
  { facts, texts: { say, comma } }: SectionContext,
  { split }: SplitResult,
  designs: readonly DesignResult[],
): Block[] {
  const rows = designs.flatMap(({ name: design, deltaM }): Row[] => {
    if (deltaM === null) return [];
    const controls = deltaM.controls;
    const from = [design, ...controls].flatMap((each) => designSources(facts, each, split));
    return [
      [
        name(design),
        measured(deltaM.value, "signedPercent1", from, deltaM.interval),
        joined(controls.map(name), comma),
      ],
    ];
  });
  const columns = [say("column.design"), say("column.deltaM"), say("column.controls")];
  return filled({ id: `${split}-delta-m`, caption: say("results.deltaM"), columns, rows });
}
