import { existsSync } from "node:fs";
import {
  type DataDescription,
  findImages,
  findLeakage,
  identicalFiles,
  identify,
  type FrameRecord,
  type SplitLeakage,
} from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import { describeMark, type LeakageMark } from "./leakage-mark.js";

type JudgedBy = "name" | "patient" | "video" | "imagePath";

/** The images that a training could learn by heart: those it trains on, and those it is judged by. */
interface Judged {
  readonly description: DataDescription;
  readonly train: readonly Pick<FrameRecord, JudgedBy>[];
  readonly val: readonly Pick<FrameRecord, JudgedBy>[];
}

/**
 * What the training split shares with the validation and the test split: patients and clips by data.yaml's
 * `groups`, and files of the same bytes. (That two files show the same picture, the audit finds.)
 * A test split that is declared but not there is left out.
 * @throws EchoDuetError `data` where there is any and `allow` is false
 */
export function checkLeakage({ description, train, val }: Judged, allow: boolean): LeakageMark[] {
  const test = testImages(description);
  const files = [...train, ...val, ...test];
  const found = findLeakage({ train, val, test }, identicalFiles(files));
  const sizes = { train: train.length, val: val.length, test: test.length };
  const marks = found
    .filter(({ from }) => from === "train")
    .map((leakage) => markOf(leakage, sizes[leakage.to]));
  if (marks.length === 0 || allow) return marks;
  throw new EchoDuetError(
    "data",
    `${description.file}: expected splits that share no patient, clip or image, got:\n${marks.map(describeMark).join("\n")}\n` +
      "scores on them are scores on what was seen; make clean splits with `split DATA --by patient`, look with `audit DATA`, " +
      "or give --allow-leakage, and every result will carry the mark",
  );
}

/** The images of the test split; none where it is not declared, empty, or was never brought here. */
function testImages(description: DataDescription): Pick<FrameRecord, JudgedBy>[] {
  const entries = description.splits.test ?? [];
  if (entries.length === 0 || !entries.every((entry) => existsSync(entry))) return [];
  return findImages(description, "test").map((imagePath) => ({
    ...identify(description, imagePath),
    imagePath,
  }));
}

function markOf({ from, to, patients, clips, duplicates, images }: SplitLeakage, of: number): LeakageMark {
  return {
    from,
    to,
    shared: { patient: patients.length, clip: clips.length, duplicate: duplicates.length },
    images: {
      patient: images.patient.length,
      clip: images.clip.length,
      duplicate: images.duplicate.length,
    },
    of,
  };
}
