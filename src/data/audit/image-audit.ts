import { type Duplicates, findDuplicates } from "./duplicates.js";
import { type ImageFacts, measureImages } from "./image-facts.js";
import { groupBy, sortedDistinct } from "./order.js";
import type { ScannedFrame } from "./scan.js";
import type { DuplicatePair } from "./types.js";

/** One image file; a file that several splits list is one image. */
export interface MeasuredImage {
  readonly name: string;
  readonly path: string;
  readonly patient: string | null;
  readonly clip: string | null;
  readonly facts: ImageFacts;
}

/** What the image files say. */
export interface ImageAudit {
  /** In the order of the scan. */
  readonly images: readonly MeasuredImage[];
  /** Bits up to which images were compared pixel by pixel, null where there was nothing to learn it from. */
  readonly threshold: number | null;
  /** [65] sampled pairs of images of different patients by the bits in which their hashes differ. */
  readonly distances: readonly number[];
  /** Confirmed pairs; near ones between different clips alone, since a clip's frames are near by nature. */
  readonly pairs: readonly DuplicatePair[];
  /** Names of images with the same pixels, two or more each, sorted. */
  readonly identical: readonly (readonly string[])[];
}

/** Decodes every image of a scan once and looks for duplicates. */
export async function auditImages(
  frames: readonly ScannedFrame[],
  options: { readonly workers?: number; readonly onProgress?: (done: number, total: number) => void },
): Promise<ImageAudit> {
  const unique = [...groupBy(frames, (frame) => frame.imagePath).values()].map(([frame]) => frame);
  const facts = await measureImages(
    unique.map((frame) => frame.imagePath),
    options,
  );
  const images = unique.map(({ name, imagePath: path, patient, video: clip }, i) => ({
    ...{ name, path, patient, clip },
    facts: facts[i],
  }));
  return { images, ...namedDuplicates(images, await findDuplicates(images)) };
}

/** The duplicates by the images' names. */
export function namedDuplicates(
  images: readonly MeasuredImage[],
  { threshold, distances, pairs }: Duplicates,
): Omit<ImageAudit, "images"> {
  const told = pairs.filter(
    ({ a, b, kind }) => kind === "exact" || areOfDifferentClips(images[a], images[b]),
  );
  return {
    threshold,
    distances,
    pairs: told.map(({ a, b, kind, distance, correlation }) => {
      const [first, second] = sortedDistinct([images[a].name, images[b].name]);
      return { a: first, b: second, kind, distance, correlation };
    }),
    identical: connected(
      pairs.filter(({ kind }) => kind === "exact").map(({ a, b }) => [images[a].name, images[b].name]),
    ),
  };
}

function areOfDifferentClips(a: MeasuredImage, b: MeasuredImage): boolean {
  if (a.clip !== null && b.clip !== null) return a.clip !== b.clip;
  return a.patient !== null && b.patient !== null && a.patient !== b.patient;
}

/** The groups that pairs of names make, each sorted, by their first names. */
function connected(pairs: readonly (readonly [string, string])[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const [a, b] of pairs) {
    const [one, other] = [groups.get(a) ?? [a], groups.get(b) ?? [b]];
    if (one === other) continue;
    // The smaller group joins the larger one, so that many copies of one image stay cheap.
    const [small, large] = one.length < other.length ? [one, other] : [other, one];
    large.push(...small);
    for (const name of [a, b, ...small]) groups.set(name, large);
  }
  const distinct = [...new Set(groups.values())].map((names) => sortedDistinct(names));
  return distinct.sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Pairs of names that show the same, for leakage: each near pair, and of identical images each one with the
 * first of every split, so that a thousand copies do not make half a million pairs.
 */
export function duplicateNames(
  { pairs, identical }: ImageAudit,
  frames: readonly ScannedFrame[],
): (readonly [string, string])[] {
  const framesOf = groupBy(frames, (frame) => frame.name);
  const near = pairs.filter(({ kind }) => kind === "near").map(({ a, b }) => [a, b] as const);
  const exact = identical.flatMap((names) => {
    const first = new Map<string, string>();
    for (const name of names) {
      for (const { split } of framesOf.get(name) ?? []) if (!first.has(split)) first.set(split, name);
    }
    return [...new Set(first.values())].flatMap((one) =>
      names.filter((name) => name !== one).map((name) => [one, name] as const),
    );
  });
  return [...near, ...exact];
}
