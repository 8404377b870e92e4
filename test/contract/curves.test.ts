import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import type { LineSeriesOption } from "echarts";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { curvesPage, drawCurves, figuresOf, readRunHistories } from "../../src/experiments/index.js";
import { lineOption, styleOf } from "../../src/experiments/curves/line-chart.js";
import { chartSvg, pictureOf } from "../../src/experiments/curves/picture.js";
import { smooth, spansDecades, thin } from "../../src/experiments/curves/points.js";
import type { Figure, Point } from "../../src/experiments/index.js";
import { textsIn } from "../../src/experiments/report/messages/index.js";
import { formatEvent } from "../../src/training/events.js";
import { temporaryFolder } from "../support/cli.js";
import { writeHistory } from "../support/training-history.js";

const { folder, remove } = temporaryFolder("curves");
afterAll(remove);

const figures = (...runs: string[]) => figuresOf(readRunHistories(runs));
const names = (all: readonly Figure[]) => all.map(({ name }) => name);
const find = (all: readonly Figure[], name: string): Figure => {
  const figure = all.find((one) => one.name === name);
  if (!figure) throw new Error(`no figure ${name}`);
  return figure;
};
const series = (figure: Figure, chart = 0) => figure.charts[chart].option.series as LineSeriesOption[];

let plain: string;
let balanced: string;
beforeAll(() => {
  plain = writeHistory(join(folder, "plain"), { steps: 60, stepsPerEpoch: 20 });
  balanced = writeHistory(join(folder, "balanced"), { seed: 1, steps: 60, balance: true, probeEvery: 20 });
});

const always = ["losses", "loss-items", "weights", "learning-rate", "gradient-norm", "validation"];

