import type { ImageFacts } from "./measure-image.js";

/** An image to compare: its ids, and what was measured of it. */
export interface ComparedImage {
  readonly path: string;
  readonly patient: string | null;
  readonly clip: string | null;
  readonly facts: ImageFacts;
}

/** Two images that show the same, by their indices, a < b. */
export interface DuplicateImages {
  readonly a: number;
  readonly b: number;
  /** exact: the same decoded pixels. near: the same picture, saved, scaled or marked differently. */
  readonly kind: "exact" | "near";
  /** Bits in which the hashes differ. */
  readonly distance: number;
  /** -1..1, of what moves in the pictures; 1 where exact. */
  readonly correlation: number;
}

/** What looking for duplicates found. */
export interface Duplicates {
  /** Bits up to which pairs were compared, null where there is nothing to learn it from. */
  readonly threshold: number | null;
  /** [65] pairs of images of different patients by the distance of their hashes. */
  readonly distances: readonly number[];
  readonly pairs: readonly DuplicateImages[];
}

/** Looks for images that show the same. */
export async function findDuplicates(images: readonly ComparedImage[]): Promise<Duplicates> {
  const first = new Map<string, number>();
  const pairs = images.flatMap(({ facts }, b): DuplicateImages[] => {
    if (facts.fault !== null) return [];
    const a = first.get(facts.sha256);
    if (a === undefined) first.set(facts.sha256, b);
    return a === undefined ? [] : [{ a, b, kind: "exact", distance: 0, correlation: 1 }];
  });
  return { threshold: null, distances: [], pairs };
}
