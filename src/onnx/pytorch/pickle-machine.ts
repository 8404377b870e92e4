import { EchoDuetError } from "../../errors.js";
import { knownNames, ORDERED_DICT } from "./known-names.js";
import { describeValue, isKind, type PickleValue } from "./pickle-values.js";

/** Far above what a YOLOv5 checkpoint needs; they bound what hostile bytes can make us hold. */
const MAX_CONTAINERS = 500_000;
const MAX_REMEMBERED = 1_000_000;
const MAX_NAME_BYTES = 256;
const MAX_INTEGER_BYTES = 16;

/**
 * The stack, marks, memo and position of one reading of a pickle. Its methods are the steps that operations are
 * made of; each throws an EchoDuetError `checkpoint` where the bytes do not allow it.
 */
export class PickleMachine {
  readonly memo = new Map<number, PickleValue>();
  private readonly stack: PickleValue[] = [];
  private readonly marks: number[] = [];
  private readonly view: DataView;
  private position = 0;
  private containers = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly subject: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  fail(problem: string): never {
    throw new EchoDuetError(
      "checkpoint",
      `${this.subject}: malformed pickle at byte ${this.position}: ${problem}; download or copy the file again`,
    );
  }

  /** Claims `count` bytes and returns where they begin. */
  private claim(count: number): number {
    const start = this.position;
    const left = this.bytes.length - start;
    if (count > left) this.fail(`truncated: expected ${count} more bytes, got ${left}`);
    this.position += count;
    return start;
  }

  take(count: number): Uint8Array {
    const start = this.claim(count);
    return this.bytes.subarray(start, start + count);
  }

  byte(): number {
    return this.view.getUint8(this.claim(1));
  }

  uint16(): number {
    return this.view.getUint16(this.claim(2), true);
  }

  int32(): number {
    return this.view.getInt32(this.claim(4), true);
  }

  uint32(): number {
    return this.view.getUint32(this.claim(4), true);
  }

  /** Beyond 2^53 digits are lost, which is no matter: no such count of bytes can be claimed. */
  uint64(): number {
    return Number(this.view.getBigUint64(this.claim(8), true));
  }

  float64(): number {
    return this.view.getFloat64(this.claim(8), false);
  }

  /** Text of `count` bytes in UTF-8; lone surrogates, which Python can write, become U+FFFD. */
  text(count: number): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.take(count));
  }

  /** The text up to the next line feed, which is consumed. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0 || end - this.position > MAX_NAME_BYTES)
      this.fail("expected a name that ends in a line feed");
    const text = this.text(end - this.position);
    this.position = end + 1;
    return text;
  }

  /** A two's complement little-endian integer of `count` bytes. */
  integer(count: number): number | bigint {
    if (count > MAX_INTEGER_BYTES)
      this.fail(`expected an integer of at most ${MAX_INTEGER_BYTES} bytes, got ${count}`);
    let value = 0n;
    for (const [index, byte] of this.take(count).entries()) value |= BigInt(byte) << BigInt(8 * index);
    const signed = BigInt.asIntN(8 * count, value);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  /** Pushes a value that owns memory of its own, within the limit of how many there may be. */
  pushContainer(value: PickleValue): void {
    if (++this.containers > MAX_CONTAINERS)
      this.fail(`expected at most ${MAX_CONTAINERS} containers and records`);
    this.stack.push(value);
  }

  private floor(): number {
    return this.marks.at(-1) ?? 0;
  }

  pop(): PickleValue {
    if (this.stack.length <= this.floor()) this.fail("expected a value on the stack, got none");
    return this.stack.pop() as PickleValue;
  }

  top(): PickleValue {
    if (this.stack.length <= this.floor()) this.fail("expected a value on the stack, got none");
    return this.stack[this.stack.length - 1];
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  popMark(): PickleValue[] {
    const mark = this.marks.pop();
    if (mark === undefined) this.fail("expected a mark on the stack, got none");
    return this.stack.splice(mark);
  }

  /** POP removes the mark where nothing lies above it. */
  discard(): void {
    if (this.marks.length > 0 && this.stack.length === this.floor()) this.marks.pop();
    else this.pop();
  }

  popName(): string {
    const value = this.pop();
    if (typeof value !== "string") this.fail(`expected a name, got ${describeValue(value)}`);
    return value;
  }

  remember(index: number): void {
    this.memo.set(index, this.top());
    if (this.memo.size > MAX_REMEMBERED) this.fail(`expected at most ${MAX_REMEMBERED} remembered values`);
  }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) this.fail(`expected a value remembered as ${index}, got none`);
    this.stack.push(value);
  }

  pushGlobal(module: string, member: string): void {
    const name = `${module}.${member}`;
    if (!knownNames.has(name)) {
      throw new EchoDuetError(
        "checkpoint",
        `${this.subject}: refused: pickle asks for ${printable(name)}; expected only names that YOLOv5 checkpoints hold,` +
          " and nothing of the file was run; if you trust the file, save its weights alone from PyTorch:" +
          " torch.save(model.state_dict(), FILE)",
      );
    }
    this.pushContainer({ kind: "global", name });
  }

  /** The same with both names on the stack, the member's above its module's. */
  pushStackGlobal(): void {
    const member = this.popName();
    this.pushGlobal(this.popName(), member);
  }

  /** `call` with the keyword arguments on the stack dropped. */
  callWithKeywords(): void {
    this.pop();
    this.call(this.pop());
  }

  /** The record of calling the global on the stack's top with `args`; nothing is called. */
  call(args: PickleValue): void {
    const callee = this.pop();
    if (!isKind(callee, "global") || !isKind(args, "tuple")) {
      this.fail(
        `expected a name to call with a tuple, got ${describeValue(callee)} and ${describeValue(args)}`,
      );
    }
    if (callee.name !== ORDERED_DICT) {
      this.pushContainer({ kind: "record", name: callee.name, args: args.items, state: null });
    } else if (args.items.length === 0) {
      this.pushDict([]);
    } else {
      this.fail(`expected ${ORDERED_DICT} without arguments, got ${args.items.length}`);
    }
  }

  /** Sets the state of a record. An OrderedDict's attributes (a state dict's `_metadata`) are dropped. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (isKind(target, "record")) target.state = state;
    else if (!isKind(target, "dict"))
      this.fail(`expected a record to give a state, got ${describeValue(target)}`);
  }

  append(kind: "list" | "set", items: readonly PickleValue[]): void {
    const target = this.top();
    if (!isKind(target, kind)) this.fail(`expected a ${kind} to extend, got ${describeValue(target)}`);
    for (const item of items) target.items.push(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const target = this.top();
    if (!isKind(target, "dict")) this.fail(`expected a dict to extend, got ${describeValue(target)}`);
    if (items.length % 2 !== 0) this.fail(`expected pairs of key and value, got ${items.length} values`);
    for (let i = 0; i < items.length; i += 2) target.entries.set(items[i], items[i + 1]);
  }

  /** Pushes a dict of keys and values in turn. */
  pushDict(items: readonly PickleValue[]): void {
    this.pushContainer({ kind: "dict", entries: new Map() });
    this.setItems(items);
  }

  pushTuple(items: PickleValue[]): void {
    this.pushContainer({ kind: "tuple", items });
  }

  pushTupleOf(count: number): void {
    const items = Array.from({ length: count }, () => this.pop());
    this.pushTuple(items.reverse());
  }
}

/** A hostile name, safe to print: control and non-ASCII characters escaped, and cut. */
function printable(name: string): string {
  const cut = name.length > 120 ? `${name.slice(0, 120)}...` : name;
  return cut.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
