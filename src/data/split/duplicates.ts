import { findDuplicates } from "../audit/duplicates.js";
import { measureImages } from "../audit/image-facts.js";
import type { FrameRecord } from "../frames.js";
import type { DuplicatePair } from "./groups.js";

/** Confirmed duplicates among frames, and the images that could not be compared. */
export interface ComparedFrames {
  readonly duplicates: readonly DuplicatePair[];
  /** What is wrong with each image that cannot be read, with its path. */
  readonly faults: readonly string[];
}

/**
 * Decodes every frame's image once and finds the pairs that show the same (audit/duplicates.ts).
 * @throws EchoDuetError `runtime` where a decoding thread fails
 */
export async function compareFrames(
  frames: readonly FrameRecord[],
  options: { readonly onProgress?: (done: number, total: number) => void } = {},
): Promise<ComparedFrames> {
  const measured = await measureImages(
    frames.map(({ imagePath }) => imagePath),
    options,
  );
  const images = frames.map(({ imagePath, patient, video }, i) => ({
    ...{ path: imagePath, patient, clip: video, facts: measured[i] },
  }));
  const { pairs } = await findDuplicates(images);
  return {
    duplicates: pairs.map(({ a, b, ...pair }) => ({ a: frames[a].name, b: frames[b].name, ...pair })),
    faults: measured.flatMap(({ fault }) => fault ?? []),
  };
}
