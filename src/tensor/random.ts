import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A stream of pseudo-random numbers that depends on its seed and key alone. */
export interface RandomStream {
  /** Uniform in [low, high), 0..1 by default. */
  uniform(low?: number, high?: number): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** Uniform integer in 0 .. bound - 1. */
  integer(bound: number): number;
  /** A new, shuffled copy (Fisher-Yates). */
  shuffled<T>(items: readonly T[]): T[];
}

/**
 * The random stream of `key` under `seed`. Streams are keyed by what they are for (a parameter's name,
 * "order" and an epoch), so that adding one consumer never shifts the numbers of another, and a resumed
 * run needs no generator state.
 */
export function randomStream(seed: number, ...key: readonly (string | number)[]): RandomStream {
  const generator = xoroshiro128plus(hash32(`${seed}\u0000${key.join("\u0000")}`));
  const uniform = (low = 0, high = 1): number => low + (high - low) * uniformFloat64(generator);
  const integer = (bound: number): number => uniformInt(generator, 0, bound - 1);
  return {
    uniform,
    integer,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    shuffled: (items) => {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        [out[i], out[j]] = [out[j], out[i]];
      }
      return out;
    },
  };
}

/** FNV-1a with a final avalanche (murmur3), over UTF-16 code units. */
function hash32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}
