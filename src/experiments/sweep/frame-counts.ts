import { type FrameRecord, listFrames, loadDataDescription, selectFraction } from "../../data/index.js";
import { EchoDuetError } from "../../errors.js";

/** Training and validation images of a run. */
export interface FrameCounts {
  readonly train: number;
  readonly val: number;
}

/** Counts the images of runs; each data.yaml is read once. */
export class FrameCounter {
  readonly #read = new Map<string, { train: readonly FrameRecord[]; val: number } | null>();

  /** Null where the data cannot be read: the run itself will say why. */
  count(run: {
    readonly data: string;
    readonly fraction: number;
    readonly seed: number;
  }): FrameCounts | null {
    const frames = this.#framesOf(run.data);
    if (frames === null) return null;
    const { train, val } = frames;
    return {
      train: run.fraction < 1 ? selectFraction(train, run.fraction, run.seed).length : train.length,
      val,
    };
  }

  #framesOf(data: string) {
    const known = this.#read.get(data);
    if (known !== undefined) return known;
    const read = readFrames(data);
    this.#read.set(data, read);
    return read;
  }
}

function readFrames(data: string): { train: readonly FrameRecord[]; val: number } | null {
  try {
    const description = loadDataDescription(data);
    return { train: listFrames(description, "train"), val: listFrames(description, "val").length };
  } catch (error) {
    if (error instanceof EchoDuetError) return null;
    throw error;
  }
}
