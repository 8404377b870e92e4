import { alignedMtl } from "./aligned-mtl.js";
import { cagrad } from "./cagrad.js";
import { imtlG } from "./imtl-g.js";
import type { AggregationMethod } from "./method.js";
import { mgda } from "./mgda.js";
import { nashMtl } from "./nash-mtl.js";
import { pcgrad } from "./pcgrad.js";
import { upgrad } from "./upgrad.js";

/** The methods that combine task gradients, by the names of the configuration. */
export const aggregationMethods = {
  pcgrad,
  cagrad,
  mgda,
  "imtl-g": imtlG,
  "aligned-mtl": alignedMtl,
  "nash-mtl": nashMtl,
  upgrad,
} as const satisfies Readonly<Record<string, AggregationMethod>>;

/** Name of a method that combines task gradients. */
export type AggregationName = keyof typeof aggregationMethods;

/** Every such name. */
export const aggregationNames = Object.keys(aggregationMethods) as readonly AggregationName[];
