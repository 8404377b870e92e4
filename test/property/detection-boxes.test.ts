import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boxIouXyxy, type Xyxy, xywhToXyxy, xyxyToXywh } from "../../src/detection/boxes.js";

const boxes = fc
  .tuple(fc.nat(40), fc.nat(40), fc.nat(20), fc.nat(20))
  .map(([x, y, w, h]): Xyxy => [x, y, x + w, y + h]);

describe("boxes", () => {
  it("convert from corners to centre and back", () => {
    fc.assert(
      fc.property(boxes, (box) => {
        expect(xywhToXyxy(xyxyToXywh(box))).toEqual(box);
      }),
    );
  });

  it("have the IoU that counting unit cells gives", () => {
    fc.assert(
      fc.property(boxes, boxes, (a, b) => {
        const holds = ([x1, y1, x2, y2]: Xyxy, x: number, y: number) =>
          x >= x1 && x < x2 && y >= y1 && y < y2;
        let both = 0;
        let either = 0;
        for (let y = 0; y < 60; y++) {
          for (let x = 0; x < 60; x++) {
            both += Number(holds(a, x, y) && holds(b, x, y));
            either += Number(holds(a, x, y) || holds(b, x, y));
          }
        }
        expect(boxIouXyxy(a, b)).toBe(either > 0 ? both / either : 0);
      }),
    );
  });

  it("are read at their offsets in flat arrays", () => {
    fc.assert(
      fc.property(boxes, boxes, (a, b) => {
        expect(boxIouXyxy([...a, ...b], [...b, ...a], 4, 4)).toBe(boxIouXyxy(a, b));
      }),
    );
  });
});
