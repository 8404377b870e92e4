import type { FrameRecord } from "../data/index.js";
import { EchoDuetError } from "../errors.js";

/** Images of patients among `patients`, ids; null where no ids tell. */
export function seenImages(
  frames: readonly FrameRecord[],
  patients: readonly string[] | null,
): number | null {
  if (patients === null || patients.length === 0) return null;
  const seen = new Set(patients);
  return frames.filter(({ patient }) => patient !== null && seen.has(patient)).length;
}

/**
 * Holds a model's classes or views to those of the data.
 * @param place the data.yaml and the weights, for the message
 * @throws EchoDuetError `data` where they differ
 */
export function requireSame(
  key: "names" | "views",
  model: readonly string[],
  data: readonly string[],
  { file, path }: { readonly file: string; readonly path: string },
): void {
  if (JSON.stringify(model) === JSON.stringify(data)) return;
  throw new EchoDuetError(
    "data",
    `${file}: ${key} are [${data.join(", ")}], but ${path} was trained on [${model.join(", ")}]; use the data.yaml of its classes, in their order`,
  );
}
