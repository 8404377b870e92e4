import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatLabel, type LabelContext, parseLabel, scanLabel } from "../../src/data/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { anyText, mutated, realFiles, runs, settle } from "../support/fuzz.js";

const made = [
  "2 0.3933 0.2925 0.5048 0.2925 0.5048 0.4275 0.3933 0.4275\n\n0 1 0",
  "[0, 1, 0]\n1 0.5 0.5 0.25 0.25\r\n0 0.1 0.2 0.1 0.2\n",
  "1\n",
  "3 0.5 0.5 1 1\n2 0 0 1 0 1 1\n",
];
const sources = [...made.map((text) => Buffer.from(text)), ...realFiles("labels", 60)];

const contexts: fc.Arbitrary<LabelContext> = fc.record({
  file: fc.constant("labels/x.txt"),
  classes: fc.nat(9),
  views: fc.nat(9),
});

/** Every promise of the label reader on one text. */
function check(text: string, context: LabelContext): void {
  const scanned = settle(() => scanLabel(text, context));
  expect(scanned).not.toBeInstanceOf(EchoDuetError);
  const { boxes, views, faults } = scanned as ReturnType<typeof scanLabel>;
  const lines = text.split(/\r\n|\n|\r/).length;
  for (const { line } of [...boxes, ...views, ...faults]) {
    expect(line >= 1 && line <= lines).toBe(true);
  }
  for (const { message } of faults) expect(message.length).toBeLessThan(600);
  for (const box of boxes) {
    expect([box.class, box.cx, box.cy, box.w, box.h].every(Number.isFinite)).toBe(true);
    expect(box.class).toBeLessThan(context.classes);
  }
  const parsed = settle(() => parseLabel(text, context));
  expect(parsed instanceof EchoDuetError).toBe(faults.length > 0);
  if (parsed instanceof EchoDuetError) {
    expect([parsed.code, parsed.message]).toEqual([
      "data",
      `labels/x.txt:${faults[0].line}: ${faults[0].message}`,
    ]);
    return;
  }
  expect(parsed.view).toBeLessThan(Math.max(1, context.views));
  const again = parseLabel(formatLabel(parsed.boxes, parsed.view, context.views), context);
  expect(again).toEqual(parsed);
}

describe("label files", () => {
  it("that are mutated are read or refused", () => {
    const input = fc.tuple(mutated(sources), contexts);
    fc.assert(
      fc.property(input, ([bytes, context]) => check(bytes.toString("utf8"), context)),
      runs(200, 5000),
    );
  });

  it("of any text are read or refused", () => {
    fc.assert(fc.property(anyText, contexts, check), runs(100, 2000));
  });

  it("of great length are read or refused in time", () => {
    const context = { file: "labels/x.txt", classes: 4, views: 3 };
    const long: string[] = [
      "0 ".repeat(100_001),
      `0 ${"0.5 ".repeat(100_000)}`,
      "9".repeat(500_000),
      `0 0.5 0.5 0.5 ${"0".repeat(400_000)}x`,
      `[${"0, ".repeat(100_000)}1]`,
      `[${" ".repeat(300_000)}x${" ".repeat(300_000)}]`,
      `[0${" ".repeat(100_000)},`,
      "\n".repeat(200_000),
      " ".repeat(1_000_000),
      `0${"\t".repeat(1_000_000)}1`,
      "1\n".repeat(10_000),
      "0 0.5 0.5 0.1 0.1\n".repeat(10_000),
    ];
    for (const text of long) check(text, context);
  });
});
