import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomStream } from "../../src/tensor/index.js";
import { formatEvent, type TrainingEvent } from "../../src/training/events.js";
import { runFiles } from "../../src/training/run-files.js";

/** What a made-up run holds beside losses, weights and metrics. */
export interface HistoryOptions {
  readonly seed?: number;
  readonly steps?: number;
  readonly stepsPerEpoch?: number;
  /** Whether a balancer logs norms, rates and targets, and alarms. */
  readonly balance?: boolean;
  /** Steps from one probe to the next; none by default. */
  readonly probeEvery?: number;
  readonly layers?: readonly string[];
  /** Text in every name that comes from a log. */
  readonly suffix?: string;
}

/**
 * Writes a run directory with a made-up `events.jsonl`, for tests of what reads one: the numbers mean nothing.
 * @returns the directory
 */
export function writeHistory(path: string, options: HistoryOptions = {}): string {
  mkdirSync(path, { recursive: true });
  const time = new Date("2026-01-02T03:04:05.000Z");
  const lines = historyOf(options).map((event, i) => formatEvent(event, new Date(+time + 1000 * i)));
  writeFileSync(join(path, runFiles.events), `${lines.join("\n")}\n`);
  const info = {
    created: time.toISOString(),
    echoduet: "0.1.0",
    node: "v20",
    onnxruntime: "1.30.0",
    platform: "linux-x64",
    processor: "none",
    cores: 1,
    seed: options.seed ?? 0,
    data: { path: "heart/data.yaml", fingerprint: "0123456789abcdef", leakage: [] },
  };
  writeFileSync(join(path, runFiles.info), JSON.stringify(info));
  return path;
}

function historyOf({
  seed = 0,
  steps = 200,
  stepsPerEpoch = 50,
  balance = false,
  probeEvery = 0,
  layers = ["model.0.conv", "model.9.cv1.conv", "model.17.cv3.conv"],
  suffix = "",
}: HistoryOptions): TrainingEvent[] {
  const random = randomStream(seed, "history");
  const noise = (size: number) => size * (2 * random.uniform() - 1);
  const [first, second] = [`detection${suffix}`, `classification${suffix}`];
  const pair = (a: number, b: number) => ({ [first]: a, [second]: b });
  const events: TrainingEvent[] = [
    { type: "start", epoch: 0, step: 0, resumed: false, model: `joint-yolov5n${suffix}` },
  ];
  for (let step = 1; step <= steps; step++) {
    const done = step / steps;
    const place = { epoch: Math.ceil(step / stepsPerEpoch), step };
    const weight = balance ? 1.98 - 0.9 * done : 1;
    const losses = pair(0.06 + 0.15 * Math.exp(-3 * done) + noise(0.02), Math.exp(-2 * done) + noise(0.15));
    events.push({
      ...place,
      type: "step",
      images: 16,
      losses: { ...losses, [`detection.box${suffix}`]: 0.04 + 0.1 * Math.exp(-3 * done) + noise(0.01) },
      taskWeights: balance ? pair(weight, 2 - weight) : pair(1, 0.01),
      learningRate: 0.001 * Math.min(1, 10 * done) * (1.01 - done),
      gradientNorm: step === 3 ? null : 6 + 4 * Math.exp(-2 * done) + noise(3),
      ...(balance
        ? {
            balance: {
              norms: pair(0.3 * weight + noise(0.1), 0.1 * (2 - weight) + noise(0.02)),
              rates: pair(1.2 - 0.3 * done, 0.8 + 0.3 * done),
              targets: pair(0.35, 0.15),
            },
          }
        : {}),
    });
    if (balance && step === Math.round(steps / 2)) {
      const message = `the weight of classification rises${suffix}`;
      events.push({ ...place, type: "alarm", alarm: `stuck${suffix}`, task: second, message });
    }
    if (probeEvery > 0 && step % probeEvery === 0) {
      const conflict = (at: number) => ({
        norms: pair(2 + at, 0.5 + at),
        cosine: Math.max(-1, Math.min(1, 0.4 * Math.cos(3 * at + 4 * done) * (1.2 - at) + noise(0.08))),
      });
      events.push({
        ...place,
        type: "interference",
        images: 32,
        seconds: 1,
        weights: pair(weight, 2 - weight),
        overall: conflict(0.5),
        layers: layers.map((name, i) => ({
          name: `${name}${suffix}`,
          ...conflict(i / layers.length),
          ...(i === 1 && step === probeEvery ? { cosine: null } : {}),
        })),
      });
    }
    if (step % stepsPerEpoch === 0) {
      const metrics = { map50: 0.5 * done, map50_95: 0.2 * done, accuracy: 0.5 + 0.4 * done, auroc: null };
      events.push({
        ...place,
        type: "epoch",
        losses,
        seconds: 9,
        imagesPerSecond: 10,
        loaderWaitSeconds: 0,
        memoryBytes: 2 ** 30,
      });
      events.push({ ...place, type: "validation", split: "val", metrics, fitness: 0.7 * done });
    }
  }
  return events;
}
