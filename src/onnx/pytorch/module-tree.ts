import { EchoDuetError } from "../../errors.js";
import { isKind, type PickleDict, type PickleRecord, type PickleValue } from "./pickle-values.js";
import { tensorRecord } from "./tensors.js";

const MAX_DEPTH = 64;
const MAX_NAME_LENGTH = 128;
/** Parameters, buffers and modules together; YOLOv5x has about 2,000. */
const MAX_MEMBERS = 100_000;

/** The value under `key` of a dict, undefined where it is not a dict or has no such key. */
export function member(value: PickleValue | undefined, key: string): PickleValue | undefined {
  return isKind(value, "dict") ? value.entries.get(key) : undefined;
}

/** Whether `value` is the record of a `torch.nn.Module`, known by its tables of parameters and modules. */
export function isModule(value: PickleValue | undefined): value is PickleRecord {
  if (!isKind(value, "record")) return false;
  return (
    isKind(member(value.state, "_parameters"), "dict") && isKind(member(value.state, "_modules"), "dict")
  );
}

/** Whether `value` is a state dict: a dict with at least one entry whose values are all tensors. */
export function isStateDict(value: PickleValue | undefined): value is PickleDict {
  if (!isKind(value, "dict") || value.entries.size === 0) return false;
  return [...value.entries.values()].every((entry) => tensorRecord(entry) !== undefined);
}

/**
 * The tensor records of a module or state dict under their state-dict names, `model.0.conv.weight`, in
 * PyTorch's order: own parameters, own buffers but those that are not persistent, then each child's.
 * @throws EchoDuetError `checkpoint` where the tree is malformed, or deeper or wider than any real model.
 */
export function stateDictRecords(
  subject: string,
  root: PickleRecord | PickleDict,
): Map<string, PickleRecord> {
  const out = new Map<string, PickleRecord>();
  let members = 0;
  const claim = (count: number): void => {
    members += count;
    if (members > MAX_MEMBERS)
      fail(subject, `expected at most ${MAX_MEMBERS} parameters and modules, got more`);
  };

  const visit = (
    table: PickleValue | undefined,
    prefix: string,
    use: (name: string, value: PickleValue) => void,
  ) => {
    if (!isKind(table, "dict")) return;
    for (const [key, value] of table.entries) {
      if (typeof key !== "string" || key.length > MAX_NAME_LENGTH)
        fail(subject, `${prefix}: expected short names`);
      claim(1);
      if (value !== null) use(prefix + key, value);
    }
  };
  const useTensor = (name: string, value: PickleValue): void => {
    const record = tensorRecord(value);
    if (record === undefined) fail(subject, `${JSON.stringify(name)}: expected a tensor, got another value`);
    out.set(name, record);
  };
  const walk = (module: PickleRecord, prefix: string, depth: number): void => {
    if (depth > MAX_DEPTH) fail(subject, `expected modules nested at most ${MAX_DEPTH} deep, got more`);
    const transient = setMembers(member(module.state, "_non_persistent_buffers_set"));
    claim(transient.length);
    const isTransient = new Set(transient);
    visit(member(module.state, "_parameters"), prefix, useTensor);
    visit(member(module.state, "_buffers"), prefix, (name, value) => {
      if (!isTransient.has(name.slice(prefix.length))) useTensor(name, value);
    });
    visit(member(module.state, "_modules"), prefix, (name, child) => {
      if (!isModule(child)) fail(subject, `${JSON.stringify(name)}: expected a module, got another value`);
      walk(child, `${name}.`, depth + 1);
    });
  };

  if (isKind(root, "dict")) visit(root, "", useTensor);
  else walk(root, "", 0);
  return out;
}

function fail(subject: string, problem: string): never {
  throw new EchoDuetError(
    "checkpoint",
    `${subject}: ${problem}; the file is damaged or not a YOLOv5 checkpoint`,
  );
}

/** Items of a set, as protocols from 4 on write it, or of the call set([...]) of the older ones. */
function setMembers(value: PickleValue | undefined): readonly PickleValue[] {
  if (isKind(value, "set")) return value.items;
  const list = isKind(value, "record") ? value.args[0] : undefined;
  return isKind(list, "list") ? list.items : [];
}
