import cliProgress from "cli-progress";
import {
  type ConvertProgress,
  type ConvertReport,
  type Counts,
  formatPlace,
  type ItemKind,
} from "../data/formats/index.js";

/** Changes are listed in full in convert.json; on a terminal the first ones show what kind they are. */
const mostChanges = 20;

/** The report as text: a table of counts, every drop, the first changes. */
export function formatConversion({
  out,
  names,
  views,
  before,
  after,
  drops,
  changes,
}: ConvertReport): string {
  const dropped = (kind: ItemKind) => drops.filter((drop) => drop.kind === kind).length;
  const kinds: readonly ItemKind[] = ["image", "box", "polygon", "view", "other"];
  const titles = { image: "images", box: "boxes", polygon: "polygons", view: "views", other: "other" };
  const row = (title: string, cell: (kind: ItemKind) => string | number) =>
    title.padEnd(10) + kinds.map((kind) => String(cell(kind)).padStart(10)).join("");
  const counts = (title: string, of: Counts) => row(title, (kind) => of[kind]);
  return [
    `classes: ${names.join(", ") || "none"}`,
    `views: ${views.join(", ") || "none"}`,
    row("", (kind) => titles[kind]),
    counts("before", before),
    row("dropped", dropped),
    ...(after ? [counts("after", after)] : []),
    ...drops.map((drop) => `dropped ${drop.kind}: ${formatPlace(drop)}: ${drop.reason}`),
    ...changes.slice(0, mostChanges).map((change) => `changed: ${formatPlace(change)}: ${change.what}`),
    ...(changes.length > mostChanges
      ? [`changed: ${changes.length - mostChanges} more, listed in convert.json`]
      : []),
    ...(out === null ? [] : [`written: ${out}`]),
  ].join("\n");
}

/** One line a tenth of each step, or a bar on a terminal; on standard error. */
export class StepProgress {
  #bar: cliProgress.SingleBar | undefined;
  #step = "";
  #tenth = 0;

  readonly show: ConvertProgress = (step, done, total) => {
    if (step !== this.#step) {
      this.stop();
      this.#step = step;
      this.#tenth = 0;
    }
    if (process.stderr.isTTY) {
      if (!this.#bar) {
        const format = "{step} [{bar}] {value}/{total} | ETA {eta_formatted}";
        this.#bar = new cliProgress.SingleBar({
          stream: process.stderr,
          format,
          barsize: 24,
          gracefulExit: false,
        });
        this.#bar.start(total, 0, { step });
      }
      this.#bar.update(done);
      return;
    }
    const tenth = Math.floor((10 * done) / total);
    // Small data is done before anyone could read of it.
    if (tenth === this.#tenth || (total < 1000 && done < total)) return;
    this.#tenth = tenth;
    process.stderr.write(`${step}: ${done}/${total}\n`);
  };

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
