import { type Check, type Evidence, type Found, foundFiles, nothing } from "../evidence.js";
import type { DuplicatePair } from "../types.js";

/** An image that cannot be decoded. */
export const imageUnreadable: Check = {
  severity: "error",
  unit: "frames",
  remedy: "restore the file from its source, or remove it with its label file",
  find: ({ images }) =>
    foundFiles(
      (images?.images ?? []).flatMap(({ name, facts }) =>
        facts.fault === null ? [] : [{ file: name, message: facts.fault }],
      ),
    ),
};

/** Images of the same pixels. */
export const duplicateExact: Check = {
  severity: "warning",
  unit: "groups of images",
  remedy:
    "keep one image of each group; several weigh more than the others, and disagreeing labels teach nothing",
  find: ({ images }) => {
    const groups = images?.identical ?? [];
    const details = groups.flatMap((names) =>
      names.slice(1).map((file) => ({ file, message: `the same picture as ${names[0]}` })),
    );
    return { count: groups.length, files: foundFiles(groups.flat().map(named)).files, details };
  },
};

/** Images of different clips that show the same, pixel for pixel or nearly so. */
export const duplicateNear: Check = {
  severity: "warning",
  unit: "pairs of images",
  remedy: "look at the pair: where it is one recording, keep it once and within one split",
  find: nearPairs,
};

function nearPairs({ images }: Evidence): Found {
  const near = (images?.pairs ?? []).filter(({ kind }) => kind === "near");
  return {
    count: near.length,
    files: foundFiles(near.flatMap(({ a, b }) => [a, b].map(named))).files,
    details: near.map((pair) => ({ file: pair.b, message: describe(pair) })),
  };
}

function describe({ a, distance, correlation }: DuplicatePair): string {
  return `like ${a}: ${distance} bits apart, correlation ${correlation.toFixed(3)}`;
}

const named = (file: string) => ({ file, message: "" });

/** Text burnt into the pixels, which may name a patient. */
export const privacyText: Check = {
  severity: "warning",
  unit: "frames",
  remedy:
    "read the text; where it names a patient, a date or an institution, black it out before sharing the data",
  find: ({ images }) => {
    if (!images) return nothing;
    return foundFiles(
      images.images.flatMap(({ name, facts }) => {
        const areas = facts.textAreas.map(([x, y, w, h]) => `${w}x${h} at ${x},${y}`);
        return areas.length === 0 ? [] : [{ file: name, message: `text ${areas.join("; ")}` }];
      }),
    );
  },
};
