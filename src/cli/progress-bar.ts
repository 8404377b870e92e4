import cliProgress from "cli-progress";
import type { EpochSummary, ProgressListener, StageProgress, StepProgress } from "../training/progress.js";
import { formatValues, LiveLine } from "./live-line.js";

/** Where progress is shown: standard error, so that standard output stays free for JSON. */
export interface ProgressStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  /** Width of the terminal in characters. */
  readonly columns?: number;
}

/** On a terminal of fewer columns the losses have a line of their own. */
const wideColumns = 110;

/** Weight of the newest step in the averaged rate. */
const smoothing = 0.1;

/**
 * Shows training on a terminal as one bar an epoch, with losses, images a second and the time left of the
 * whole training (in stages: of the stage), and below it the tasks' weights and conflict; anywhere else as one line an epoch.
 */
export class ProgressBar implements ProgressListener {
  private lines: Lines | undefined;
  /** `stage 2/4 ` in a training in stages, else empty. */
  private stage = "";
  private epoch = { name: "", steps: 0 };
  private readonly rate = new StepRate();
  private readonly live = new LiveLine();
  private stepsLeft = 0;

  constructor(
    private readonly stream: ProgressStream = process.stderr,
    private readonly now: () => number = () => performance.now() / 1000,
  ) {}

  onStageStart({ number, count, name }: StageProgress): void {
    this.stage = `stage ${number}/${count} `;
    this.onMessage(`stage ${number} of ${count}: ${name}`);
  }

  onEpochStart(epoch: number, epochs: number, steps: number): void {
    this.rate.start(this.now());
    this.live.startEpoch();
    this.stepsLeft = (epochs - epoch + 1) * steps;
    this.epoch = { name: `${epoch}/${epochs}`, steps };
    this.stop();
    this.show(0, { rate: "-", left: "-", losses: "" });
  }

  onStep(progress: StepProgress): void {
    const { step, images, losses } = progress;
    this.rate.add(this.now(), images);
    this.live.add(progress);
    this.stepsLeft--;
    this.show(step, {
      rate: this.rate.imagesPerSecond.toFixed(1),
      left: formatDuration(this.stepsLeft * this.rate.secondsPerStep),
      losses: formatValues(tasksFirst(losses)),
    });
  }

  onEpochEnd(summary: EpochSummary): void {
    this.stop();
    const left =
      this.stepsLeft > 0 ? `, ETA ${formatDuration(this.stepsLeft * this.rate.secondsPerStep)}` : "";
    const stage = this.stage && `${this.stage}| `;
    this.stream.write(`${stage}${formatSummary(summary, this.live.summary())}${left}\n`);
  }

  onMessage(text: string): void {
    // The bar draws itself anew below the message at its next step.
    this.stop();
    this.stream.write(`${text}\n`);
  }

  /** Takes the bar off the terminal and shows the cursor again; for the end of a training, good or bad. */
  stop(): void {
    this.lines?.all.stop();
    this.lines = undefined;
  }

  private show(step: number, payload: Readonly<Record<string, string>>): void {
    if (!this.stream.isTTY) return;
    this.lines ??= this.open();
    this.lines.bar.update(step, payload);
    for (const line of this.lines.below)
      line.update({ ...payload, live: this.live.text(this.columns() - 1) });
    this.lines.all.update();
  }

  private open(): Lines {
    const all = new cliProgress.MultiBar({
      stream: this.stream,
      // What names the stage comes off the bar, so that a line has its length.
      barsize: 24 - this.stage.length,
      hideCursor: true,
      clearOnComplete: true,
      // The program handles SIGINT itself: it saves, and then stops the bar.
      gracefulExit: false,
    });
    const head = `${this.stage}epoch {epoch} [{bar}] {value}/{total} | {rate} img/s | ETA {left}`;
    const wide = this.columns() >= wideColumns;
    const line = (format: string, steps: number) =>
      all.create(
        steps,
        0,
        { epoch: this.epoch.name, rate: "-", left: "-", losses: "", live: "" },
        { format },
      );
    const bar = line(wide ? `${head} | {losses}` : head, this.epoch.steps);
    return { all, bar, below: [...(wide ? [] : ["{losses}"]), "{live}"].map((format) => line(format, 1)) };
  }

  private columns(): number {
    return this.stream.columns ?? 80;
  }
}

/** The bar and the lines below it. */
interface Lines {
  readonly all: cliProgress.MultiBar;
  readonly bar: cliProgress.SingleBar;
  readonly below: readonly cliProgress.SingleBar[];
}

/** The losses of tasks before their items, which a narrow terminal cuts off. */
function tasksFirst(losses: Readonly<Record<string, number>>): Record<string, number> {
  const entries = Object.entries(losses);
  const isItem = ([name]: readonly [string, number]) => name.includes(".");
  return Object.fromEntries([...entries.filter((entry) => !isItem(entry)), ...entries.filter(isItem)]);
}

/** Exponential averages of the time and the images of a step. */
class StepRate {
  private last = 0;
  private seconds: number | undefined;
  private images: number | undefined;

  /** Time between epochs (validation) belongs to no step. */
  start(now: number): void {
    this.last = now;
  }

  add(now: number, images: number): void {
    this.seconds = average(this.seconds, now - this.last);
    this.images = average(this.images, images);
    this.last = now;
  }

  get secondsPerStep(): number {
    return this.seconds ?? Number.NaN;
  }

  get imagesPerSecond(): number {
    return (this.images ?? Number.NaN) / this.secondsPerStep;
  }
}

function average(old: number | undefined, value: number): number {
  return old === undefined ? value : old + smoothing * (value - old);
}

/** `1:02:03`, `2:03` or `-` for an unknown number of seconds. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-";
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  const tail = two(whole % 60);
  return minutes < 60 ? `${minutes}:${tail}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${tail}`;
}

/** One line of a finished epoch; `balance` is what there is to say of the tasks' weights and conflict. */
export function formatSummary(summary: EpochSummary, balance = ""): string {
  const parts = [
    `epoch ${summary.epoch}/${summary.epochs}`,
    formatValues(summary.losses),
    formatValues(summary.metrics),
    balance,
    `${summary.imagesPerSecond.toFixed(1)} img/s`,
    `${formatDuration(summary.seconds)} (loader ${summary.loaderWaitSeconds.toFixed(1)} s)`,
    `${Math.round(summary.memoryBytes / 2 ** 20)} MB`,
  ];
  return `${parts.filter((part) => part !== "").join(" | ")}${summary.best ? " | best" : ""}`;
}
