import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";
import { onnxruntimeVersion } from "../../runtime/index.js";

/** What a figure of speed depends on besides the program. */
export interface MachineFacts {
  readonly processor: string;
  readonly cores: number;
  /** Of the SIMD extensions that ONNX Runtime has kernels for, those that this processor reports; null off Linux. */
  readonly simd: string | null;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  readonly onnxRuntime: string;
  /** Load average of the last minute at the start; null on Windows. Near zero on a quiet machine. */
  readonly load: number | null;
}

/** The facts of this machine and of the libraries in use. */
export function machineFacts(): MachineFacts {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    simd: simdExtensions(),
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    onnxRuntime: onnxruntimeVersion,
    load: platform() === "win32" ? null : loadavg()[0],
  };
}

function simdExtensions(): string | null {
  try {
    const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
    const known = ["avx2", "avx512f", "avx512_vnni", "amx_tile", "asimd", "sve"];
    return known.filter((name) => flags.split(/\s+/).includes(name)).join(" ");
  } catch {
    return null;
  }
}
