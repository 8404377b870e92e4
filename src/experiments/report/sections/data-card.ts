import type { Counts, Finding, SplitName, SplitTally } from "../../../data/index.js";
import { joined, type SectionContext } from "../context.js";
import type { Block, DataProvenance, Line, Row, Section, Table } from "../document.js";
import { counted, name } from "../values.js";

/** Files of a finding that are listed; `audit --json` has them all. */
const mostFiles = 12;

/** What is in the data, and what its audit found. */
export function dataSection(context: SectionContext): Section {
  const { facts, texts } = context;
  const { say } = texts;
  const { summary } = facts.audit.report;
  const { all } = facts.data;
  return {
    id: "data",
    title: say("data.title"),
    blocks: [
      {
        kind: "text",
        lines: [
          say("data.lead", {
            data: name(summary.data),
            frames: counted(summary.frames, all),
            patients: counted(summary.patients.length, all),
            clips: counted(summary.clips.length, all),
          }),
          ...(facts.detailed.runs.length > 1 ? [say("data.folds")] : []),
        ],
      },
      splitTable(context),
      ...pairTable(context),
      ...leakageTable(context),
      ...shiftTable(context),
      ...findings(context),
    ],
  };
}

function splitTable({ facts, texts: { say } }: SectionContext): Table {
  const { splits, classes, viewFrames } = facts.audit.report.summary;
  const tallies = Object.entries(splits) as [SplitName, SplitTally][];
  const row = (title: Line, of: (tally: SplitTally) => number): Row => [
    title,
    ...tallies.map(([split, tally]) => counted(of(tally), facts.data[split])),
  ];
  const rows = [
    row(say("data.frames"), ({ frames }) => frames),
    row(say("data.patients"), ({ patients }) => patients),
    row(say("data.clips"), ({ clips }) => clips),
    row(say("data.withoutBoxes"), ({ withoutBoxes }) => withoutBoxes),
    row(say("data.withoutView"), ({ withoutView }) => withoutView),
    ...Object.keys(classes).map((each) =>
      row(say("data.boxesOf", { class: name(each) }), ({ boxes }) => boxes[each]),
    ),
    ...Object.keys(viewFrames).map((each) =>
      row(say("data.framesOf", { view: name(each) }), ({ views }) => views[each]),
    ),
  ];
  const columns = [say("column.content"), ...tallies.map(([split]) => say(`split.${split}`))];
  return { kind: "table", id: "data-splits", caption: say("data.splits"), columns, rows };
}

function pairTable({ facts, texts: { say } }: SectionContext): Table[] {
  const { pairs, names } = facts.audit.report.summary;
  const views = Object.entries(pairs) as [string, Counts][];
  if (views.length === 0 || names.length === 0) return [];
  return [
    {
      kind: "table",
      id: "data-pairs",
      caption: say("data.pairs"),
      columns: [say("column.view"), ...names.map(name)],
      rows: views.map(
        ([view, of]): Row => [name(view), ...names.map((each) => counted(of[each], facts.data.all))],
      ),
    },
  ];
}

function leakageTable({ facts, texts: { say } }: SectionContext): Table[] {
  const rows = facts.audit.report.summary.leakage.map(({ from, to, frames, patient, clip, duplicate }) => {
    const cells = [frames, patient, clip, duplicate].map((count) => counted(count, facts.data[to]));
    const title = say("data.seenIn", { to: say(`split.${to}`), from: say(`split.${from}`) });
    return [title, ...cells];
  });
  const columns = [
    ...[say("column.splits"), say("column.frames"), say("column.samePatient")],
    ...[say("column.sameClip"), say("column.duplicates")],
  ];
  return rows.length === 0
    ? []
    : [{ kind: "table", id: "data-leakage", caption: say("data.leakage"), columns, rows }];
}

function shiftTable({ facts, texts: { say } }: SectionContext): Table[] {
  const rows = facts.audit.report.summary.shift.map(({ of, from, to, distance, pValue, shifted }): Row => {
    const source: DataProvenance = { ...facts.data.all, split: `${from}, ${to}` };
    return [
      say(of === "class" ? "data.shift.class" : "data.shift.view", {
        from: say(`split.${from}`),
        to: say(`split.${to}`),
      }),
      counted(distance, source, "fixed3"),
      counted(pValue, source, "p"),
      say(shifted ? "yes" : "no"),
    ];
  });
  const columns = [say("column.splits"), say("column.distance"), say("column.p"), say("column.shifted")];
  return rows.length === 0
    ? []
    : [{ kind: "table", id: "data-shift", caption: say("data.shift"), columns, rows }];
}

function findings({ facts, texts: { say, comma } }: SectionContext): Block[] {
  const { findings: found } = facts.audit.report;
  if (found.length === 0) return [{ kind: "text", lines: [say("data.nothingFound")] }];
  const files = ({ files: all }: Finding): Line => {
    const shown = joined(all.slice(0, mostFiles).map(name), comma);
    const left = all.length - mostFiles;
    return left > 0 ? [...shown, ...say("data.moreFiles", { count: counted(left, facts.data.all) })] : shown;
  };
  const rows = found.map(
    (finding): Row => [
      say(`finding.${finding.code}`),
      say(finding.severity === "error" ? "severity.error" : "severity.warning"),
      counted(finding.count, facts.data.all),
      say(`remedy.${finding.code}`),
      files(finding),
    ],
  );
  const columns = [
    ...[say("column.finding"), say("column.severity"), say("column.count")],
    ...[say("column.remedy"), say("column.files")],
  ];
  return [{ kind: "table", id: "data-findings", caption: say("data.findings"), columns, rows }];
}
