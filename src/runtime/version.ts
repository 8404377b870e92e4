import { createRequire } from "node:module";

/** Version of the ONNX Runtime that runs programs. */
export const onnxruntimeVersion: string = (
  createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string }
).version;
