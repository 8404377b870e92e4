import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ioError, writeFileAtomically } from "../../io/index.js";
import { begunStages, holdsStages } from "../../training/index.js";
import { figuresOf } from "./figures.js";
import { curvesPage } from "./page.js";
import { pictureOf, pngOf } from "./picture.js";
import { readRunHistories } from "./run-history.js";

/** A figure's files: SVG, PNG. */
export interface DrawnFigure {
  readonly name: string;
  readonly files: readonly string[];
}

/** What was drawn. */
export interface DrawnCurves {
  /** The runs' folders, as given. */
  readonly runs: readonly string[];
  readonly figures: readonly DrawnFigure[];
  /** The HTML page with all figures. */
  readonly page: string;
}

/**
 * Draws the histories of training runs: each figure as `OUT/NAME.svg` and `OUT/NAME.png`, and all of them in
 * `OUT/curves.html`. What no run logged has no figure. Of a training in stages, each stage is a run.
 * @param out the folder; by default `curves` in the run, or in the working directory for several runs
 * @throws EchoDuetError as `readRunHistories`; `io` where the file system refuses
 */
export async function drawCurves(
  runs: readonly string[],
  out: string = runs.length === 1 ? join(runs[0], "curves") : "curves",
): Promise<DrawnCurves> {
  const histories = readRunHistories(runs.flatMap(runsIn));
  const figures = figuresOf(histories);
  try {
    mkdirSync(out, { recursive: true });
  } catch (error) {
    throw ioError(out, "created", error);
  }
  const drawn: DrawnFigure[] = [];
  for (const figure of figures) {
    const svg = pictureOf(figure);
    const files = [join(out, `${figure.name}.svg`), join(out, `${figure.name}.png`)];
    writeFileAtomically(files[0], svg);
    writeFileAtomically(files[1], await pngOf(svg));
    drawn.push({ name: figure.name, files });
  }
  const page = join(out, "curves.html");
  writeFileAtomically(page, curvesPage(histories, figures));
  return { runs: [...runs], figures: drawn, page };
}

/** The run in the folder `path`, or those of its stages. */
function runsIn(path: string): string[] {
  const stages = holdsStages(path) ? begunStages(path) : [];
  return stages.length > 0 ? stages : [path];
}