describe("the figures of runs", () => {
  it("are those whose numbers the events hold, and no others", () => {
    expect(names(figures(plain))).toEqual(always);
    expect(names(figures(balanced))).toEqual([
      ...["losses", "loss-items", "weights", "balance-norms", "balance-rates"],
      ...["learning-rate", "gradient-norm", "validation", "conflict-norms", "conflict-map"],
    ]);
    const short = writeHistory(join(folder, "short"), { steps: 1 });
    expect(names(figures(short))).toEqual(always.slice(0, -1));
  });

  it("lay several runs over each other, with a conflict map of each that has probes", () => {
    const other = writeHistory(join(folder, "other"), { seed: 2, steps: 40, probeEvery: 10 });
    const all = figures(plain, balanced, other);
    expect(names(all).filter((name) => name.startsWith("conflict"))).toEqual([
      ...["conflict", "conflict-norms", "conflict-map-1", "conflict-map-2"],
    ]);
    expect(find(all, "conflict-map-2").title).toBe("Conflict by layer: other");
    const losses = find(all, "losses");
    expect(losses.charts.map(({ title }) => title)).toEqual(["detection", "classification"]);
    expect(losses.legend.map(({ name }) => name)).toEqual(["plain", "balanced", "other"]);
    expect(new Set(losses.legend.map(({ colour }) => colour)).size).toBe(3);
  });

  it("draw the logged numbers: faint as they are, bold averaged", () => {
    const [raw, average] = series(find(figures(plain), "losses"));
    expect([raw.name, average.name]).toEqual(["detection, each step", "detection"]);
    const logged = readRunHistories([plain])[0].losses.get("detection") ?? [];
    expect(raw.data).toEqual(logged.map(([x, y]) => [x, Number(y.toPrecision(5))]));
    expect(average.data).toHaveLength(logged.length);
    expect(raw.lineStyle?.opacity).toBeLessThan(0.5);
  });

  it("leave out what was not measured, and have a gap where a number is not finite", () => {
    const run = writeHistory(join(folder, "gap"), { steps: 3 });
    const text = readFileSync(join(run, "events.jsonl"), "utf8");
    writeFileSync(
      join(run, "events.jsonl"),
      text.replace(/"gradientNorm":[\d.]+/, '"gradientNorm":"Infinity"'),
    );
    const data = series(find(figures(run), "gradient-norm"))[0].data as [number, number | null][];
    // Step 3 of the history has no norm at all.
    expect(data.map(([x, y]) => [x, y === null])).toEqual([
      [1, true],
      [2, false],
    ]);
  });

  it("have a logarithmic axis for weights that span decades", () => {
    const axis = (run: string) => find(figures(run), "weights").charts[0].option.yAxis;
    expect(axis(plain)).toMatchObject({ type: "log" });
    const even = writeHistory(join(folder, "even"), { steps: 5 });
    const log = join(even, "events.jsonl");
    writeFileSync(log, readFileSync(log, "utf8").replaceAll('"classification":0.01', '"classification":0.5'));
    expect(axis(even)).toMatchObject({ type: "value" });
  });

  it("mark an alarm on its task's weight, at its step, with its message", () => {
    const marks = series(find(figures(balanced), "weights")).at(-1);
    expect(marks).toMatchObject({ type: "scatter", name: "alarm" });
    const data = marks?.data as unknown as { name: string; value: Point }[];
    expect(data).toHaveLength(1);
    expect(data[0].name).toContain("stuck: the weight of classification rises");
    const weight = readRunHistories([balanced])[0].taskWeights.get("classification")?.[29];
    expect(data[0].value).toEqual([30, Number(weight?.[1].toPrecision(5))]);
    expect(find(figures(plain), "weights").legend.map(({ name }) => name)).not.toContain("alarm");
  });

  it("set targets, dashed, beside the norms that they are for", () => {
    const figure = find(figures(balanced), "balance-norms");
    expect(figure.legend.map(({ name, dash }) => [name, dash])).toEqual([
      ["measured", "solid"],
      ["target", "dashed"],
    ]);
    expect(figure.charts).toHaveLength(2);
  });

  it("map conflict with the input at the top, an equal range on both sides and no cell without an angle", () => {
    const { option } = find(figures(balanced), "conflict-map").charts[0];
    const [rows] = option.yAxis as { data: string[]; inverse: boolean }[];
    expect(rows.data).toEqual(["model.0.conv", "model.9.cv1.conv", "model.17.cv3.conv"]);
    expect(rows.inverse).toBe(true);
    const [columns] = option.xAxis as { data: string[] }[];
    expect(columns.data).toEqual(["20", "40", "60"]);
    const scale = option.visualMap as { min: number; max: number };
    expect(scale.min).toBe(-scale.max);
    const [map, , share] = option.series as unknown as { data: number[][] }[];
    // 3 layers, 3 probes; the second layer has no cosine in the first probe.
    expect(map.data).toHaveLength(8);
    expect(map.data.some(([column, row]) => column === 0 && row === 1)).toBe(false);
    const first = readRunHistories([balanced])[0].probes[0].layers;
    const cosines = first.flatMap(({ cosine }) => cosine ?? []);
    const negative = (100 * cosines.filter((cosine) => cosine < 0).length) / cosines.length;
    expect(share.data[0]).toBeCloseTo(negative, 3);
  });
});

