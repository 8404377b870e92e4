import { EchoDuetError } from "../../errors.js";
import { PickleMachine } from "./pickle-machine.js";
import type { PickleValue } from "./pickle-values.js";

/** A YOLOv5 checkpoint's pickle takes 0.1 to 2 MB. */
const MAX_PICKLE_BYTES = 8 * 2 ** 20;

/**
 * Reads a pickle of protocol 2 to 5 without running anything of it: names on the list of known names become
 * inert records, any other name is refused. The machine is a flat loop over the bytes, so no input can
 * exhaust the call stack, and each operation costs time and memory in proportion to its bytes.
 * Source: the operation descriptions in CPython's pickletools; out-of-band buffers, extension codes and the
 * text operations of protocols 0 and 1 are left out, since torch.save writes none of them.
 * @param subject what messages call the file.
 * @throws EchoDuetError `checkpoint` where a name is not known or the bytes are malformed.
 */
export function parsePickle(bytes: Uint8Array, subject: string): PickleValue {
  if (bytes.length > MAX_PICKLE_BYTES) {
    throw new EchoDuetError(
      "checkpoint",
      `${subject}: pickle expects at most ${MAX_PICKLE_BYTES} bytes, got ${bytes.length}; not a YOLOv5 checkpoint?`,
    );
  }
  const machine: PickleMachine = new PickleMachine(bytes, subject);
  for (;;) {
    const code = machine.byte();
    if (code === STOP) return machine.pop();
    const operation = operations.get(code);
    if (operation === undefined) {
      machine.fail(
        `expected an operation that torch.save writes, got 0x${code.toString(16).padStart(2, "0")}`,
      );
    }
    operation(machine);
  }
}

const STOP = 0x2e;

/** The operations by their byte, in pickletools' names. */
const operations: ReadonlyMap<number, (machine: PickleMachine) => void> = new Map([
  [0x80, (m: PickleMachine) => checkProtocol(m, m.byte())], // PROTO
  [0x95, (m) => void m.uint64()], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => m.discard()], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP

  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x4b, (m) => m.push(m.byte())], // BININT1
  [0x4d, (m) => m.push(m.uint16())], // BININT2
  [0x8a, (m) => m.push(m.integer(m.byte()))], // LONG1
  [0x8b, (m) => m.push(m.integer(m.uint32()))], // LONG4
  [0x47, (m) => m.push(m.float64())], // BINFLOAT
  [0x8c, (m) => m.push(m.text(m.byte()))], // SHORT_BINUNICODE
  [0x58, (m) => m.push(m.text(m.uint32()))], // BINUNICODE
  [0x8d, (m) => m.push(m.text(m.uint64()))], // BINUNICODE8
  [0x55, (m) => m.push(m.text(m.byte()))], // SHORT_BINSTRING
  [0x54, (m) => m.push(m.text(m.uint32()))], // BINSTRING
  [0x43, (m) => m.pushContainer(m.take(m.byte()))], // SHORT_BINBYTES
  [0x42, (m) => m.pushContainer(m.take(m.uint32()))], // BINBYTES
  [0x8e, (m) => m.pushContainer(m.take(m.uint64()))], // BINBYTES8
  [0x96, (m) => m.pushContainer(m.take(m.uint64()))], // BYTEARRAY8

  [0x5d, (m) => m.pushContainer({ kind: "list", items: [] })], // EMPTY_LIST
  [0x6c, (m) => m.pushContainer({ kind: "list", items: m.popMark() })], // LIST
  [0x61, (m) => m.append("list", [m.pop()])], // APPEND
  [0x65, (m) => m.append("list", m.popMark())], // APPENDS
  [0x29, (m) => m.pushTuple([])], // EMPTY_TUPLE
  [0x74, (m) => m.pushTuple(m.popMark())], // TUPLE
  [0x85, (m) => m.pushTupleOf(1)], // TUPLE1
  [0x86, (m) => m.pushTupleOf(2)], // TUPLE2
  [0x87, (m) => m.pushTupleOf(3)], // TUPLE3
  [0x7d, (m) => m.pushDict([])], // EMPTY_DICT
  [0x64, (m) => m.pushDict(m.popMark())], // DICT
  [0x73, (m) => m.setItems([m.pop(), m.pop()].reverse())], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS
  [0x8f, (m) => m.pushContainer({ kind: "set", items: [] })], // EMPTY_SET
  [0x90, (m) => m.append("set", m.popMark())], // ADDITEMS
  [0x91, (m) => m.pushContainer({ kind: "set", items: m.popMark() })], // FROZENSET

  [0x71, (m) => m.remember(m.byte())], // BINPUT
  [0x72, (m) => m.remember(m.uint32())], // LONG_BINPUT
  [0x94, (m) => m.remember(m.memo.size)], // MEMOIZE
  [0x68, (m) => m.recall(m.byte())], // BINGET
  [0x6a, (m) => m.recall(m.uint32())], // LONG_BINGET

  [0x63, (m) => m.pushGlobal(m.line(), m.line())], // GLOBAL
  [0x93, (m) => m.pushStackGlobal()], // STACK_GLOBAL
  [0x51, (m) => m.pushContainer({ kind: "persistent", id: m.pop() })], // BINPERSID
  [0x52, (m) => m.call(m.pop())], // REDUCE
  [0x81, (m) => m.call(m.pop())], // NEWOBJ
  [0x92, (m) => m.callWithKeywords()], // NEWOBJ_EX
  [0x62, (m) => m.build()], // BUILD
]);

function checkProtocol(machine: PickleMachine, protocol: number): void {
  if (protocol < 2 || protocol > 5) machine.fail(`expected protocol 2 to 5, got ${protocol}`);
}
