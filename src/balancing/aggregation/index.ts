/** Methods that combine the gradients of several tasks into one: one method a file, each listed in methods.ts. */
export { aggregate, gramOf, type Jacobian } from "./aggregate.js";
export type { AggregationMethod, AggregationOptions, Gram } from "./method.js";
export { type AggregationName, aggregationMethods, aggregationNames } from "./methods.js";
