import type { DataDescription, SplitName } from "../description.js";
import { type FrameRecord, listFrames } from "../frames.js";

/**
 * The frames of all splits of a data set, each once, in the order of their names (UTF-16 code units).
 * @throws EchoDuetError as `listFrames` does
 */
export function collectFrames(description: DataDescription): FrameRecord[] {
  const frames = new Map<string, FrameRecord>();
  for (const split of Object.keys(description.splits) as SplitName[]) {
    for (const frame of listFrames(description, split)) frames.set(frame.name, frame);
  }
  return [...frames.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
