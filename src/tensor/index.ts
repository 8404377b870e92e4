/** Host arrays, shapes, dtypes and seeded random streams. */
export * from "./dtype.js";
export * from "./host-tensor.js";
export * from "./quantile.js";
export * from "./random.js";
export * from "./release.js";
export * from "./shape.js";
