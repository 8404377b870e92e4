import { cpus } from "node:os";
import { type InferenceSession, listSupportedBackends } from "onnxruntime-node";
import { EchoDuetError } from "../errors.js";

/** Where a program runs: ONNX Runtime's execution providers by name. */
export const deviceNames = ["cpu", "webgpu", "cuda", "coreml", "dml"] as const;
export type DeviceName = (typeof deviceNames)[number];

const remedies: Record<Exclude<DeviceName, "cpu">, string> = {
  webgpu: "it needs a Vulkan, Metal or Direct3D 12 driver",
  cuda: "it needs Linux x64, an NVIDIA driver, CUDA 12 and `npm rebuild onnxruntime-node --ignore-scripts=false`",
  coreml: "it exists on macOS only",
  dml: "it exists on Windows only",
};

/**
 * Session options for a device.
 * @throws EchoDuetError `runtime` where this build of ONNX Runtime lacks the provider, with the ones it has.
 */
export function deviceOptions(device: DeviceName): InferenceSession.SessionOptions {
  const present = listSupportedBackends().map((backend) => backend.name);
  if (!present.includes(device)) throw absent(device, `this ONNX Runtime has ${present.join(", ")}`);
  return { executionProviders: device === "cpu" ? ["cpu"] : [device, "cpu"] };
}

/** The error for a provider that is listed but cannot start here. */
export function absent(device: DeviceName, reason: string, cause?: unknown): EchoDuetError {
  const remedy = device === "cpu" ? "" : `; ${remedies[device]}. Use --device cpu`;
  return new EchoDuetError("runtime", `device ${device}: is not available: ${reason}${remedy}`, { cause });
}

/** Threads for `--threads`: 0 means every core. */
export function resolveThreads(threads: number): number {
  return threads > 0 ? threads : cpus().length;
}
