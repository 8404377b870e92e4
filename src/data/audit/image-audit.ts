import { groupBy } from "./order.js";
import type { ScannedFrame } from "./scan.js";
import type { DuplicatePair } from "./types.js";

/** One image file; a file that several splits list is one image. */
export interface MeasuredImage {
  readonly name: string;
  readonly path: string;
  readonly patient: string | null;
  readonly video: string | null;
  readonly facts: {
    readonly width: number;
    readonly height: number;
    readonly sha256: string;
    readonly textAreas: readonly (readonly number[])[];
    readonly fault: string | null;
  };
}

/** What the image files say. */
export interface ImageAudit {
  /** By name. */
  readonly images: readonly MeasuredImage[];
  /** Bits below which two images were compared pixel by pixel, null where none could be taken. */
  readonly threshold: number | null;
  readonly distances: readonly number[];
  /** Confirmed pairs; near ones between different clips alone, since a clip's frames are near by nature. */
  readonly pairs: readonly DuplicatePair[];
  /** Names of images with the same bytes, two or more each. */
  readonly identical: readonly (readonly string[])[];
}

/**
 * Pairs of names that show the same, for leakage: each near pair, and of identical images each one with the
 * first of every split, so that a thousand copies do not make half a million pairs.
 */
export function duplicateNames(
  { pairs, identical }: ImageAudit,
  frames: readonly ScannedFrame[],
): (readonly [string, string])[] {
  const splitsOf = groupBy(frames, (frame) => frame.name);
  const near = pairs.filter(({ kind }) => kind === "near").map(({ a, b }) => [a, b] as const);
  const exact = identical.flatMap((names) => {
    const first = new Map<string, string>();
    for (const name of names) {
      for (const { split } of splitsOf.get(name) ?? []) if (!first.has(split)) first.set(split, name);
    }
    return [...new Set(first.values())].flatMap((one) =>
      names.filter((name) => name !== one).map((name) => [one, name] as const),
    );
  });
  return [...near, ...exact];
}
