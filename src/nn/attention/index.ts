import type { Value } from "../../graph/index.js";
import type { Scope } from "../scope.js";
import { cbam } from "./cbam.js";
import { squeezeExcitation } from "./se.js";
import { simam } from "./simam.js";

/** Every kind of attention: none, and three that scale features by gates computed of them. */
export const attentionKinds = ["none", "se", "cbam", "simam"] as const;
export type AttentionKind = (typeof attentionKinds)[number];

const registry: Record<AttentionKind, (scope: Scope, x: Value) => Value> = {
  none: (_, x) => x,
  se: squeezeExcitation,
  cbam,
  simam: (_, x) => simam(x),
};

/**
 * Attention of one kind, the same in training and deployment. Its parameters, if any, are under `attention`
 * of the scope; `none` gives x itself.
 * @param x float [batch, channels, height, width]
 * @returns float, x's shape
 */
export function attend(scope: Scope, x: Value, kind: AttentionKind): Value {
  return registry[kind](scope.child("attention"), x);
}
