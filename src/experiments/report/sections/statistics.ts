import type { SectionContext } from "../context.js";
import { designSources } from "../context.js";
import type { Row, Section, Table } from "../document.js";
import { measured, name } from "../values.js";

/** Paired tests against the best design, and how far results move with α and initial weights. */
export function statisticsSection(context: SectionContext): Section | null {
  const { say } = context.texts;
  const tables = [...contrastTable(context), ...sensitivityTables(context)];
  if (tables.length === 0) return null;
  return {
    id: "statistics",
    title: say("statistics.title"),
    blocks: [{ kind: "text", lines: [say("statistics.lead")] }, ...tables],
  };
}

function contrastTable({ facts, texts: { say } }: SectionContext): Table[] {
  const { contrasts } = facts.compared;
  if (contrasts.length === 0) return [];
  const rows = contrasts.map((each): Row => {
    const from = [each.design, each.reference].flatMap((design) => designSources(facts, design));
    const { patients, seedTest } = each;
    return [
      name(each.design),
      say(`metric.${each.endpoint}`),
      measured(each.difference, "signed3", from, each.interval),
      measured(patients.p, "p", from),
      measured(patients.adjustedP, "p", from),
      measured(patients.leastP, "p", from),
      measured(patients.n, "integer", from),
      measured(each.seeds.length, "integer", from),
      measured(seedTest?.p, "p", from),
      measured(seedTest?.hodgesLehmann, "signed3", from),
      measured(seedTest?.standardised, "signed2", from),
      measured(each.detectable, "fixed3", from),
      say(`verdict.${each.verdict === "not told apart" ? "notToldApart" : each.verdict}`),
    ];
  });
  const columns = [
    ...[say("column.design"), say("column.metric"), say("column.difference"), say("column.p")],
    ...[say("column.pHolm"), say("column.leastP"), say("column.patients"), say("column.seeds")],
    ...[say("column.pSeeds"), say("column.hodgesLehmann"), say("column.d"), say("column.detectable")],
    say("column.verdict"),
  ];
  const caption = say("statistics.contrasts", { reference: name(contrasts[0].reference) });
  return [{ kind: "table", id: "contrasts", caption, columns, rows }];
}

function sensitivityTables({ facts, texts: { say } }: SectionContext): Table[] {
  return facts.compared.sensitivities.map(({ of, points, range }, i): Table => {
    const what = say(of === "alpha" ? "sensitivity.alpha" : "sensitivity.weights");
    const all = points.flatMap(({ design }) => designSources(facts, design));
    const rows = points.map((point): Row => {
      const from = designSources(facts, point.design);
      return [
        name(point.design),
        name(point.value),
        measured(point.map50, "fixed3", from),
        measured(point.balancedAccuracy, "fixed3", from),
      ];
    });
    const spread: Row = [
      say("sensitivity.range"),
      [],
      measured(range.map50, "fixed3", all),
      measured(range.balancedAccuracy, "fixed3", all),
    ];
    return {
      kind: "table",
      id: `sensitivity-${i + 1}`,
      caption: say("sensitivity.caption", { what }),
      columns: [say("column.design"), what, say("metric.map50"), say("metric.balancedAccuracy")],
      rows: [...rows, spread],
    };
  });
}
