import cliProgress from "cli-progress";
import type { EpochSummary, ProgressListener, StepProgress } from "../training/progress.js";

/** Where progress is shown: standard error, so that standard output stays free for JSON. */
export interface ProgressStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

/** Weight of the newest step in the averaged rate. */
const smoothing = 0.1;

/**
 * Shows training on a terminal as one bar an epoch, with losses, images a second and the time left of the
 * whole training, and anywhere else as one line an epoch.
 */
export class ProgressBar implements ProgressListener {
  private bar: cliProgress.SingleBar | undefined;
  private readonly rate = new StepRate();
  private stepsLeft = 0;

  constructor(
    private readonly stream: ProgressStream = process.stderr,
    private readonly now: () => number = () => performance.now() / 1000,
  ) {}

  onEpochStart(epoch: number, epochs: number, steps: number): void {
    this.rate.start(this.now());
    this.stepsLeft = (epochs - epoch + 1) * steps;
    if (!this.stream.isTTY) return;
    this.stop();
    this.bar = new cliProgress.SingleBar({
      stream: this.stream,
      format: "epoch {epoch} [{bar}] {value}/{total} | {rate} img/s | ETA {left} | {losses}",
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      // The program handles SIGINT itself: it saves, and then stops the bar.
      gracefulExit: false,
    });
    this.bar.start(steps, 0, { epoch: `${epoch}/${epochs}`, rate: "-", left: "-", losses: "" });
  }

  onStep({ step, images, losses }: StepProgress): void {
    this.rate.add(this.now(), images);
    this.stepsLeft--;
    this.bar?.update(step, {
      rate: this.rate.imagesPerSecond.toFixed(1),
      left: formatDuration(this.stepsLeft * this.rate.secondsPerStep),
      losses: formatValues(losses),
    });
  }

  onEpochEnd(summary: EpochSummary): void {
    this.stop();
    const left =
      this.stepsLeft > 0 ? `, ETA ${formatDuration(this.stepsLeft * this.rate.secondsPerStep)}` : "";
    this.stream.write(`${formatSummary(summary)}${left}\n`);
  }

  onMessage(text: string): void {
    // The bar draws itself anew below the message at its next step.
    if (this.bar) this.stream.write("\r\u001B[K");
    this.stream.write(`${text}\n`);
  }

  /** Takes the bar off the terminal and shows the cursor again; for the end of a training, good or bad. */
  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
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

/** One line of a finished epoch. */
export function formatSummary(summary: EpochSummary): string {
  const parts = [
    `epoch ${summary.epoch}/${summary.epochs}`,
    formatValues(summary.losses),
    formatValues(summary.metrics),
    `${summary.imagesPerSecond.toFixed(1)} img/s`,
    `${formatDuration(summary.seconds)} (loader ${summary.loaderWaitSeconds.toFixed(1)} s)`,
    `${Math.round(summary.memoryBytes / 2 ** 20)} MB`,
  ];
  return `${parts.filter((part) => part !== "").join(" | ")}${summary.best ? " | best" : ""}`;
}

function formatValues(values: Readonly<Record<string, number | null>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value === null ? "-" : Number(value.toPrecision(4))}`)
    .join(" ");
}
