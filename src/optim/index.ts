/** Optimisers as graph builders, learning-rate schedules, clipping and averaging. */
import { EchoDuetError } from "../errors.js";
import { adamw } from "./adamw.js";
import type { Optimiser } from "./optimiser.js";
import { sgd } from "./sgd.js";

export * from "./clip.js";
export * from "./ema.js";
export type { Optimiser, OptimiserTerms } from "./optimiser.js";
export * from "./schedule.js";

const optimisers: Readonly<Record<string, Optimiser>> = { sgd, adamw };

/** @throws EchoDuetError `config` for an unknown name */
export function optimiserByName(name: string): Optimiser {
  const optimiser = optimisers[name];
  if (!optimiser) {
    throw new EchoDuetError(
      "config",
      `optimizer: expects one of ${Object.keys(optimisers).join(", ")}, got ${name}`,
    );
  }
  return optimiser;
}
