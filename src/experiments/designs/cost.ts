import { createModel, describeMatch, summariseModel } from "../../models/index.js";
import { stepFlops } from "../../training/index.js";
import { type SyntheticInput, syntheticConfig } from "../speed/index.js";
import type { Design } from "./designs.js";

/** What a design costs, counted on its graphs; FLOPs are 2 · multiply-adds of convolutions and matrix products. */
export interface DesignCost {
  readonly parameters: number;
  /** Of one forward pass of the batch. */
  readonly forwardFlops: number;
  /** Of one training step. */
  readonly stepFlops: number;
  /** Every forward result of a step, as `ModelSummary` counts them. */
  readonly trainingActivationBytes: number;
  /** The most that is alive at once in the deployed network, for one image. */
  readonly inferenceActivationBytes: number;
  /** How multiples were chosen, in words; null for those of the name. */
  readonly matched: string | null;
}

/** Counts a design's cost; nothing is run. */
export function designCost({ options }: Design, input: SyntheticInput): DesignCost {
  const config = syntheticConfig(input, options);
  const { classes, views, batch, size } = input;
  const model = createModel(config.model, { ...config, classes, views });
  const { parameters, flops, trainingActivationBytes } = summariseModel(model, { batch, ...size });
  return {
    parameters,
    forwardFlops: flops,
    stepFlops: stepFlops(model, config),
    trainingActivationBytes,
    inferenceActivationBytes: summariseModel(model, { batch: 1, ...size }).inferenceActivationBytes,
    matched: model.matched ? describeMatch(model.matched) : null,
  };
}
