/** What one processed batch shows. */
export interface StepProgress {
  /** Batches of this epoch processed so far, from 1. */
  readonly step: number;
  /** Images in this batch. */
  readonly images: number;
  /** Losses of this batch by name, before weighting. */
  readonly losses: Readonly<Record<string, number>>;
  /** Weights of the task losses. */
  readonly taskWeights?: Readonly<Record<string, number>>;
  /** What the balancer measured, by quantity and task. */
  readonly balance?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** The latest cosine between the tasks' gradients, and the step at which it was measured; null before any. */
  readonly conflict?: { readonly cosine: number | null; readonly step: number } | null;
}

/** What a finished epoch shows. */
export interface EpochSummary {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean losses by name, before weighting. */
  readonly losses: Readonly<Record<string, number>>;
  /** Validation metrics by name; empty where the epoch had no validation, null where one has no value. */
  readonly metrics: Readonly<Record<string, number | null>>;
  /** Duration of the epoch's training, without validation. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Part of the duration spent waiting for images. */
  readonly loaderWaitSeconds: number;
  readonly memoryBytes: number;
  /** Whether this epoch's checkpoint is the best so far. */
  readonly best: boolean;
}

/** One stage of a training in stages. */
export interface StageProgress {
  /** From 1. */
  readonly number: number;
  /** Stages in all. */
  readonly count: number;
  readonly name: string;
}

/** Whoever watches a training run: a progress bar, a test, a server. Listeners return at once. */
export interface ProgressListener {
  /** A stage begins, or goes on; a training without stages has none. */
  onStageStart(stage: StageProgress): void;
  /** Epoch `epoch` of `epochs` (from 1) begins and will take `steps` batches. */
  onEpochStart(epoch: number, epochs: number, steps: number): void;
  onStep(step: StepProgress): void;
  onEpochEnd(summary: EpochSummary): void;
  /** Something that the user should read, in one line or more. */
  onMessage(text: string): void;
}

/** A listener that shows nothing. */
export const silentProgress: ProgressListener = {
  onStageStart: () => {},
  onEpochStart: () => {},
  onStep: () => {},
  onEpochEnd: () => {},
  onMessage: () => {},
};
