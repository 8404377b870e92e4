import { describe, expect, it } from "vitest";
import { labelled } from "../../src/experiments/report/charts.js";
import type { FindingCode } from "../../src/data/index.js";
import { harmless, reportCsv } from "../../src/experiments/report/csv.js";
import type {
  Block,
  Counted,
  Line,
  Measured,
  Provenance,
  ReportDocument,
  Table,
} from "../../src/experiments/report/document.js";
import { languages } from "../../src/experiments/report/document.js";
import { parseFinalTest } from "../../src/experiments/report/final-test.js";
import { reportPage } from "../../src/experiments/report/html/page.js";
import { escapeLatex, reportLatex } from "../../src/experiments/report/latex.js";
import { escapeMarkdown, reportMarkdown } from "../../src/experiments/report/markdown.js";
import { en, type MessageKey } from "../../src/experiments/report/messages/en.js";
import { messagesOf, textsIn } from "../../src/experiments/report/messages/index.js";
import { assertProvenance } from "../../src/experiments/report/provenance.js";
import { screeningSection } from "../../src/experiments/report/sections/screening.js";
import { selectionMetrics } from "../../src/experiments/sweep/sweep-file.js";
import type { SectionContext } from "../../src/experiments/report/context.js";
import { SourceIndex } from "../../src/experiments/report/source-index.js";
import { counted, measured, name, plainText, setting } from "../../src/experiments/report/values.js";

const texts = textsIn("en");
const { say } = texts;
const source = (run: string, digit = "a"): Provenance => ({
  run,
  checkpointSha256: digit.repeat(64),
  dataFingerprint: "f".repeat(64),
  split: "val",
});
const data = { data: "heart/data.yaml", dataFingerprint: "d".repeat(64), split: "val" };
/** What a file or an arm may be named to do harm. */
const evil = `<script>alert("1")</script> & 'x' =1+1 \\input{x} 50% _a_ | b`;

function tableOf(rows: Table["rows"], more: Partial<Table> = {}): Table {
  const columns = [say("column.design"), say("column.value")];
  return { kind: "table", id: "t", caption: say("cost.caption"), columns, rows, ...more };
}

function documentOf(...blocks: readonly Block[]): ReportDocument {
  return {
    language: "en",
    title: say("report.title.run", { run: name(evil) }),
    lead: [],
    sections: [{ id: "s", title: say("cost.title"), blocks }],
    version: "0.1.0",
  };
}

describe("provenance", () => {
  const good = documentOf(
    tableOf([
      [name("a"), measured(0.5, "fixed3", [source("a")], { low: 0.4, high: 0.6 })],
      [name("b"), counted(3, data)],
      [name("c"), setting("0.01", "a")],
    ]),
  );

  it("lets a report through whose every number has a source", () => {
    expect(() => assertProvenance(good)).not.toThrow();
  });

  const [number] = measured(0.5, "fixed3", [source("a")]);
  const [count] = counted(3, data);
  const without = (part: object): ReportDocument =>
    documentOf(tableOf([[name("a"), [part as unknown as Measured | Counted]]]));
  it.each([
    ["without any source", without({ ...number, from: [] }), /with its checkpoint, got none/],
    ["without a run", without({ ...number, from: [{ ...source("") }] }), /with its run/],
    [
      "without a checkpoint's hash",
      without({ ...number, from: [{ ...source("a"), checkpointSha256: "abc" }] }),
      /checkpoint's SHA-256/,
    ],
    [
      "without the data's fingerprint",
      without({ ...number, from: [{ ...source("a"), dataFingerprint: "" }] }),
      /fingerprint/,
    ],
    ["without a split", without({ ...number, from: [{ ...source("a"), split: "" }] }), /split/],
    ["that is none", without({ ...number, value: Number.NaN }), /expected a finite number, got NaN/],
    [
      "whose interval is none",
      without({ ...number, interval: { low: 0, high: Number.POSITIVE_INFINITY } }),
      /expected a finite number, got Infinity/,
    ],
    ["counted nowhere", without({ ...count, from: undefined }), /count with its data and split/],
    ["set by no run", without({ kind: "setting", text: "0.01", run: "" }), /setting with its run/],
    ["that is plain", without(0.5 as unknown as object), /expected a number \(0\.5\) with a source/],
    ["hidden in a text", without({ kind: "said", key: "yes", text: 0.5 }), /with a source, got a plain one/],
  ])("refuses a number %s, and names its place", (_, document, message) => {
    expect(() => assertProvenance(document)).toThrow(message);
    expect(() => assertProvenance(document)).toThrow(/^report\.sections\[0\]\.blocks\[0\]\.rows\[0\]\[1\]/);
  });

  it("refuses a chart and a picture without a source", () => {
    const figure = {
      ...{ name: "f", title: "f", caption: "", legend: [], columns: 1 as const },
      charts: [{ title: "", option: { x: 1 }, height: 10, kind: "lines" as const }],
    };
    const chart = { kind: "chart" as const, figure: figure as never, description: [], tables: [] };
    expect(() => assertProvenance(documentOf({ ...chart, from: [source("a")] }))).not.toThrow();
    expect(() => assertProvenance(documentOf({ ...chart, from: [] }))).toThrow(/with its checkpoint/);
    const picture = { width: 1, height: 1, jpeg: "", boxes: [], caption: [], from: [] };
    const gallery = { kind: "gallery" as const, title: [], pictures: [picture] };
    expect(() => assertProvenance(documentOf(gallery))).toThrow(/with its checkpoint/);
  });

  it("leaves a cell empty where there is no number", () => {
    expect(measured(null, "fixed3", [source("a")])).toEqual([]);
    expect(measured(Number.NaN, "fixed3", [source("a")])).toEqual([]);
  });

  it("gives equal sources one group, whatever their order", () => {
    const index = new SourceIndex();
    const [a, b] = [source("a"), source("b", "b")];
    expect(index.ofCheckpoints([a, b]).id).toBe("S1");
    expect(index.ofCheckpoints([b, a, a]).id).toBe("S1");
    expect(index.ofCheckpoints([b]).id).toBe("S2");
    expect(index.ofCells([[], counted(1, data)]).map(({ id }) => id)).toEqual(["D1"]);
  });
});

