import fc from "fast-check";
import { expect, it } from "vitest";
import { classificationMetrics, GroupedViews } from "../../src/classification/index.js";

const classes = 3;
const image = fc.record({
  scores: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: classes, maxLength: classes }),
  label: fc.integer({ min: -1, max: classes - 1 }),
  group: fc.nat(3),
});

it("GroupedViews gives what classificationMetrics gives for images that occur as often as their group's weight", () => {
  fc.assert(
    fc.property(
      fc.array(image, { minLength: 1, maxLength: 10 }),
      fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }),
      (images, weights) => {
        const rows = images.map(({ scores }) => scores.map((s) => s / scores.reduce((a, b) => a + b)));
        const labels = images.map(({ label }) => label);
        const groups = images.map(({ group }) => group);
        const grouped = new GroupedViews(rows, labels, groups, { groupCount: 4, classes });
        const copies = groups.flatMap((group, i) => new Array<number>(weights[group]).fill(i));
        const expected = classificationMetrics(
          copies.flatMap((i) => rows[i]),
          copies.map((i) => labels[i]),
          classes,
        );
        expect(grouped.metrics(weights)).toEqual(expected);
        expect(expected).toMatchObject(grouped.scores(weights));
        const present = expected.confusion.filter((row) => row.some((count) => count > 0)).length;
        expect(grouped.labelledClasses(weights)).toBe(present);
      },
    ),
  );
});

it("GroupedViews refuses rows that are not one an image", () => {
  expect(() => new GroupedViews([], [0], [0], { groupCount: 1, classes })).toThrow(
    "grouped views: 1 labels expect as many rows and groups, got 0 and 1",
  );
});
