import type { CocoAnnotation, CocoImage } from "./coco-schema.js";

/** How an annotation is written: a shape's values, as parts of the image's sides, and what was not kept of it. */
export interface CocoShape {
  readonly kind: "box" | "polygon";
  readonly values: readonly number[];
  /** null where everything is kept. */
  readonly note: string | null;
}

/** A box and the polygon around the same object may differ by this many pixels: tools round one of them. */
const agreement = 1;
/** As the label reader has it: rounding may push a coordinate this far over the edge. */
const tolerance = 1e-6;

/** Whether an annotation has no place in the image: neither box nor segmentation. */
export function isPlaceless({ bbox, segmentation }: CocoAnnotation): boolean {
  return !bbox?.length && !(Array.isArray(segmentation) ? segmentation.length > 0 : segmentation);
}

/** What an annotation holds: one polygon, a box, or something else (several polygons, run lengths, a crowd). */
export function kindOf(annotation: CocoAnnotation): "box" | "polygon" | "other" {
  const { bbox, segmentation, iscrowd } = annotation;
  if (iscrowd || (segmentation && !Array.isArray(segmentation))) return "other";
  if (segmentation && segmentation.length > 0) return segmentation.length === 1 ? "polygon" : "other";
  return bbox?.length ? "box" : "other";
}

/**
 * The shape of an annotation that has a place: a single polygon as it is, everything else as its `bbox`, and
 * several polygons without a `bbox` as the box around them. cx = (x + w / 2) / W and so on, in float64.
 * @returns the shape, or the reason why there is none
 */
export function shapeOf(annotation: CocoAnnotation, image: CocoImage): CocoShape | string {
  const { segmentation, iscrowd } = annotation;
  if (iscrowd) return "marks a crowd (`iscrowd`), which is no box of one object";
  const rings = Array.isArray(segmentation) ? segmentation : [];
  if (segmentation && !Array.isArray(segmentation)) {
    return boxShape(annotation, image, [], "run lengths, kept as the box of `bbox`");
  }
  if (rings.length === 0) return boxShape(annotation, image, [], null);
  if (rings.length > 1) {
    return boxShape(annotation, image, rings, `${rings.length} polygons, kept as the box around them`);
  }
  const values = rings[0].map((value, index) => value / (index % 2 === 0 ? image.width : image.height));
  const fault = ringFault(values);
  if (fault) return boxShape(annotation, image, [], `a polygon ${fault}, kept as the box of \`bbox\``);
  return { kind: "polygon", values, note: disagreement(annotation, rings[0]) };
}

function boxShape(
  annotation: CocoAnnotation,
  { width, height }: CocoImage,
  rings: readonly (readonly number[])[],
  note: string | null,
): CocoShape | string {
  const whole = rings.every((ring) => ring.length >= 6 && ring.length % 2 === 0);
  const box = annotation.bbox?.length ? annotation.bbox : whole ? boundsOf(rings.flat()) : null;
  if (!box) return note ? `${note}: there is no \`bbox\`` : "there is no `bbox`";
  const [x, y, w, h] = box;
  if (!(w > 0 && h > 0)) return `expected a box of positive width and height, got ${w} x ${h}`;
  const values = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height];
  if (values.some((value) => !(value >= -tolerance && value <= 1 + tolerance))) {
    return `expected a box within the image of ${width} x ${height}, got [${box.join(", ")}]`;
  }
  // A box so small that its share of the image underflows is none.
  if (!(values[2] > 0 && values[3] > 0)) return `expected a box of some size, got ${w} x ${h}`;
  return { kind: "box", values, note };
}

function ringFault(values: readonly number[]): string | null {
  if (values.length % 2 === 1) return `of ${values.length} numbers`;
  if (values.length < 6) return `of ${values.length / 2} vertices`;
  if (values.some((value) => !(value >= -tolerance && value <= 1 + tolerance)))
    return "that leaves the image";
  const [, , w, h] = boundsOf(values)!;
  return w > 0 && h > 0 ? null : "without an area";
}

function disagreement({ bbox }: CocoAnnotation, ring: readonly number[]): string | null {
  if (!bbox?.length) return null;
  const bounds = boundsOf(ring)!;
  const corners = ([x, y, w, h]: readonly number[]): number[] => [x, y, x + w, y + h];
  const from = corners(bbox);
  if (corners(bounds).every((value, index) => Math.abs(value - from[index]) <= agreement)) return null;
  return `\`bbox\` [${bbox.join(", ")}] is not around its polygon; the polygon is kept, whose box is [${bounds.join(", ")}]`;
}

/** x, y, width and height around vertices; null where there are none. */
function boundsOf(ring: readonly number[]): readonly [number, number, number, number] | null {
  if (ring.length < 2) return null;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i + 1 < ring.length; i += 2) {
    left = Math.min(left, ring[i]);
    right = Math.max(right, ring[i]);
    top = Math.min(top, ring[i + 1]);
    bottom = Math.max(bottom, ring[i + 1]);
  }
  return [left, top, right - left, bottom - top];
}