describe("the catalogue", () => {
  const parameters = (message: string) => (message.match(/\{\w+\}/g) ?? []).toSorted();

  it("says everything in every language, with the same parameters", () => {
    for (const key of Object.keys(en) as MessageKey[]) {
      const all = messagesOf(key);
      for (const language of languages) {
        expect(all[language].length, `${key} in ${language}`).toBeGreaterThan(0);
        // A parameter may be said twice in one language.
        const own = [...new Set(parameters(all[language]))];
        expect(own, `${key} in ${language}`).toEqual([...new Set(parameters(all.en))]);
      }
    }
  });

  it("names every finding of an audit", () => {
    const codes: readonly FindingCode[] = ["split.unreadable", "privacy.text", "groups.unmatched"];
    for (const code of codes) {
      expect(plainText(say(`finding.${code}`))).not.toBe("");
      expect(plainText(textsIn("zh-TW").say(`remedy.${code}`))).toMatch(/\p{Script=Han}/u);
    }
  });

  it("fills in lines as they are, and keeps their sources", () => {
    const line = say("note.fewPatients", { patients: measured(3, "integer", [source("a")]) });
    expect(line[0]).toMatchObject({ kind: "measured", value: 3 });
    expect(plainText(line)).toMatch(/^3 patients: /);
    // A parameter that holds braces is not filled in again.
    expect(plainText(say("gallery.truth", { boxes: name("{boxes}") }))).toBe("truth: {boxes}");
  });
});

