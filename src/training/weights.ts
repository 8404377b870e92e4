import { openSync, readSync, closeSync } from "node:fs";
import { EchoDuetError } from "../errors.js";
import type { Declaration, Model } from "../models/index.js";
import { describeFileKind, fileKind, readPyTorchCheckpoint, readSafetensors } from "../onnx/index.js";
import { type HostTensor, sameShape, showShape } from "../tensor/index.js";
import { ioError } from "../io/index.js";
import { readCheckpoint } from "./checkpoint.js";
import { findWeights } from "./run-directory.js";

/** A weights file, whatever its format, with what it says of itself. */
export interface Weights {
  /** The file that was read: for a run, its best or last checkpoint. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** Model name; null in a file of another program. */
  readonly model: string | null;
  /** Detection class names, where the file has them. */
  readonly names: readonly string[] | null;
  readonly views: readonly string[] | null;
}

/**
 * Reads weights from a run's directory, a checkpoint, a `.safetensors` or a PyTorch `.pt` file.
 * @throws EchoDuetError `io` or `checkpoint`, naming the file and the remedy
 */
export function readWeights(source: string): Weights {
  const path = findWeights(source);
  const kind = fileKind(headOf(path));
  if (kind === "zip") {
    const { tensors, records } = readPyTorchCheckpoint(path);
    return { path, tensors, model: null, names: records.names, views: null };
  }
  if (kind !== "safetensors") {
    throw new EchoDuetError(
      "checkpoint",
      `${path}: expected a run, a .safetensors or a PyTorch .pt file, got ${describeFileKind(kind)}`,
    );
  }
  const file = readSafetensors(path);
  if (file.metadata.echoduet === undefined) {
    return { path, tensors: file.tensors, model: null, names: null, views: null };
  }
  const { tensors, metadata } = readCheckpoint(path);
  return { path, tensors, model: metadata.model, names: metadata.names, views: metadata.views };
}

/** What became of a model's tensors when weights were loaded into it. */
export interface LoadedWeights {
  readonly tensors: Map<string, HostTensor<"float32">>;
  /** Tensors that the file gave. */
  readonly loaded: number;
  /** Tensors that stay as initialised: `NAME (reason)`. */
  readonly left: readonly string[];
}

/**
 * Lays the tensors of a weights file over a model's initial ones. Every tensor outside the heads must be
 * there in its shape; heads of other classes, and heads that the file lacks, stay as initialised.
 * @throws EchoDuetError `checkpoint` where the file is of another network, with the first tensors that do not fit
 */
export function applyWeights(
  weights: Weights,
  model: Model,
  declaration: Declaration,
  initial: ReadonlyMap<string, HostTensor<"float32">>,
): LoadedWeights {
  const tensors = new Map(initial);
  const left: string[] = [];
  const wrong: string[] = [];
  let loaded = 0;
  for (const { name, shape } of [...declaration.parameters, ...declaration.buffers]) {
    const given = weights.tensors.get(name);
    if (given?.dtype === "float32" && sameShape(given.shape, shape)) {
      tensors.set(name, given as HostTensor<"float32">);
      loaded++;
      continue;
    }
    const reason = given
      ? `${showShape(given.shape)} in the file, ${showShape(shape)} here`
      : "not in the file";
    (model.isHead(name) ? left : wrong).push(`${name} (${reason})`);
  }
  if (wrong.length > 0) {
    const shown = wrong.slice(0, 3).join("; ") + (wrong.length > 3 ? `; and ${wrong.length - 3} more` : "");
    throw new EchoDuetError(
      "checkpoint",
      `${weights.path}: does not fit ${model.name}: ${shown}; choose the model of the same size`,
    );
  }
  return { tensors, loaded, left };
}

function headOf(path: string): Uint8Array {
  const head = new Uint8Array(512);
  try {
    const file = openSync(path, "r");
    try {
      return head.subarray(0, readSync(file, head, 0, head.length, 0));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw ioError(path, "read", error);
  }
}
