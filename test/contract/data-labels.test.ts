import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatLabel, type LabelFaultKind, parseLabel, scanLabel } from "../../src/data/index.js";
import { EchoDuetError } from "../../src/errors.js";

const context = { file: "a.txt", classes: 4, views: 3 };
const box = "2 0.5 0.4 0.2 0.1";
const polygon = "2 0.4 0.35 0.6 0.35 0.6 0.45 0.4 0.45";

function fault(text: string, overrides: Partial<typeof context> = {}): string {
  try {
    parseLabel(text, { ...context, ...overrides });
  } catch (error) {
    expect(error).toBeInstanceOf(EchoDuetError);
    expect((error as EchoDuetError).code).toBe("data");
    return (error as Error).message;
  }
  throw new Error(`no error for ${JSON.stringify(text)}`);
}

describe("label variants", () => {
  const variants: [string, string, number, number][] = [
    ["a box and a one-hot line", `${box}\n\n0 1 0`, 1, 1],
    ["a polygon and a one-hot line", `${polygon}\n\n0 1 0`, 1, 1],
    ["trailing blanks", `${polygon}  \n \n1 0 0 \n`, 1, 0],
    ["the view line first", `0 0 1\n${box}`, 1, 2],
    ["the view line between boxes", `${box}\n0 0 1\n${polygon}`, 2, 2],
    ["brackets and commas", `${box}\n[0, 1, 0]`, 1, 1],
    ["brackets and spaces", `${box}\n[ 0 1 0 ]`, 1, 1],
    ["a single index", `${box}\n2`, 1, 2],
    ["a one-hot line of floats", `${box}\n0. 1.0 0.0`, 1, 1],
    ["the view alone", "[1, 0, 0]", 0, 0],
    ["no view", box, 1, -1],
    ["nothing", "", 0, -1],
    ["blank lines alone", "\n \r\n", 0, -1],
    ["CRLF and a byte order mark", `\uFEFF${box}\r\n\r\n0 1 0\r\n`, 1, 1],
    ["old line ends", `${box}\r0 1 0`, 1, 1],
    ["tabs", `2\t0.5\t0.4\t0.2\t0.1\n0\t1\t0`, 1, 1],
  ];
  it.each(variants)("reads %s", (_, text, boxes, view) => {
    const label = parseLabel(text, context);
    expect(label.boxes).toHaveLength(boxes);
    expect(label.view).toBe(view);
    for (const { class: index, cx, cy, w, h } of label.boxes) {
      expect(index).toBe(2);
      expect([cx, cy, w, h].map((value) => value.toFixed(12))).toEqual(
        [0.5, 0.4, 0.2, 0.1].map((value) => value.toFixed(12)),
      );
    }
  });

  it("takes the box around a polygon of any number of vertices", () => {
    const [found] = parseLabel("0 0.1 0.5 0.3 0.2 0.25 0.9", context).boxes;
    expect(found.cx).toBeCloseTo(0.2, 12);
    expect(found.cy).toBeCloseTo(0.55, 12);
    expect(found.w).toBeCloseTo(0.2, 12);
    expect(found.h).toBeCloseTo(0.7, 12);
  });

  it("clamps coordinates that rounding pushed over the edge", () => {
    const [found] = parseLabel("0 -0.0000005 0 1.0000005 0 1 1 0 1", context).boxes;
    expect(found).toEqual({ class: 0, cx: 0.5, cy: 0.5, w: 1, h: 1 });
  });

  it.each([5, 7, 9])("keeps boxes and one-hot lines of %i views apart", (views) => {
    for (let view = 0; view < views; view++) {
      const oneHot = Array.from({ length: views }, (_, i) => (i === view ? 1 : 0)).join(" ");
      const label = parseLabel(`${box}\n${oneHot}\n1 0 0 1 0 1 1\n0 0.5 0.5 1 1`, { ...context, views });
      expect(label.view).toBe(view);
      expect(label.boxes).toHaveLength(3);
    }
  });

  it("reads a box of zeros and ones", () => {
    expect(parseLabel("1 1 1 1 1", { ...context, views: 5 }).boxes).toHaveLength(1);
  });

  it("takes both `0` and `1` as the only view", () => {
    expect(parseLabel("0", { ...context, views: 1 }).view).toBe(0);
    expect(parseLabel("1", { ...context, views: 1 }).view).toBe(0);
    expect(parseLabel("[1]", { ...context, views: 1 }).view).toBe(0);
  });
});

