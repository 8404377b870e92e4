import { shapeError } from "../errors.js";
import { type ClassificationMetrics, classificationMetrics, confusionScores, UNLABELLED } from "./metrics.js";

/**
 * Class probabilities of images in groups, such as patients, whose metrics can be had again and again with
 * other weights of the groups: what a bootstrap needs, which draws a patient several times or not at all.
 */
export class GroupedViews {
  readonly #probabilities: readonly ArrayLike<number>[];
  readonly #labels: readonly number[];
  readonly #groups: readonly number[];
  readonly #classes: number;
  /** Counts of each group, [group][true class][predicted class]. */
  readonly #confusions: readonly (readonly (readonly number[])[])[];

  /**
   * @param probabilities a row of each image, [classes]
   * @param labels 0 .. classes - 1, or -1 where the class is not known
   * @param groups the group of each image, 0 .. groupCount - 1
   * @throws EchoDuetError as `classificationMetrics`, and `shape` where the lengths do not agree
   */
  constructor(
    probabilities: readonly ArrayLike<number>[],
    labels: readonly number[],
    groups: readonly number[],
    options: { readonly groupCount: number; readonly classes: number },
  ) {
    if (probabilities.length !== labels.length || groups.length !== labels.length) {
      shapeError(
        `grouped views: ${labels.length} labels expect as many rows and groups, got ${probabilities.length} and ${groups.length}`,
      );
    }
    this.#probabilities = probabilities;
    this.#labels = labels;
    this.#groups = groups;
    this.#classes = options.classes;
    this.#confusions = Array.from(
      { length: options.groupCount },
      (_, group) => this.#metricsOf((each) => (each === group ? 1 : 0)).confusion,
    );
  }

  /** All metrics, where group g counts weights[g] times, a whole number of at least 0. */
  metrics(weights: ArrayLike<number>): ClassificationMetrics {
    return this.#metricsOf((group) => weights[group]);
  }

  /** The metrics that follow from the counts alone, which cost next to nothing. */
  scores(weights: ArrayLike<number>): ReturnType<typeof confusionScores> {
    const classes = Array.from({ length: this.#classes }, (_, c) => c);
    return confusionScores(
      classes.map((row) =>
        classes.map((column) =>
          this.#confusions.reduce((sum, counts, group) => sum + weights[group] * counts[row][column], 0),
        ),
      ),
    );
  }

  /** How many classes have labels in groups of a weight above 0. */
  labelledClasses(weights: ArrayLike<number>): number {
    const present = this.#labels.filter((_, i) => weights[this.#groups[i]] > 0);
    return new Set(present.filter((label) => label !== UNLABELLED)).size;
  }

  #metricsOf(weightOf: (group: number) => number): ClassificationMetrics {
    const images = this.#groups.flatMap((group, i) => new Array<number>(weightOf(group)).fill(i));
    const rows = images.flatMap((i) => Array.from(this.#probabilities[i]));
    return classificationMetrics(
      rows,
      images.map((i) => this.#labels[i]),
      this.#classes,
    );
  }
}
