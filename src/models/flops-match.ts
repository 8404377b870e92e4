import type { Scaling } from "./yolov5.js";

/** The image at which FLOPs are compared: one of 320 x 320. */
export const matchReference = { batch: 1, height: 320, width: 320 } as const;

/** The multiples chosen for a model, so that its forward pass costs what another's does. */
export interface FlopsMatch {
  /** The other model's name. */
  readonly target: string;
  readonly scaling: Scaling;
  /** 2 · multiply-adds of the forward pass of one image of 320 x 320: this model's and the other's. */
  readonly flops: number;
  readonly targetFlops: number;
  /** flops / targetFlops - 1. */
  readonly relativeError: number;
}

/** A match in one line, for people. */
export function describeMatch({ target, scaling, flops, targetFlops, relativeError }: FlopsMatch): string {
  const giga = (count: number) => (count / 1e9).toFixed(3);
  const percent = `${relativeError < 0 ? "" : "+"}${(100 * relativeError).toFixed(2)} %`;
  return `matched to ${target}: width ${scaling.width}, depth of the backbone ${scaling.depth}, of the neck ${scaling.neckDepth}; ${giga(flops)} GFLOPs against ${giga(targetFlops)} (${percent}) on one image of ${matchReference.width}x${matchReference.height}`;
}
