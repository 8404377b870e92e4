/** Audits of data sets: what is in them, and what is wrong with them. */
export * from "./audit.js";
export * from "./scan.js";
export * from "./types.js";
