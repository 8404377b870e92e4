import { closeSync, openSync, readSync } from "node:fs";
import { EchoDuetError } from "../../errors.js";
import { ioError } from "../../io/index.js";

/** An element of an array at the top level of a JSON file. */
export interface ArrayElement {
  readonly key: string;
  readonly index: number;
  readonly value: unknown;
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** A value larger than this is no annotation, and V8 could not hold its text anyway. */
const largestValue = 256 * 2 ** 20;

/**
 * The elements of the arrays `keys` of the object that a JSON file holds, in the file's order. The file is
 * read piece by piece and its elements are parsed one at a time, so that it may be larger than a string or
 * the memory. Values under other keys are skipped.
 * @throws EchoDuetError `data` with file, JSON path and byte, where it is no JSON object, a key comes twice or
 *   holds no array; `io` where the file cannot be read
 */
export function* readJsonArrays(file: string, keys: readonly string[]): Generator<ArrayElement> {
  const splitter = new Splitter(file, keys);
  for (const piece of pieces(file)) yield* splitter.push(piece);
  splitter.end();
}

function* pieces(file: string): Generator<Uint8Array> {
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (cause) {
    throw ioError(file, "read", cause);
  }
  const buffer = new Uint8Array(1 << 20);
  try {
    for (;;) {
      let length: number;
      try {
        length = readSync(handle, buffer);
      } catch (cause) {
        throw ioError(file, "read", cause);
      }
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(handle);
  }
}

type ValueKind = "string" | "nested" | "plain";
type Expecting = "object" | "key" | "colon" | "value" | "next key" | "element" | "next element" | "end";

/** Cuts the bytes of a JSON object into its keys and values; `JSON.parse` judges those that are wanted. */
class Splitter {
  #expecting: Expecting = "object";
  #offset = 0;
  /** Of the value in progress. */
  #parts: Uint8Array[] = [];
  #length = 0;
  #depth = 0;
  #kind: ValueKind | null = null;
  #inString = false;
  #escaped = false;
  /** The key, and the index of the element, that the value belongs to. */
  #key = "";
  #index = 0;
  #first = true;
  readonly #seen = new Set<string>();

  constructor(
    readonly file: string,
    readonly keys: readonly string[],
  ) {}

  *push(piece: Uint8Array): Generator<ArrayElement> {
    let start = 0;
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at];
      if (this.#kind === null) {
        if (isSpace(byte) || this.#isMark(byte, this.#offset + at)) continue;
        start = at;
        // What opens a string or a list does not close it.
        if (this.#open(byte) !== "plain") continue;
      }
      const ended = this.#advance(byte);
      if (!ended) continue;
      const after = ended === "with this byte" ? at + 1 : at;
      this.#keep(piece.subarray(start, after));
      yield* this.#close(this.#offset + after);
      // The byte after a number or a word belongs to what comes next.
      if (ended === "before this byte" && !isSpace(byte)) this.#isMark(byte, this.#offset + at);
    }
    if (this.#kind !== null) this.#keep(piece.slice(start));
    this.#offset += piece.length;
  }

  end(): void {
    if (this.#expecting !== "end") this.#fail(this.#offset, "the end of the file");
  }

  /** Deals with a byte between values; false where a value begins there. */
  #isMark(byte: number, offset: number): boolean {
    const state = this.#expecting;
    const go = (next: Expecting): true => {
      this.#expecting = next;
      return true;
    };
    if (state === "object") {
      // A byte order mark of UTF-8.
      if (
        (byte === 0xef && offset === 0) ||
        (byte === 0xbb && offset === 1) ||
        (byte === 0xbf && offset === 2)
      ) {
        return true;
      }
      if (byte === openBrace) return go("key");
    }
    if (state === "colon" && byte === colon) return go("value");
    if ((state === "next key" || (state === "key" && this.#first)) && byte === closeBrace) return go("end");
    if (state === "next key" && byte === comma) {
      this.#first = false;
      return go("key");
    }
    if ((state === "next element" || (state === "element" && this.#index === 0)) && byte === closeBracket) {
      return go("next key");
    }
    if (state === "next element" && byte === comma) return go("element");
    if (state === "value" && byte === openBracket && this.keys.includes(this.#key)) {
      this.#index = 0;
      return go("element");
    }
    const begins = state === "value" || state === "element" || (state === "key" && byte === quote);
    const ends = [comma, colon, closeBrace, closeBracket].includes(byte);
    if (!begins || ends) this.#fail(offset, `\`${String.fromCharCode(byte)}\``);
    if (state === "value" && this.keys.includes(this.#key)) {
      throw new EchoDuetError("data", `${this.file}: ${this.#key}: expected a list, got another value`);
    }
    return false;
  }

  #open(byte: number): ValueKind {
    this.#parts = [];
    this.#length = 0;
    this.#depth = byte === openBrace || byte === openBracket ? 1 : 0;
    this.#inString = byte === quote;
    this.#escaped = false;
    const kind = this.#depth > 0 ? "nested" : this.#inString ? "string" : "plain";
    this.#kind = kind;
    return kind;
  }

  #advance(byte: number): "with this byte" | "before this byte" | null {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) {
        this.#inString = false;
        if (this.#kind === "string") return "with this byte";
      }
      return null;
    }
    if (this.#kind === "plain") {
      const ends = isSpace(byte) || byte === comma || byte === closeBrace || byte === closeBracket;
      return ends ? "before this byte" : null;
    }
    if (byte === quote) this.#inString = true;
    else if (byte === openBrace || byte === openBracket) this.#depth++;
    else if ((byte === closeBrace || byte === closeBracket) && --this.#depth === 0) return "with this byte";
    return null;
  }

  #keep(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (!this.#wanted()) return;
    if (this.#length > largestValue) this.#fail(this.#offset, `a value of over ${largestValue} bytes`);
    this.#parts.push(bytes);
  }

  #wanted(): boolean {
    return this.#expecting === "key" || this.#expecting === "element";
  }

  *#close(offset: number): Generator<ArrayElement> {
    this.#kind = null;
    if (this.#expecting === "value") {
      this.#expecting = "next key";
      return;
    }
    const value = this.#parse(offset);
    this.#parts = [];
    if (this.#expecting === "key") {
      this.#key = String(value);
      if (this.keys.includes(this.#key) && this.#seen.has(this.#key)) {
        throw new EchoDuetError("data", `${this.file}: ${this.#key}: expected the key once, got it twice`);
      }
      this.#seen.add(this.#key);
      this.#expecting = "colon";
      return;
    }
    this.#expecting = "next element";
    yield { key: this.#key, index: this.#index++, value };
  }

  #parse(offset: number): unknown {
    const text = Buffer.concat(this.#parts).toString("utf8");
    try {
      return JSON.parse(text);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#fail(offset, `\`${text.length > 60 ? `${text.slice(0, 57)}...` : text}\` (${reason})`);
    }
  }

  #fail(offset: number, got: string): never {
    const path = this.#expecting.includes("element") ? `${this.#key}[${this.#index}]: ` : "";
    const wanted = {
      object: "a JSON object `{...}`",
      key: "a key in quotes",
      colon: "a colon",
      value: "a value",
      "next key": "a comma or `}`",
      element: "a JSON value",
      "next element": "a comma or `]`",
      end: "nothing more",
    }[this.#expecting];
    throw new EchoDuetError("data", `${this.file}: ${path}expected ${wanted} at byte ${offset}, got ${got}`);
  }
}
