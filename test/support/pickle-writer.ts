import { zipSync } from "fflate";

/** Pickle bytes (protocol 2) that leave one value on the stack. */
export type Piece = readonly number[];

const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];
const uint32 = (value: number): number[] => [...new Uint8Array(new Uint32Array([value]).buffer)];

export const none: Piece = ascii("N");
export const int = (value: number): Piece => [...ascii("J"), ...uint32(value)];
export const bool = (value: boolean): Piece => [value ? 0x88 : 0x89];
export const text = (value: string): Piece => [
  ...ascii("X"),
  ...uint32(ascii(value).length),
  ...ascii(value),
];
export const tuple = (...items: Piece[]): Piece => [...ascii("("), ...items.flat(), ...ascii("t")];
export const list = (...items: Piece[]): Piece => [...ascii("]("), ...items.flat(), ...ascii("e")];
export const dict = (...pairs: [Piece, Piece][]): Piece => [...ascii("}("), ...pairs.flat(2), ...ascii("u")];
export const global = (module: string, name: string): Piece => ascii(`c${module}\n${name}\n`);
/** What Python does on loading this: call `callee(*args)`. */
export const reduce = (callee: Piece, ...args: Piece[]): Piece => [
  ...callee,
  ...tuple(...args),
  ...ascii("R"),
];
export const persistent = (id: Piece): Piece => [...id, ...ascii("Q")];
export const newObject = (type: Piece): Piece => [...type, ...ascii(")"), 0x81];
export const build = (object: Piece, state: Piece): Piece => [...object, ...state, ...ascii("b")];
export const orderedDict = (...pairs: [Piece, Piece][]): Piece => [
  ...reduce(global("collections", "OrderedDict")),
  ...ascii("("),
  ...pairs.flat(2),
  ...ascii("u"),
];

/** A whole pickle of `value`. */
export const pickle = (value: Piece): Uint8Array => Uint8Array.from([0x80, 2, ...value, ...ascii(".")]);

/** A tensor as torch.save writes it. Sizes, strides and the offset count elements. */
export function tensor(options: {
  storage: string;
  key: string;
  elements: number;
  size: number[];
  stride: number[];
  offset?: number;
}): Piece {
  const { storage, key, elements, size, stride, offset = 0 } = options;
  const id = tuple(text("storage"), global("torch", storage), text(key), text("cpu"), int(elements));
  return reduce(
    global("torch._utils", "_rebuild_tensor_v2"),
    persistent(id),
    int(offset),
    tuple(...size.map(int)),
    tuple(...stride.map(int)),
    bool(false),
    orderedDict(),
  );
}

/** A float32 vector of `elements` over the storage `key`. */
export const vector = (key: string, elements: number): Piece =>
  tensor({ storage: "FloatStorage", key, elements, size: [elements], stride: [1] });

/** A tensor as a parameter. */
export const parameter = (value: Piece): Piece =>
  reduce(global("torch._utils", "_rebuild_parameter"), value, bool(true), orderedDict());

/** A torch.nn.Module of class `type` with its tables and further attributes. */
export function moduleRecord(
  type: [module: string, name: string],
  tables: Partial<Record<"parameters" | "buffers" | "modules" | "attributes", [string, Piece][]>>,
): Piece {
  const named = (pairs: [string, Piece][] = []) =>
    pairs.map(([key, value]): [Piece, Piece] => [text(key), value]);
  return build(
    newObject(global(...type)),
    dict(
      [text("_parameters"), orderedDict(...named(tables.parameters))],
      [text("_buffers"), orderedDict(...named(tables.buffers))],
      [text("_modules"), orderedDict(...named(tables.modules))],
      ...named(tables.attributes),
    ),
  );
}

/** The bytes of a `.pt`: `data.pkl` and the storages 0, 1, ... in a zip archive, stored unless `deflate`. */
export function checkpointZip(
  data: Uint8Array,
  storages: readonly Uint8Array[],
  options: { deflate?: boolean; extra?: Record<string, Uint8Array> } = {},
): Uint8Array {
  const files: Record<string, Uint8Array> = { "archive/data.pkl": data };
  for (const [key, bytes] of storages.entries()) files[`archive/data/${key}`] = bytes;
  return zipSync(
    { ...files, "archive/version": Uint8Array.from(ascii("3\n")), ...options.extra },
    { level: options.deflate ? 1 : 0, mtime: new Date(2020, 0, 1) },
  );
}
