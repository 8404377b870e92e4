/** YOLOv5 detection: anchors, target assignment, loss, decoding, suppression and average precision. */
export * from "./anchors.js";
export * from "./assignment.js";
export * from "./average-precision.js";
export * from "./boxes.js";
export * from "./decode.js";
export * from "./detection-loss.js";
export * from "./detection-metrics.js";
export * from "./grouped-detections.js";
export * from "./loss.js";
export * from "./non-maximum-suppression.js";
