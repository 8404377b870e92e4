import { statSync } from "node:fs";
import { sha256File } from "../io/index.js";
import type { SplitName } from "./description.js";
import type { FrameRecord } from "./frames.js";

/** What leakage is judged by: the name and the ids of an image. */
export type IdentifiedImage = Pick<FrameRecord, "name" | "patient" | "video">;

/** What two splits have in common, so that a score on the later one is a score on what was seen. */
export interface SplitLeakage {
  /** The split that is trained on, or that comes first. */
  readonly from: SplitName;
  readonly to: SplitName;
  /** Ids that are in both splits, sorted. */
  readonly patients: readonly string[];
  readonly clips: readonly string[];
  /** Pairs of images, one of each split, that show the same. */
  readonly duplicates: readonly (readonly [from: string, to: string])[];
  /** Names of the later split's images that are touched, sorted, by way of leakage. */
  readonly images: {
    readonly patient: readonly string[];
    readonly clip: readonly string[];
    readonly duplicate: readonly string[];
  };
}

const order: readonly SplitName[] = ["train", "val", "test"];

/**
 * The leakage between each pair of splits, train first, pairs without any left out.
 * @param splits images of each split that there is
 * @param duplicates pairs of image names that show the same; pairs within a split are no leakage
 */
export function findLeakage(
  splits: { readonly [S in SplitName]?: readonly IdentifiedImage[] },
  duplicates: readonly (readonly [string, string])[] = [],
): SplitLeakage[] {
  return order.flatMap((from, i) =>
    order.slice(i + 1).flatMap((to) => {
      const leakage = between(from, splits[from] ?? [], to, splits[to] ?? [], duplicates);
      return leaks(leakage) ? [leakage] : [];
    }),
  );
}

function leaks({ patients, clips, duplicates }: SplitLeakage): boolean {
  return patients.length + clips.length + duplicates.length > 0;
}

function between(
  from: SplitName,
  earlier: readonly IdentifiedImage[],
  to: SplitName,
  later: readonly IdentifiedImage[],
  pairs: readonly (readonly [string, string])[],
): SplitLeakage {
  const patients = common(earlier, later, "patient");
  const clips = common(earlier, later, "video");
  const duplicates = crossing(earlier, later, pairs);
  const touched = (key: "patient" | "video", ids: ReadonlySet<string>): string[] =>
    later.flatMap((image) => (ids.has(image[key] ?? "") ? [image.name] : [])).sort();
  return {
    from,
    to,
    patients,
    clips,
    duplicates,
    images: {
      patient: touched("patient", new Set(patients)),
      clip: touched("video", new Set(clips)),
      duplicate: [...new Set(duplicates.map(([, name]) => name))].sort(),
    },
  };
}

function common(
  earlier: readonly IdentifiedImage[],
  later: readonly IdentifiedImage[],
  key: "patient" | "video",
): string[] {
  const seen = new Set(earlier.map((image) => image[key]));
  const ids = later.flatMap((image) => (image[key] !== null && seen.has(image[key]) ? [image[key]] : []));
  return [...new Set(ids)].sort();
}

/** The pairs with one image in each split, and the images that both splits list, in the order of names. */
function crossing(
  earlier: readonly IdentifiedImage[],
  later: readonly IdentifiedImage[],
  pairs: readonly (readonly [string, string])[],
): (readonly [string, string])[] {
  const first = new Set(earlier.map(({ name }) => name));
  const second = new Set(later.map(({ name }) => name));
  const both = [...second].filter((name) => first.has(name)).map((name) => [name, name] as const);
  const across = pairs.flatMap(([a, b]) => {
    const ways: (readonly [string, string])[] = [];
    if (first.has(a) && second.has(b)) ways.push([a, b]);
    if (a !== b && first.has(b) && second.has(a)) ways.push([b, a]);
    return ways;
  });
  const unique = new Map([...both, ...across].map((pair) => [pair.join("\0"), pair]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair);
}

/**
 * Pairs of image files with the same bytes, each file with the first of its kind in the given order.
 */
export function identicalFiles(
  images: readonly { readonly name: string; readonly imagePath: string }[],
): (readonly [string, string])[] {
  const alike = new Map<number, { name: string; imagePath: string }[]>();
  for (const image of images) {
    const bytes = statSync(image.imagePath).size;
    alike.set(bytes, [...(alike.get(bytes) ?? []), image]);
  }
  return [...alike.values()].flatMap((group) => {
    if (group.length === 1) return [];
    const first = new Map<string, string>();
    return group.flatMap(({ name, imagePath }): (readonly [string, string])[] => {
      const hash = sha256File(imagePath);
      const known = first.get(hash);
      if (known === undefined) first.set(hash, name);
      return known === undefined ? [] : [[known, name]];
    });
  });
}
