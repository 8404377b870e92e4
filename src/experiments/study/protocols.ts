/** How much each run of a study is trained, and how often it is repeated. */
export interface Protocol {
  /** Side of the network's input (pixels). */
  readonly size: number;
  readonly epochs: number;
  /** Images a step: few where epochs are few, since more steps learn more from them. */
  readonly batch: number;
  readonly seeds: number;
  /** Patient-wise folds; each finalist is trained on all of them with every seed. */
  readonly folds: number;
  /** Designs that take part. */
  readonly arms: "all" | "core";
}

/**
 * Protocols from the costliest to the cheapest. Three seeds throughout: fewer tell nothing of their spread. Size and
 * folds give way before epochs do, since a network that has not learnt to detect tells nothing about balancing; arms last.
 */
export const protocols: readonly Protocol[] = [
  { size: 320, epochs: 40, batch: 16, seeds: 3, folds: 5, arms: "all" },
  { size: 320, epochs: 20, batch: 16, seeds: 3, folds: 5, arms: "all" },
  { size: 256, epochs: 20, batch: 16, seeds: 3, folds: 5, arms: "all" },
  { size: 256, epochs: 12, batch: 8, seeds: 3, folds: 4, arms: "all" },
  { size: 192, epochs: 12, batch: 8, seeds: 3, folds: 3, arms: "all" },
  { size: 192, epochs: 6, batch: 4, seeds: 3, folds: 3, arms: "all" },
  { size: 160, epochs: 6, batch: 4, seeds: 3, folds: 3, arms: "all" },
  { size: 160, epochs: 6, batch: 4, seeds: 3, folds: 3, arms: "core" },
  { size: 128, epochs: 3, batch: 4, seeds: 3, folds: 3, arms: "core" },
];
