import { z } from "zod";

const count = z.int().min(0);
const splitName = z.enum(["train", "val", "test"]);
const counts = z.strictObject({ patient: count, clip: count, duplicate: count });

/** The mark that a run on leaking data carries: how much two splits have in common. */
export const leakageMarkSchema = z.strictObject({
  from: splitName,
  to: splitName,
  /** Patients, clips and pairs of identical files that both splits hold. */
  shared: counts,
  /** Images of the split `to` that are touched by each. */
  images: counts,
  /** Images of the split `to` in all. */
  of: count,
});
export type LeakageMark = z.output<typeof leakageMarkSchema>;

/** The mark in words: `val shares 12 patients, 30 clips and 2 identical files with train: 148 of 148 images`. */
export function describeMark({ from, to, shared, images, of }: LeakageMark): string {
  const parts = [
    many(shared.patient, "patient"),
    many(shared.clip, "clip"),
    many(shared.duplicate, "identical file"),
  ].filter((part) => part !== null);
  const touched = Math.max(images.patient, images.clip, images.duplicate);
  return `${to} shares ${parts.join(", ")} with ${from}: at least ${touched} of its ${of} images`;
}

function many(count: number, noun: string): string | null {
  return count === 0 ? null : `${count} ${noun}${count === 1 ? "" : "s"}`;
}