describe("label errors", () => {
  const faults: [string, string, string][] = [
    [`${box}\n4 0.5 0.5 0.1 0.1`, "a.txt:2:", "class index in 0..3 (4 names in data.yaml), got `4`"],
    ["-1 0.5 0.5 0.1 0.1", "a.txt:1:", "class index in 0..3"],
    ["1.5 0.5 0.5 0.1 0.1", "a.txt:1:", "class index in 0..3 (4 names in data.yaml), got `1.5`"],
    ["\n\n0 0.5 1.2 0.1 0.1", "a.txt:3:", "within 0..1, got `1.2` as value 3; divide pixels"],
    ["0 -0.01 0.5 0.1 0.1", "a.txt:1:", "within 0..1, got `-0.01` as value 2"],
    ["0 0.1 0.1 0.2 0.2 1.00001 0.3", "a.txt:1:", "got `1.00001` as value 6"],
    ["0 nan 0.5 0.1 0.1", "a.txt:1:", "finite number as value 2, got `nan`"],
    ["0 inf 0.5 0.1 0.1", "a.txt:1:", "got `inf`"],
    ["0 0,5 0.5 0.1 0.1", "a.txt:1:", "got `0,5`"],
    ["0 0x1 0.5 0.1 0.1", "a.txt:1:", "got `0x1`"],
    ["0 0.5 0.5 0 0.1", "a.txt:1:", "positive width and height, got 0 x 0.1"],
    ["0 0.5 0.5 0.1 -0", "a.txt:1:", "positive width and height"],
    ["0 0.5 0.5 0.5 0.6 0.5 0.7", "a.txt:1:", "positive width and height"],
    ["0 0.5 0.5 0.1", "a.txt:1:", "got 4 values"],
    ["0 0.5 0.5 0.1 0.1 0.9", "a.txt:1:", "at least 3 vertices or a view line of 3 numbers, got 6 values"],
    [`${box}\n0 1`, "a.txt:2:", "got 2 values"],
    [`${box}\n0 1 0 0`, "a.txt:2:", "a one-hot line of 3 views, got 4 values in `0 1 0 0`"],
    [`${box}\n0 1 0 0 0`, "a.txt:2:", "a one-hot line of 3 views, got 5 values"],
    [`${box}\n[0, 1]`, "a.txt:2:", "a one-hot line of 3 views, got 2 values"],
    [`${box}\n[1]`, "a.txt:2:", "a one-hot line of 3 views, got 1 values"],
    [`${box}\n[]`, "a.txt:2:", "a one-hot line of 3 views"],
    [`${box}\n[0, 1, 0`, "a.txt:2:", "one-hot"],
    [`${box}\n0 0 0`, "a.txt:2:", "exactly one 1, got `0 0 0`; leave the line out"],
    [`${box}\n[0, 0, 0]`, "a.txt:2:", "leave the line out"],
    [`${box}\n1 1 0`, "a.txt:2:", "exactly one 1, got `1 1 0`"],
    [`${box}\n0 2 0`, "a.txt:2:", "exactly one 1, got `0 2 0`"],
    [`${box}\n0 0.5 0.5`, "a.txt:2:", "exactly one 1"],
    [`${box}\n3`, "a.txt:2:", "index of a view, 0..2, got `3`"],
    [`${box}\n-1`, "a.txt:2:", "index of a view, 0..2, got `-1`"],
    [`${box}\nPLAX`, "a.txt:2:", "index of a view, 0..2, got `PLAX`"],
    [`0 1 0\n${box}\n\n0 1 0`, "a.txt:4:", "one view line, got a second one (the first is line 1)"],
  ];
  it.each(faults)("%j", (text, place, reason) => {
    const message = fault(text);
    expect(message.startsWith(place)).toBe(true);
    expect(message).toContain(reason);
  });

  it.each(["0 1 0", "[0, 1, 0]", "1", "0 0 1 0"])("says how to declare views for %j", (line) => {
    const message = fault(`${box}\n${line}`, { views: 0 });
    expect(message).toMatch(/^a\.txt:2: /);
    if (line !== "0 0 1 0" && line !== "0 1 0") expect(message).toContain("declare them in data.yaml");
  });

  it("says how to declare views for a one-hot line whatever its length", () => {
    for (const views of [2, 3, 4, 5, 6, 7]) {
      const line = ["1", ...Array<string>(views - 1).fill("0")].join(" ");
      expect(fault(`${box}\n${line}`, { views: 0 })).toContain("views: [A4C, PSAX, PLAX]");
    }
  });
});