describe("drawCurves", () => {
  it("writes each figure as SVG and PNG and one page, the same at every time", async () => {
    const drawn = await drawCurves([balanced]);
    const out = join(balanced, "curves");
    expect(drawn.runs).toEqual([balanced]);
    expect(drawn.page).toBe(join(out, "curves.html"));
    expect(drawn.figures.map(({ name }) => name)).toEqual(names(figures(balanced)));
    for (const { name, files } of drawn.figures) {
      expect(files).toEqual([join(out, `${name}.svg`), join(out, `${name}.png`)]);
      const { width, height } = await sharp(files[1]).metadata();
      expect(width).toBe(2000);
      expect(height).toBeGreaterThan(600);
    }
    const again = figures(balanced);
    for (const [i, { files }] of drawn.figures.entries()) {
      expect(readFileSync(files[0], "utf8")).toBe(pictureOf(again[i]));
    }
    // The text comes out without any font of the computer.
    const { data, info } = await sharp(drawn.figures[0].files[1])
      .extract({ left: 40, top: 20, width: 500, height: 60 })
      .greyscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(data.filter((value) => value < 100).length / (info.width * info.height)).toBeGreaterThan(0.02);
  }, 60_000);

  it.each([
    [
      "a folder that is no run",
      () => join(folder, "none"),
      /none: expected the folder of a run, got no events/,
    ],
    [
      "a run without any step",
      () => {
        const run = writeHistory(join(folder, "empty"), { steps: 1 });
        const [start] = readFileSync(join(run, "events.jsonl"), "utf8").split("\n");
        writeFileSync(join(run, "events.jsonl"), `${start}\n`);
        return run;
      },
      /empty\/events\.jsonl: expected a run with at least one step/,
    ],
  ])("refuses %s by its name, and writes nothing", async (_, make, message) => {
    const out = join(folder, "refused");
    await expect(drawCurves([plain, make()], out)).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
  });

  it("refuses a run that is given twice", async () => {
    await expect(drawCurves([plain, `${plain}/`])).rejects.toThrow("each run once");
  });

  it("draws the stages of a training that have begun over each other", async () => {
    const staged = join(folder, "staged");
    mkdirSync(staged);
    writeFileSync(
      join(staged, "stages.yaml"),
      "model: joint-yolov5n\ndata: x.yaml\nstages: [{name: heads}, {name: both}, {name: last}]\n",
    );
    writeHistory(join(staged, "1-heads"), { steps: 5 });
    writeHistory(join(staged, "2-both"), { seed: 1, steps: 5 });
    const { page } = await drawCurves([staged]);
    expect(page).toBe(join(staged, "curves", "curves.html"));
    expect(readFileSync(page, "utf8")).toContain("<title>Training curves: 1-heads, 2-both</title>");
  }, 60_000);

  it("takes a log whose last line was torn", () => {
    const run = writeHistory(join(folder, "torn"), { steps: 10 });
    const whole = names(figures(run));
    appendFileSync(
      join(run, "events.jsonl"),
      formatEvent({ type: "note", epoch: 1, step: 1, message: "x" }).slice(0, 30),
    );
    expect(names(figures(run))).toEqual(whole);
  });

  it("tells runs of the same folder name apart by the folders above", () => {
    const runs = ["a", "b"].map((arm) => {
      mkdirSync(join(folder, arm), { recursive: true });
      return writeHistory(join(folder, arm, "seed0"), { steps: 2 });
    });
    expect(readRunHistories(runs).map(({ name }) => name)).toEqual(["a/seed0", "b/seed0"]);
  });
});

describe("the page", () => {
  const evil = `</script><img src=x onerror=alert(1)>"'&<!--`;
  let page: string;
  let all: Figure[];

  beforeAll(() => {
    // A slash ends a folder's name, so the closing tag is left to the names in the log.
    const run = writeHistory(join(folder, `<b>bold"'&`), {
      steps: 20,
      stepsPerEpoch: 10,
      balance: true,
      probeEvery: 5,
      suffix: evil,
    });
    const histories = readRunHistories([run, plain]);
    all = figuresOf(histories);
    page = curvesPage(histories, all);
  });

  /** The page without what its scripts hold. */
  const markup = () => page.replace(/<script[\s\S]*?<\/script>/g, "");
  const scripts = () =>
    [...page.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)].map(([, kind, text]) => ({ kind, text }));

  it("loads nothing from a network, and may not", () => {
    expect(page).toContain("default-src 'none'");
    expect(scripts().map(({ kind }) => kind)).toEqual([' type="application/json" id="charts"', "", ""]);
    expect(markup()).not.toMatch(/<(?:link|img|iframe|script)/);
    expect(markup()).not.toMatch(/https?:|url\(|@import/);
  });

  it("has a language, a title, a width for phones, a style for paper, and a section a figure", () => {
    expect(page).toContain('<html lang="en">');
    expect(page).toContain('name="viewport" content="width=device-width');
    expect(page).toContain("@media print");
    expect(page).toMatch(/<title>Training curves: .+<\/title>/);
    for (const { name } of all) expect(page).toContain(`<section id="${name}">`);
    const charts = all.reduce((count, figure) => count + figure.charts.length, 0);
    expect(page.match(/class="chart"/g)).toHaveLength(charts);
  });

  it("shows names and messages as text", () => {
    expect(markup()).not.toMatch(/<b>bold|<img/);
    expect(markup()).toContain("&lt;b&gt;bold&quot;&#39;&amp;");
    expect(markup()).toContain("&lt;/script&gt;&lt;img src=x");
  });

  it("has scripts that are whole, and the charts' options with the names as they are", () => {
    const [options, library, own] = scripts();
    expect(options.kind).toContain("application/json");
    const parts = JSON.parse(options.text) as { figure: string; option: unknown }[];
    expect(parts.map(({ figure }) => figure)).toEqual(
      all.flatMap(({ name, charts }) => charts.map(() => name)),
    );
    expect(parts.map(({ option }) => option)).toEqual(
      all.flatMap(({ charts }) => charts.map(({ option }) => JSON.parse(JSON.stringify(option)))),
    );
    expect(JSON.stringify(parts)).toContain("onerror=alert(1)");
    const context: { echarts?: { version: string } } = {};
    Object.assign(context, { window: context, self: context, globalThis: context });
    runInNewContext(library.text, context);
    expect(context.echarts?.version).toMatch(/^6\./);
    expect(() => new Function(own.text)).not.toThrow();
  });

  it("has pictures that are well-formed, whatever the names hold", async () => {
    for (const figure of all) {
      const svg = pictureOf(figure);
      expect(svg).not.toMatch(/<img|<b>|<script/);
      expect((await sharp(Buffer.from(svg)).metadata()).format).toBe("svg");
    }
  });
});

