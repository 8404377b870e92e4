import { resolve } from "node:path";
import { loadDataDescription } from "../../data/index.js";
import { collectFrames, compareFrames, splitFrames, writeSplit } from "../../data/split/index.js";
import { EchoDuetError } from "../../errors.js";
import type { FoldData } from "./plan.js";
import type { LoadedSweepFile } from "./sweep-file.js";

/**
 * The data of each fold of a sweep: that of the base without folds, the listed files, or patient-wise folds, which
 * are written beside the data as `split DATA --folds K` does where they are not there yet.
 * @throws EchoDuetError as `loadDataDescription`, `splitFrames` and `writeSplit` do
 */
export async function foldsOf({ asked, base, path }: LoadedSweepFile): Promise<FoldData[]> {
  const { folds } = asked;
  if (folds === null) return [{ fold: null, data: resolve(base.data), reference: base.data }];
  if (Array.isArray(folds)) {
    return folds.map((data, i) => ({ fold: i + 1, data: resolve(data), reference: data }));
  }
  const description = loadDataDescription(base.data);
  const frames = collectFrames(description);
  const compared = folds.images ? await compareFrames(frames) : null;
  const { names, views } = description;
  const assignment = splitFrames(frames, {
    by: "patient",
    folds: folds.count,
    seed: folds.seed,
    names,
    views,
    duplicates: compared?.duplicates ?? null,
  });
  try {
    const { dataYamls } = writeSplit(description, assignment, { command: `echoduet sweep ${path}` });
    return dataYamls.map((data, i) => ({
      fold: i + 1,
      data,
      reference: `${base.data} fold ${i + 1} of ${folds.count}, seed ${folds.seed}`,
    }));
  } catch (cause) {
    if (!(cause instanceof EchoDuetError) || cause.code !== "io") throw cause;
    throw new EchoDuetError(
      "io",
      `${cause.message}; or make them with \`split ${base.data} --folds ${folds.count} --out DIR\` and list their data.yaml under folds`,
      { cause },
    );
  }
}
