/**
 * What a pickle holds, once read: plain data, and inert records of everything that Python would have called
 * or built. Integers are numbers where they fit 2^53, and bigints beyond.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleSet
  | PickleDict
  | PickleGlobal
  | PickleRecord
  | PicklePersistent;

export interface PickleList {
  readonly kind: "list";
  readonly items: PickleValue[];
}

export interface PickleTuple {
  readonly kind: "tuple";
  readonly items: readonly PickleValue[];
}

export interface PickleSet {
  readonly kind: "set";
  readonly items: PickleValue[];
}

/** A dict or OrderedDict; keys that are not primitive compare by identity. */
export interface PickleDict {
  readonly kind: "dict";
  readonly entries: Map<PickleValue, PickleValue>;
}

/** The name of a class or function, `models.yolo.Model`; nothing stands behind it. */
export interface PickleGlobal {
  readonly kind: "global";
  readonly name: string;
}

/** What Python would have made by calling `name` with `args` and then setting `state`. */
export interface PickleRecord {
  readonly kind: "record";
  readonly name: string;
  readonly args: readonly PickleValue[];
  state: PickleValue;
}

/** A reference to data outside the pickle: for torch.save, ("storage", class, key, location, elements). */
export interface PicklePersistent {
  readonly kind: "persistent";
  readonly id: PickleValue;
}

type Kinded = Extract<PickleValue, { kind: string }>;

/** Whether `value` is of `kind`. */
export function isKind<K extends Kinded["kind"]>(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<Kinded, { kind: K }> {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === kind;
}

/** `value` in a few words, for messages: "a dict", "models.yolo.Model". */
export function describeValue(value: PickleValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (value instanceof Uint8Array) return "bytes";
  if (typeof value === "object") return "name" in value ? value.name : `a ${value.kind}`;
  const text = String(value);
  return typeof value === "string" ? JSON.stringify(text.slice(0, 80)) : text.slice(0, 80);
}
