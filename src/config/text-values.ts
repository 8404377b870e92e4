/** Values as texts spell them. Options of every command need these, so that this file loads no schema. */
import { EchoDuetError } from "../errors.js";

/** Size of the network's input in pixels. */
export interface InputSize {
  width: number;
  height: number;
}

/** Where a graph may run; providers other than `cpu` must be present in the installed ONNX Runtime. */
export const devices = ["cpu", "webgpu", "cuda", "coreml", "dml"] as const;
export type Device = (typeof devices)[number];

/** Both sides of an input are multiples of it: the largest stride of the detectors, in pixels. */
export const sideMultiple = 32;

/** The size that `text` spells, `N` or `WxH`, whatever its sides; null where it spells none. */
export function spelledSize(text: string): InputSize | null {
  const match = /^(\d+)(?:x(\d+))?$/i.exec(text.trim());
  return match ? { width: Number(match[1]), height: Number(match[2] ?? match[1]) } : null;
}

/**
 * The input size that `text` spells, `N` or `WxH`, in pixels.
 * @throws EchoDuetError `config` where it spells none, or a side is no multiple of 32
 */
export function parseSize(text: string): InputSize {
  const size = spelledSize(text);
  const fits = (side: number) => side >= sideMultiple && side % sideMultiple === 0;
  if (size && fits(size.width) && fits(size.height)) return size;
  throw new EchoDuetError(
    "config",
    `size: expected N or WxH in pixels, multiples of ${sideMultiple}, got ${JSON.stringify(text)}`,
  );
}

/** The number that `text` spells, or `text` itself where it spells none (which a schema then reports). */
export function toNumber(text: string): number | string {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}
