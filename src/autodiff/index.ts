/** Reverse-mode differentiation of the graph. */
export * from "./gradients.js";
export { type NotDifferentiable, type VjpContext, type VjpRule, vjpTable } from "./vjp-table.js";