describe("a page", () => {
  const rows = ["a", "b"].map((run, i): Line[] => [
    name(i === 0 ? evil : "plain"),
    measured(0.25 * (i + 1), "fixed3", [source(run, run)]),
  ]);
  const page = reportPage(documentOf(tableOf(rows)), texts);

  it("has its language, no markup from names, and nothing from a network", () => {
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(reportPage({ ...documentOf(tableOf(rows)), language: "zh-TW" }, textsIn("zh-TW"))).toContain(
      '<html lang="zh-TW">',
    );
    expect(page).not.toContain("<script>alert");
    expect(page).toContain("&lt;script&gt;alert(&quot;1&quot;)");
    expect(page).toContain(`content="default-src 'none';`);
    expect(page.replace(/xmlns(:\w+)?="[^"]*"/g, "")).not.toMatch(/https?:|src="(?!data:)|@import|url\(/);
  });

  it("says of every number where it comes from, down to the whole hash", () => {
    const numbers = [...page.matchAll(/<data value="([\d.]+)" data-source="(\w+)"/g)];
    expect(numbers.map(([, value, id]) => [value, id])).toEqual([
      ["0.25", "S1"],
      ["0.5", "S2"],
    ]);
    for (const [, , id] of numbers) expect(page).toContain(`id="source-${id}"`);
    expect(page).toContain(`<code>${"b".repeat(64)}</code>`);
    // Rows of different sources have a column of them; of one source, a line under the caption.
    expect(page.match(/<td class="from">/g)).toHaveLength(2);
    const same = reportPage(documentOf(tableOf([rows[0], rows[0]])), texts);
    expect(same).not.toContain('<td class="from">');
    expect(same).toContain('<span class="source">Source: <a href="#source-S1"');
  });

  it("has captions, heads with their scope, and every fragment that it refers to once", () => {
    expect(page).toMatch(/<caption id="caption-t">/);
    expect(page).toContain('<th scope="col">');
    expect(page).toContain('<th scope="row">');
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const used = [...page.matchAll(/(?:href="#|aria-labelledby=")([^"]+)"/g)].map(([, id]) => id);
    expect(ids).toEqual(expect.arrayContaining(used));
  });
});

describe("the points of the Pareto chart", () => {
  it("of a crowd, the highest has the letters of all; those on the front lie on top", () => {
    const point = (letters: string, flops: number, value: number, isFront = false) => ({
      ...{ letters, isFront },
      at: [flops, value] as const,
    });
    const points = [point("A", 1, 0.52, true), point("B", 1, 0.55), point("C", 1, 0.1), point("D", 9, 0.54)];
    expect(labelled(points).map(({ letters, at }) => [letters, at[1]])).toEqual([
      ["A, B", 0.55],
      ["C", 0.1],
      ["D", 0.54],
      ["", 0.52],
    ]);
    expect(labelled([point("A", 1, 0.5), point("B", 1, 0.5)]).map(({ letters }) => letters)).toEqual([
      "A, B",
      "",
    ]);
  });
});

describe("signed numbers", () => {
  it.each(["signed2", "signed3"] as const)("have a true minus, or a plus: %s", (format) => {
    const shown = [-1.8312, 0.5].map((value) => plainText(measured(value, format, [source("run")])));
    expect(shown).toEqual(format === "signed2" ? ["−1.83", "+0.50"] : ["−1.831", "+0.500"]);
  });
});

describe("tables for papers", () => {
  const names = [evil, "=HYPERLINK(1)", "+1", "-1", "@x"];
  const rows = names.map((each): Line[] => [
    name(each),
    measured(-0.0123, "signed3", [source("=run")], { low: -0.1, high: 0.1 }),
  ]);
  const document = documentOf(tableOf(rows), tableOf(rows, { id: "folded", isFolded: true }));

  it("are CSV, one number a row with its source, and no formula", () => {
    const lines = reportCsv(document).trimEnd().split("\n");
    expect(lines[0]).toBe("section,table,row,column,value,low,high,shown,runs,checkpoints,data,split");
    expect(lines).toHaveLength(1 + 2 * names.length);
    for (const line of lines.slice(1)) {
      expect(line).toMatch(/,-0\.0123,-0\.1,0\.1,/);
      expect(line.endsWith(`,'=run,${"a".repeat(64)},${"f".repeat(64)},val`)).toBe(true);
      for (const cell of line.split(",").filter((_, i) => i !== 4 && i !== 5)) {
        expect(cell.replace(/^"/, "")).not.toMatch(/^[=+\-@]/);
      }
    }
    expect(harmless("plain")).toBe("plain");
    expect(harmless("\t=1")).toBe("'\t=1");
  });

  it("are Markdown of which a name makes neither markup nor a cell", () => {
    const markdown = reportMarkdown(document, texts);
    expect(markdown).toContain("\\<script\\>");
    expect(markdown).toContain("\\| b");
    expect(escapeMarkdown("a\nb [x](y) `c`")).toBe("a b \\[x\\](y) \\`c\\`");
    expect(markdown).toContain(`| S1 | =run | ${"a".repeat(64)} | val |`);
  });

  it("are LaTeX of which a name makes no command", () => {
    const latex = reportLatex(document, texts);
    expect(escapeLatex("\\input{x} 50% a_b $ # & ~ ^ <")).toBe(
      "\\textbackslash{}input\\{x\\} 50\\% a\\_b \\$ \\# \\& \\textasciitilde{} \\textasciicircum{} \\textless{}",
    );
    const commands = latex.split("\n").filter((line) => !line.startsWith("%"));
    expect(commands.join("\n")).not.toContain("\\input{");
    expect(latex).toContain("\\begin{tabular}{lrl}");
    expect(latex).toContain("$-$0.012 {[}$-$0.100, +0.100{]}");
    expect(latex).toContain(`% S1: =run checkpoint ${"a".repeat(64)}`);
    // Folded tables are for the page.
    expect(latex.match(/\\begin\{table\}/g)).toHaveLength(1);
    // A name that breaks the line of a comment would be taken for LaTeX.
    const broken = reportLatex({ ...document, title: name("a\n\\input{x}\u2028b") }, texts);
    expect(broken.split("\n")[0]).toBe("% a \\input{x} b");
  });
});

describe("final.json", () => {
  it("is refused where it is damaged, with the file's name", () => {
    expect(() => parseFinalTest("{", "sweep/final.json")).toThrow(/^sweep\/final\.json: expected the JSON/);
    expect(() => parseFinalTest('{"test": {"split": "val"}}', "sweep/final.json")).toThrow(
      /sweep\/final\.json/,
    );
    expect(parseFinalTest('{"test": null}', "sweep/final.json")).toBeNull();
  });
});

describe("the choice of designs", () => {
  it.each(languages.flatMap((language) => selectionMetrics.map((metric) => ({ language, metric }))))(
    "is told in $language by $metric",
    ({ language, metric }) => {
      const run = { arm: "a", stages: ["screen"] };
      const selections = [{ stage: "screen", epoch: null, scores: { a: 0.5, b: null }, kept: ["a"] }];
      const facts = {
        sweep: { selections, sweep: { selectionMetric: metric, runs: [run] }, test: null },
        provenanceOf: () => [source("a")],
      };
      const context = { facts, texts: textsIn(language), images: false } as unknown as SectionContext;
      const [, table] = screeningSection(context)!.blocks as [Block, Table];
      expect(plainText(table.columns[2])).toMatch(/\S/);
      expect(table.rows.map((row) => row.map(plainText).slice(0, 3))).toEqual([
        ["a", "1", "0.5"],
        ["b", "", ""],
      ]);
    },
  );
});