describe("a chart", () => {
  it("labels powers of ten below 1 in few digits", () => {
    const line = { name: "a", points: [[0, 0.00002] as const, [1, 0.9] as const], style: styleOf(0) };
    const option = lineOption({ x: "x", y: "y", lines: [line] });
    const svg = chartSvg({ title: "", option, height: 300, kind: "lines" }, 400, "log");
    expect(svg).toContain(">0.0001<");
    expect(svg).not.toMatch(/9{6}|0{9}/);
  });

  it("says its texts in another language, its numbers the same", () => {
    const chinese = figuresOf(readRunHistories([balanced]), textsIn("zh-TW").figures);
    const english = figures(balanced);
    expect(names(chinese)).toEqual(names(english));
    chinese.forEach((figure, i) => {
      expect(figure.title, figure.name).toMatch(/\p{Script=Han}/u);
      const data = (each: Figure) =>
        each.charts.map(({ option }) => (option.series as LineSeriesOption[]).map((one) => one.data));
      expect(data(figure)).toEqual(data(english[i]));
      const axes = figure.charts.flatMap(({ option }) => [option.xAxis ?? [], option.yAxis ?? []].flat());
      const told = axes.map((axis) => ("name" in axis ? axis.name : "")).join();
      expect(told, figure.name).not.toMatch(/step|epoch|loss|weight|gradient|cosine|layers/);
    });
  });
});

describe("points", () => {
  const points = (values: readonly number[]): Point[] => values.map((y, x) => [x, y]);

  it("are averaged exponentially, without a pull towards zero at the start", () => {
    for (const [, y] of smooth(points([5, 5, 5]), 10)) expect(y).toBeCloseTo(5, 12);
    const keep = Math.exp(-1 / 4);
    const [, , last] = smooth(points([1, 2, 4]), 4);
    expect(last[1]).toBeCloseTo((keep ** 2 + 2 * keep + 4) / (keep ** 2 + keep + 1), 12);
    const gap = smooth(points([1, Number.NaN, 1]), 4);
    expect(gap[1][1]).toBeNaN();
    expect(gap[2][1]).toBe(1);
  });

  it("are thinned without losing a peak", () => {
    const many = points(Array.from({ length: 10_000 }, (_, i) => (i === 4321 ? 99 : i === 7 ? -99 : i % 7)));
    const few = thin(many, 500);
    expect(few.length).toBeLessThanOrEqual(500);
    expect(few).toContainEqual([4321, 99]);
    expect(few).toContainEqual([7, -99]);
    expect(few.map(([x]) => x)).toEqual(few.map(([x]) => x).toSorted((a, b) => a - b));
    expect(thin(many.slice(0, 10), 500)).toEqual(many.slice(0, 10));
  });

  it("span decades where all are positive and the greatest is twenty times the least", () => {
    expect(spansDecades([0.1, 2])).toBe(true);
    expect(spansDecades([0.1, 1.9])).toBe(false);
    expect(spansDecades([0, 2])).toBe(false);
    expect(spansDecades([])).toBe(false);
  });
});
