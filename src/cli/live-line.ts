import type { StepProgress } from "../training/progress.js";

/** Points of a sparkline at most. */
const mostPoints = 16;
const levels = "▁▂▃▄▅▆▇█";

/** What the tasks do to each other while a model trains, as text: weights with their course, conflict, norms. */
export class LiveLine {
  private readonly courses = new Map<string, Course>();
  private latest: StepProgress | undefined;
  private sums: Record<string, number> = {};
  private steps = 0;

  /** Begins the mean weights of an epoch. */
  startEpoch(): void {
    this.sums = {};
    this.steps = 0;
  }

  add(step: StepProgress): void {
    this.latest = step;
    this.steps++;
    for (const [task, weight] of Object.entries(step.taskWeights ?? {})) {
      this.sums[task] = (this.sums[task] ?? 0) + weight;
      const course = this.courses.get(task) ?? new Course();
      course.add(weight);
      this.courses.set(task, course);
    }
  }

  /** As much as fits into `columns` characters, the most telling first; empty where nothing is known. */
  text(columns: number): string {
    const { taskWeights = {}, balance = {} } = this.latest ?? {};
    const weights = Object.entries(taskWeights).map(([task, weight]) => `${task} ${digits(weight)}`);
    const courses = Object.entries(taskWeights).map(([task, weight]) =>
      [task, digits(weight), this.courses.get(task)?.sparkline()].filter(Boolean).join(" "),
    );
    const measured = Object.entries(balance).map(
      ([quantity, values]) => `${quantity} ${formatValues(values)}`,
    );
    const head = (parts: readonly string[]) => (parts.length === 0 ? [] : [`weights ${parts.join("  ")}`]);
    const conflict = this.conflict();
    const all = [...head(courses), ...conflict, ...measured];
    // Short of room, numbers come before their course.
    if (width(all.slice(0, 1 + conflict.length)) > columns) {
      return fitting([...head(weights), ...conflict], columns);
    }
    return fitting(all, columns);
  }

  /** Mean weights of the epoch and the latest cosine, for a line an epoch; empty where nothing is known. */
  summary(): string {
    const means = Object.fromEntries(
      Object.entries(this.sums).map(([task, sum]) => [task, sum / this.steps]),
    );
    const weights = Object.keys(means).length === 0 ? [] : [`mean weights ${formatValues(means)}`];
    return [...weights, ...this.conflict()].join(" | ");
  }

  private conflict(): string[] {
    const { conflict } = this.latest ?? {};
    if (!conflict) return [];
    const { cosine, step } = conflict;
    return [`cosine ${cosine === null ? "-" : cosine.toFixed(3)} (step ${step})`];
  }
}

const separator = " | ";

function width(parts: readonly string[]): number {
  return parts.join(separator).length;
}

/** The first parts that fit together; of a first one that is too long, its beginning. */
function fitting(parts: readonly string[], columns: number): string {
  let count = parts.length;
  while (count > 1 && width(parts.slice(0, count)) > columns) count--;
  return parts.slice(0, count).join(separator).slice(0, columns);
}

/** The course of a number from its first value on, in few points: full, it drops every other one. */
class Course {
  private values: number[] = [];
  private stride = 1;
  private seen = 0;

  add(value: number): void {
    if (this.seen++ % this.stride !== 0) return;
    this.values.push(value);
    if (this.values.length <= mostPoints) return;
    this.values = this.values.filter((_, i) => i % 2 === 0);
    this.stride *= 2;
  }

  /** Bars from the least to the greatest value; empty while the value keeps within 1 %. */
  sparkline(): string {
    const [least, greatest] = [Math.min(...this.values), Math.max(...this.values)];
    if (!(greatest - least > 0.01 * Math.abs(greatest))) return "";
    return this.values
      .map((value) => levels[Math.round(((value - least) / (greatest - least)) * (levels.length - 1))])
      .join("");
  }
}

/** `name number name number`; null is a dash. */
export function formatValues(values: Readonly<Record<string, number | null>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value === null ? "-" : digits(value)}`)
    .join(" ");
}

function digits(value: number): number {
  return Number(value.toPrecision(4));
}
