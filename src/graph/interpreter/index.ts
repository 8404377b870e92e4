/** The float64 reference interpreter. */
export { type Feeds, interpret, interpretNode, interpretValues } from "./interpret.js";
export type { Float64Tensor } from "./rule.js";
