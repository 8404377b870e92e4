/** File formats: ONNX, safetensors, PyTorch checkpoints. */
export { readModelMetadata } from "./proto.js";
export * from "./safetensors.js";
export * from "./serialise.js";
