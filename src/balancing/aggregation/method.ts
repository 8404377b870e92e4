/**
 * What a method that combines task gradients is: a rule that turns the Gram matrix of the gradients into one
 * weight a task.
 *
 * Every method here moves within the span of the task gradients and looks at their lengths and angles alone, so
 * with J the K x D matrix of task gradients (one a row) and G = J Jᵀ, it is a function w = f(G), and the combined
 * gradient is Jᵀ w. The D parameters are touched twice (G, then Jᵀ w) and all else happens on K x K numbers.
 */

/** G[i][j] = gᵢ · gⱼ of K task gradients: K x K float64, symmetric, positive semidefinite up to rounding. */
export type Gram = readonly (readonly number[])[];

/** What some methods can be told; each method says in its file what it reads. */
export interface AggregationOptions {
  /** `cagrad`: radius of the ball around the mean gradient as a share of its length, 0.5 by default. */
  readonly c?: number;
  /**
   * `pcgrad`: for each task the other tasks, in the order in which its gradient is projected against them;
   * drawn from `seed` and `step` where not given.
   */
  readonly order?: readonly (readonly number[])[];
  /** `pcgrad`: seed of the drawn orders, 0 by default. */
  readonly seed?: number;
  /** `pcgrad`: number of the optimiser step, so that each step draws its own orders; 0 by default. */
  readonly step?: number;
}

/** A method that combines task gradients. */
export interface AggregationMethod {
  /** The combined gradient of s · J is s to this power times that of J: 1, or 0 where its length is fixed. */
  readonly degree: 0 | 1;
  /** One weight a task, in the order of the rows; finite for every finite Gram matrix. */
  readonly weightsFromGram: (gram: Gram, options: AggregationOptions) => number[];
}
