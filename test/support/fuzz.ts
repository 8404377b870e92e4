import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import fc from "fast-check";
import { vi } from "vitest";
import { EchoDuetError } from "../../src/errors.js";
import { type RandomStream, randomStream } from "../../src/tensor/index.js";

/** ECHODUET_LONG=1 asks for the long form: thousands of inputs, other ones each time. */
export const isLong = process.env.ECHODUET_LONG === "1";
if (isLong) vi.setConfig({ testTimeout: 1_800_000 });

/** Options of `fc.assert`: the same inputs each time in the short form, new ones in the long form. */
export function runs(short: number, long: number): { numRuns: number; seed?: number } {
  return isLong ? { numRuns: long } : { numRuns: short, seed: 1 };
}

/** Far above what any of the inputs takes on a busy machine, far below a hang. */
const limitMs = 60_000;
const script = new vm.Script("work()");
const context = vm.createContext({ work: () => {} });

/**
 * The result of `work`, or the EchoDuetError that it throws. Any other error fails the test, and so does work
 * that has not ended after some seconds, which is stopped, a backtracking regular expression as well.
 */
export function settle<T>(work: () => T): T | EchoDuetError {
  try {
    context.work = work;
    return script.runInContext(context, { timeout: limitMs }) as T;
  } catch (error) {
    if (error instanceof EchoDuetError) return error;
    throw error;
  }
}

/** As `settle`, for work that waits; what blocks the thread is not stopped. */
export async function settleAsync<T>(work: () => Promise<T>): Promise<T | EchoDuetError> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer after ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    if (error instanceof EchoDuetError) return error;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Pieces of text that readers of numbers, YAML, JSON and paths have trouble with. */
const nasty = [
  ..."\0 \u2028 \uFEFF \r 0x10 1e999 -1e-400 NaN Infinity -0 1_000 ٣ 9007199254740993 99999999999999999999".split(
    " ",
  ),
  ...".. ../../etc/passwd /etc/passwd ~ __proto__ constructor toString null true [ ] { } & * ! | > % @ ` ' \" # : , -".split(
    " ",
  ),
  ..."*a &a !!js/function !!binary <<: ? --- ... \\ \\u0000 \\ud800".split(" "),
  "\n\n",
  "\t",
  "a".repeat(300),
  "9".repeat(400),
];

/** `bytes` with one to five faults: bytes flipped, cut out, doubled, inserted, cut off, lines in another order. */
export function mutate(bytes: Uint8Array, seed: number): Buffer {
  const random = randomStream(seed, "mutate");
  let out = Buffer.from(bytes);
  for (let count = 1 + random.integer(5); count > 0; count--) out = mutateOnce(out, random);
  return out;
}

function mutateOnce(bytes: Buffer<ArrayBuffer>, random: RandomStream): Buffer<ArrayBuffer> {
  const at = random.integer(bytes.length + 1);
  const end = Math.min(bytes.length, at + 1 + random.integer(random.integer(4) === 0 ? 2000 : 12));
  const splice = (from: number, to: number, middle: Uint8Array | string) =>
    Buffer.concat([bytes.subarray(0, from), Buffer.from(middle as string), bytes.subarray(to)]);
  switch (random.integer(8)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (at < bytes.length) flipped[at] ^= 1 << random.integer(8);
      return flipped;
    }
    case 1:
      return splice(at, end, Buffer.from(Array.from({ length: end - at }, () => random.integer(256))));
    case 2:
      return splice(at, end, "");
    case 3:
      return splice(at, at, bytes.subarray(at, end));
    case 4:
      return Buffer.from(bytes.subarray(0, at));
    case 5:
      return Buffer.from(random.shuffled(bytes.toString("latin1").split("\n")).join("\n"), "latin1");
    case 6:
      return replaceNumber(bytes, random);
    default:
      return splice(at, random.integer(2) === 0 ? at : end, nasty[random.integer(nasty.length)]);
  }
}

function replaceNumber(bytes: Buffer<ArrayBuffer>, random: RandomStream): Buffer<ArrayBuffer> {
  const text = bytes.toString("latin1");
  const numbers = [...text.matchAll(/\d+(\.\d+)?/g)];
  if (numbers.length === 0) return bytes;
  const { 0: found, index } = numbers[random.integer(numbers.length)];
  const value = ["-1", "0", "1", "2", "1e308", "4294967296", "0.5", "-0.0000001", "1.5", "null"][
    random.integer(10)
  ];
  return Buffer.from(text.slice(0, index) + value + text.slice(index + found.length), "latin1");
}

/** An arbitrary mutation of one of `sources`. */
export function mutated(sources: readonly Uint8Array[]): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.nat(sources.length - 1), fc.integer({ min: 0, max: 2 ** 31 - 1 }))
    .map(([index, seed]) => mutate(sources[index], seed));
}

/** Any text: random characters, or pieces that readers have trouble with. */
export const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc
    .array(fc.oneof(fc.constantFrom(...nasty), fc.double().map(String), fc.string({ maxLength: 5 })), {
      maxLength: 30,
    })
    .map((parts) => parts.join(" ")),
);

const realFolder = fileURLToPath(new URL("../../../shared/data/regurgitation/", import.meta.url));

/** Files of the regurgitation frames, read where they lie; none, with a printed reason, where they are not. */
export function realFiles(kind: "labels" | "images", count: number): Buffer[] {
  const folder = join(realFolder, "train", kind);
  if (!existsSync(folder)) {
    console.warn("skipped: real files, shared/data/regurgitation is not beside the checkout");
    return [];
  }
  const names = readdirSync(folder).sort();
  const step = Math.max(1, Math.floor(names.length / count));
  return names
    .filter((_, index) => index % step === 0)
    .slice(0, count)
    .map((name) => readFileSync(join(folder, name)));
}

/** The data.yaml of the regurgitation frames where it is there. */
export function realDescription(): Buffer[] {
  const file = join(realFolder, "data.yaml");
  return existsSync(file) ? [readFileSync(file)] : [];
}
