import { openSync, readSync, closeSync } from "node:fs";
import { EchoDuetError } from "../errors.js";
import type { Declaration, Model, TaskName } from "../models/index.js";
import { describeFileKind, fileKind, readPyTorchCheckpoint, readSafetensors } from "../onnx/index.js";
import { type HostTensor, sameShape, type Shape, showShape } from "../tensor/index.js";
import { ioError } from "../io/index.js";
import { readCheckpoint } from "./checkpoint.js";
import { findWeights } from "./find-weights.js";

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
 * Lays the tensors of a weights file over a model's initial ones. Every tensor outside heads and added parts must be
 * there in its shape; heads of other classes, and what the file lacks of heads and added parts, stay as initialised.
 * So does a whole branch that the file does not fit, as long as it fits another one.
 * @param branch takes the tensors of that branch alone
 * @throws EchoDuetError `checkpoint` where the file is of another network, with the first tensors that do not fit
 */
export function applyWeights(
  weights: Weights,
  model: Model,
  declaration: Declaration,
  initial: ReadonlyMap<string, HostTensor<"float32">>,
  branch?: TaskName,
): LoadedWeights {
  const specs = [...declaration.parameters, ...declaration.buffers];
  const branches = [...new Set(specs.map(({ name }) => model.branchOf(name)))];
  const fits = branches
    .filter((each) => branch === undefined || each === branch)
    .map((each) => ({
      branch: each,
      ...fitTensors(
        weights,
        model,
        specs.filter(({ name }) => model.branchOf(name) === each),
      ),
    }));
  const fitting = fits.filter(({ wrong }) => wrong.length === 0);
  if (fitting.length === 0) throw unfit(weights, model, fits[0]?.wrong ?? []);
  const found = fitting.flatMap((fit) => [...fit.found]);
  const whole = fits.filter((fit) => !fitting.includes(fit));
  return {
    tensors: new Map([...initial, ...found]),
    loaded: found.length,
    left: [
      ...fitting.flatMap(({ left }) => left),
      ...whole.map((fit) => `the whole ${fit.branch} branch, ${fit.wrong[0]}`),
    ],
  };
}

interface Fit {
  readonly found: ReadonlyMap<string, HostTensor<"float32">>;
  /** Tensors that may stay as initialised, and those that may not: `NAME (reason)`. */
  readonly left: readonly string[];
  readonly wrong: readonly string[];
}

function fitTensors(
  weights: Weights,
  model: Model,
  specs: readonly { readonly name: string; readonly shape: Shape }[],
): Fit {
  const found = new Map<string, HostTensor<"float32">>();
  const left: string[] = [];
  const wrong: string[] = [];
  for (const { name, shape } of specs) {
    const given = model.namesInFiles(name).flatMap((known) => weights.tensors.get(known) ?? [])[0];
    if (given?.dtype === "float32" && sameShape(given.shape, shape)) {
      found.set(name, given as HostTensor<"float32">);
      continue;
    }
    const reason = given
      ? `${showShape(given.shape)} in the file, ${showShape(shape)} here`
      : "not in the file";
    const mayStay = model.isHead(name) || (!given && model.isAdded(name));
    (mayStay ? left : wrong).push(`${name} (${reason})`);
  }
  return { found, left, wrong };
}

function unfit({ path }: Weights, model: Model, wrong: readonly string[]): EchoDuetError {
  const shown = wrong.slice(0, 3).join("; ") + (wrong.length > 3 ? `; and ${wrong.length - 3} more` : "");
  return new EchoDuetError(
    "checkpoint",
    `${path}: does not fit ${model.name}: ${shown}; choose the model of the same size`,
  );
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
