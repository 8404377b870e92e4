import { EchoDuetError } from "../../errors.js";
import type { HostTensor } from "../../tensor/index.js";
import { readWeightsFile } from "../safetensors.js";
import { describeFileKind, fileKind } from "./file-kind.js";
import { isModule, isStateDict, member, stateDictRecords } from "./module-tree.js";
import { parsePickle } from "./pickle.js";
import {
  describeValue,
  isKind,
  type PickleDict,
  type PickleRecord,
  type PickleValue,
} from "./pickle-values.js";
import { StorageReader } from "./tensors.js";
import { openZip, type ZipArchive } from "./zip.js";

/** Plain data out of a pickle. */
export type PlainValue = string | number | boolean | null | PlainValue[] | { [key: string]: PlainValue };

/** What a checkpoint says of itself beside its tensors; null where it does not. */
export interface CheckpointRecords {
  /** The key that the tensors were found under; `root` for a file that is a state dict itself. */
  source: "ema" | "model" | "state_dict" | "root";
  /** The model's class, `models.yolo.Model`; null for a state dict. */
  moduleClass: string | null;
  /** Class names by index. */
  names: string[] | null;
  /** Number of classes. */
  nc: number | null;
  /** The last epoch trained, -1 in a finished checkpoint. */
  epoch: number | null;
  /** The architecture as the model keeps it. */
  yaml: PlainValue | null;
}

/** A PyTorch checkpoint: tensors under their state-dict names, and what it says of itself. */
export interface PyTorchCheckpoint {
  tensors: Map<string, HostTensor>;
  records: CheckpointRecords;
}

const MAX_PLAIN_DEPTH = 16;
const MAX_PLAIN_VALUES = 20_000;

/**
 * Reads the PyTorch checkpoint at `path` (`.pt`, the zip format of PyTorch 1.6 and later) without running
 * anything of it: see `parsePyTorchCheckpoint`.
 * @throws EchoDuetError `io` where the file cannot be read, `checkpoint` where it is malformed or refused.
 */
export function readPyTorchCheckpoint(path: string): PyTorchCheckpoint {
  return parsePyTorchCheckpoint(readWeightsFile(path), `checkpoint ${path}`);
}

/**
 * The tensors and records of a torch.save archive held in `bytes`. Accepts a YOLOv5 checkpoint (a dict whose
 * `ema`, or else `model`, is a module or a state dict), a dict with `state_dict`, or a state dict alone.
 * float16 and bfloat16 tensors become float32; float64, int32, int64, uint8 and bool keep their dtype.
 * @param subject what messages call the file, `checkpoint FILE`.
 * @throws EchoDuetError `checkpoint` where the file is of another format, damaged, holds no model, or names
 * anything that YOLOv5 checkpoints do not hold.
 */
export function parsePyTorchCheckpoint(bytes: Uint8Array, subject: string): PyTorchCheckpoint {
  const { archive, prefix } = openArchive(bytes, subject);
  const root = parsePickle(archive.read(`${prefix}data.pkl`), subject);
  const { source, model } = findModel(root, subject);
  const reader = new StorageReader(archive, `${prefix}data/`, subject);
  const tensors = new Map<string, HostTensor>();
  for (const [name, record] of stateDictRecords(subject, model)) tensors.set(name, reader.read(name, record));
  return { tensors, records: recordsOf(root, source, model) };
}

function fail(subject: string, problem: string): never {
  throw new EchoDuetError("checkpoint", `${subject}: ${problem}`);
}

/** The archive and the folder inside it (named by torch.save after the file) that holds `data.pkl`. */
function openArchive(bytes: Uint8Array, subject: string): { archive: ZipArchive; prefix: string } {
  const kind = fileKind(bytes);
  if (kind !== "zip") {
    fail(subject, `expected a PyTorch zip archive, got ${describeFileKind(kind)}; ${remedies[kind]}`);
  }
  const archive = openZip(bytes, subject);
  const prefixes = archive.names.flatMap((name) => /^((?:[^/]*\/)?)data\.pkl$/.exec(name)?.[1] ?? []);
  if (prefixes.length !== 1) {
    fail(
      subject,
      `expected one data.pkl in the archive, as torch.save writes it, got ${prefixes.length}; check the file`,
    );
  }
  const prefix = prefixes[0];
  if (archive.size(`${prefix}constants.pkl`) !== undefined) {
    fail(
      subject,
      "expected a checkpoint of torch.save, got a TorchScript program; use the .pt that it came from",
    );
  }
  if (archive.size(`${prefix}byteorder`) !== undefined) {
    const order = new TextDecoder().decode(archive.read(`${prefix}byteorder`)).slice(0, 16);
    if (order !== "little") {
      fail(
        subject,
        `byteorder expects "little", got ${JSON.stringify(order)}; re-save it on another machine`,
      );
    }
  }
  return { archive, prefix };
}

