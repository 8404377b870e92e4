/** File formats: ONNX, safetensors, PyTorch checkpoints. */
export { readModelMetadata } from "./proto.js";
export {
  type CheckpointRecords,
  type PyTorchCheckpoint,
  parsePyTorchCheckpoint,
  readPyTorchCheckpoint,
} from "./pytorch/checkpoint.js";
export { describeFileKind, fileKind } from "./pytorch/file-kind.js";
export { reverseNodes } from "./reverse-nodes.js";
export * from "./safetensors.js";
export * from "./serialise.js";
