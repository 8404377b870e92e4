import type { RunHistory } from "../../curves/run-history.js";
import { figuresOf } from "../../curves/figures.js";
import { dataOf } from "../chart-tables.js";
import { joined, type SectionContext } from "../context.js";
import type { ChartBlock, Row, Section, Table } from "../document.js";
import { name, setting } from "../values.js";

/** More probes than this make a map that weighs megabytes on a page. */
const mostProbes = 80;

/** Losses, weights, what the balancer measured, metrics by epoch, conflict maps; then how the runs were set. */
export function trainingSection(context: SectionContext): Section {
  const { facts, texts } = context;
  const { say, comma } = texts;
  const histories = facts.histories.map(thinned).map((history, i) => ({
    ...history,
    // Of a sweep, the design says more than the run's folder.
    name: facts.sweep === null ? history.name : (facts.drawn[i].arm ?? history.name),
  }));
  const charts = figuresOf(histories, texts.figures).map((figure): ChartBlock => {
    const split = figure.name === "validation" ? "val" : "train";
    const from = facts.drawn.flatMap((run) => facts.provenanceOf(run, split));
    const title = name(figure.title);
    return {
      kind: "chart",
      figure,
      description: say(figure.charts.some(({ kind }) => kind === "map") ? "chart.map" : "chart.history", {
        title,
        runs: joined(
          histories.map((each) => name(each.name)),
          comma,
        ),
      }),
      from,
      tables: dataOf(figure, from, texts),
    };
  });
  const lead = say(facts.sweep === null ? "training.lead" : "training.leadSweep", {
    runs: joined(
      facts.drawn.map(({ name: run }) => name(run)),
      comma,
    ),
  });
  return {
    id: "training",
    title: say("training.title"),
    blocks: [{ kind: "text", lines: [lead] }, ...charts, ...settingsTables(context)],
  };
}

function thinned(history: RunHistory): RunHistory {
  const stride = Math.ceil(history.probes.length / mostProbes);
  return stride <= 1 ? history : { ...history, probes: history.probes.filter((_, i) => i % stride === 0) };
}

/** The configuration of the drawn runs, an option a row; of a sweep those that differ, then all. */
function settingsTables({ facts, texts: { say } }: SectionContext): Table[] {
  const settings = facts.drawn.map((run) => {
    const own = facts.compared.facts.find((each) => run.arm === null || each.name === run.arm);
    return own?.settings ?? {};
  });
  const paths = [...new Set(settings.flatMap((each) => Object.keys(each)))];
  const shown = (value: unknown) => (value === undefined ? "" : JSON.stringify(value));
  const rows = paths.map(
    (path): Row => [
      name(path),
      ...settings.map((each, i) => setting(shown(each[path]), facts.drawn[i].name)),
    ],
  );
  const columns = [say("column.option"), ...facts.drawn.map((run) => name(run.arm ?? run.name))];
  const differing = rows.filter((_, i) => new Set(settings.map((each) => shown(each[paths[i]]))).size > 1);
  const place = { kind: "table" as const, columns };
  return [
    ...(differing.length > 0
      ? [{ ...place, id: "options-differing", caption: say("training.differing"), rows: differing }]
      : []),
    { ...place, id: "options", caption: say("training.options"), rows, isFolded: true },
    environmentTable(facts.histories, say),
  ];
}

function environmentTable(histories: readonly RunHistory[], say: SectionContext["texts"]["say"]): Table {
  const rows = histories.map(({ name: run, info }): Row => {
    const facts = [info.created, info.echoduet, info.node, info.onnxruntime, info.platform];
    const texts = [...facts, `${info.processor} (${info.cores})`];
    return [name(run), ...texts.map((text) => setting(text, run))];
  });
  const columns = [
    ...[say("column.run"), say("column.created"), say("column.version"), say("column.node")],
    ...[say("column.onnxruntime"), say("column.platform"), say("column.processor")],
  ];
  return {
    kind: "table",
    id: "environment",
    caption: say("training.environment"),
    columns,
    rows,
    isFolded: true,
  };
}