const remedies = {
  empty: "download or copy it again",
  pickle: "re-save it with a recent PyTorch: torch.save(torch.load(FILE), NEW)",
  tar: "re-save it with a recent PyTorch: torch.save(torch.load(FILE), NEW)",
  safetensors: "rename it to end in .safetensors",
  "git-lfs": "fetch the file itself with git lfs pull",
  html: "download the file itself",
  unknown: "check which file was meant, or download it again",
};

/** What YOLOv5 itself would load: the averaged model where there is one, else the model. */
function findModel(root: PickleValue, subject: string) {
  if (isStateDict(root)) return { source: "root", model: root } as const;
  if (isModule(root)) return { source: "root", model: root } as const;
  for (const source of ["ema", "model", "state_dict"] as const) {
    const model = member(root, source);
    if (isModule(model) || isStateDict(model)) return { source, model };
  }
  const keys = isKind(root, "dict")
    ? [...root.entries.keys()].slice(0, 12).map(describeValue).join(", ")
    : null;
  fail(
    subject,
    "expected a model or a state dict under ema, model or state_dict, got " +
      (keys === null ? describeValue(root) : `a dict of ${keys}`),
  );
}

function recordsOf(
  root: PickleValue,
  source: CheckpointRecords["source"],
  model: PickleRecord | PickleDict,
): CheckpointRecords {
  const state = isKind(model, "record") ? model.state : undefined;
  const yaml = member(state, "yaml");
  const epoch = member(root, "epoch");
  const nc = [member(state, "nc"), member(yaml, "nc")].find((value) => typeof value === "number");
  return {
    source,
    moduleClass: isKind(model, "record") ? model.name : null,
    names: classNames(member(state, "names")),
    nc: typeof nc === "number" ? nc : null,
    epoch: typeof epoch === "number" ? epoch : null,
    yaml: isKind(yaml, "dict") ? plain(yaml, { left: MAX_PLAIN_VALUES }, 0) : null,
  };
}

/** Class names from a list, or from a dict of indices 0 .. n - 1; null where they are neither. */
function classNames(value: PickleValue | undefined): string[] | null {
  let names: readonly (PickleValue | undefined)[] | undefined;
  if (isKind(value, "list")) names = value.items;
  else if (isKind(value, "dict")) {
    names = Array.from({ length: value.entries.size }, (_, index) => value.entries.get(index));
  }
  const isName = (name: PickleValue | undefined) => typeof name === "string" || typeof name === "number";
  return names?.every(isName) ? names.map(String) : null;
}

/** Plain data of `value`; records become their names in angle brackets, too deep null, too much is cut. */
function plain(value: PickleValue, budget: { left: number }, depth: number): PlainValue {
  if (--budget.left < 0 || depth > MAX_PLAIN_DEPTH) return null;
  if (
    value === null ||
    typeof value === "boolean" ||
    typeof value === "number" ||
    typeof value === "string"
  ) {
    return value;
  }
  if (isKind(value, "list") || isKind(value, "tuple")) {
    const items: PlainValue[] = [];
    for (const item of value.items) {
      if (budget.left <= 0) break;
      items.push(plain(item, budget, depth + 1));
    }
    return items;
  }
  if (isKind(value, "dict")) {
    const entries: [string, PlainValue][] = [];
    for (const [key, item] of value.entries) {
      if (budget.left <= 0) break;
      entries.push([typeof key === "string" ? key : describeValue(key), plain(item, budget, depth + 1)]);
    }
    return Object.fromEntries(entries);
  }
  return `<${describeValue(value)}>`;
}