describe("scanLabel", () => {
  it("goes on after a fault and keeps what can be read", () => {
    const text = `9 0.5 0.5 0.1 0.1\n${box}\n1 2\n0 1 0\n1 0 0\n${polygon}`;
    const { boxes, views, faults } = scanLabel(text, context);
    expect(boxes.map(({ line, vertices }) => [line, vertices])).toEqual([
      [2, 0],
      [6, 4],
    ]);
    expect(views).toEqual([
      { line: 4, index: 1, columns: 3 },
      { line: 5, index: 0, columns: 3 },
    ]);
    expect(faults.map(({ line, kind }) => [line, kind])).toEqual([
      [1, "class"],
      [3, "syntax"],
      [5, "view-repeated"],
    ]);
  });

  const kinds: [string, LabelFaultKind][] = [
    ["hello", "syntax"],
    ["1 2 3", "syntax"],
    ["0 a 0.5 0.1 0.1", "syntax"],
    ["0 1e999 0.5 0.1 0.1", "syntax"],
    ["4 0.5 0.5 0.1 0.1", "class"],
    ["0 0.5 0.5 0.1 120", "box-range"],
    ["0 0.5 0.5 0 0.1", "box-empty"],
    ["0 0 0", "view-none"],
    ["1 1 0", "view-ambiguous"],
    ["0 1 0 0", "view-ambiguous"],
    ["7", "view-ambiguous"],
  ];
  it.each(kinds)("calls `%s` %s", (text, kind) => {
    expect(scanLabel(text, context).faults.map((fault) => fault.kind)).toEqual([kind]);
  });

  it("reads one-hot lines and indices where no views are declared", () => {
    const { views, faults } = scanLabel("0 0 1\n2", { ...context, views: 0 });
    expect(views).toEqual([
      { line: 1, index: 2, columns: 3 },
      { line: 2, index: 2, columns: null },
    ]);
    expect(faults.map((fault) => fault.kind)).toEqual(["view-undeclared", "view-undeclared"]);
  });

  it("marks boxes that reach over the edge, and keeps how far they do", () => {
    const { boxes, faults } = scanLabel("0 0.95 0.5 0.2 0.1\n0 1.2 0.5 0.2 0.1\n0 0.9 0.5 0.2 0.1", context);
    expect(boxes.map((found) => found.outOfRange)).toEqual([true, true, false]);
    expect(boxes[1].cx).toBe(1.2);
    expect(faults.map(({ line, kind }) => [line, kind])).toEqual([[2, "box-range"]]);
  });

  it("takes a polygon of very many vertices", () => {
    const line = `0 ${"0.25 0.5 ".repeat(200_000)}0.75 0.75`;
    expect(scanLabel(line, context).boxes[0]).toMatchObject({ cx: 0.5, w: 0.5, vertices: 200_001 });
  });
});

describe("formatLabel", () => {
  it("is read back as the same numbers", () => {
    const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });
    const boxes = fc.array(
      fc.record({ class: fc.integer({ min: 0, max: 3 }), cx: share, cy: share, w: share, h: share }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(boxes, fc.integer({ min: -1, max: 2 }), (given, view) => {
        expect(parseLabel(formatLabel(given, view, 3), context)).toEqual({ boxes: given, view });
      }),
    );
  });

  it("has the form that docs/data.md names", () => {
    const label = { class: 2, cx: 0.5, cy: 0.4, w: 0.2, h: 0.1 };
    expect(formatLabel([label], 1, 3)).toBe("2 0.5 0.4 0.2 0.1\n\n0 1 0\n");
    expect(formatLabel([label], -1, 3)).toBe("2 0.5 0.4 0.2 0.1\n");
    expect(formatLabel([], -1, 3)).toBe("");
  });
});
