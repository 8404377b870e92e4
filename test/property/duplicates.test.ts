import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashDistance, hashPairs, hashWords, MOST_DISTANCE } from "../../src/data/audit/hash-pairs.js";
import { thumbnailCorrelation } from "../../src/data/audit/thumbnail-correlation.js";
import { randomStream } from "../../src/tensor/index.js";

const hash = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
/** Hashes in families a few bits apart, as frames of one apparatus are. */
const hashes = fc
  .array(fc.tuple(hash, fc.array(fc.array(fc.nat(63), { maxLength: 9 }), { maxLength: 12 })), {
    maxLength: 8,
  })
  .map((families) =>
    families.flatMap(([base, flips]) =>
      [[], ...flips].map((bits) => bits.reduce((value, bit) => value ^ (1n << BigInt(bit)), base)),
    ),
  );

const bitsOf = (value: bigint): number => [...value.toString(2)].filter((bit) => bit === "1").length;

describe("hashPairs", () => {
  it("visits exactly the pairs within the threshold, once each", () => {
    fc.assert(
      fc.property(hashes, fc.integer({ min: 0, max: MOST_DISTANCE }), (values, threshold) => {
        const words = hashWords(values);
        const expected = values.flatMap((a, i) =>
          values.flatMap((b, j) =>
            i < j && bitsOf(a ^ b) <= threshold ? [`${i} ${j} ${bitsOf(a ^ b)}`] : [],
          ),
        );
        const visited: string[] = [];
        hashPairs(words, threshold, (a, b, distance) => visited.push(`${a} ${b} ${distance}`));
        expect(visited.sort()).toEqual(expected.sort());
      }),
      { numRuns: 200 },
    );
  });

  it("counts differing bits", () => {
    fc.assert(
      fc.property(hash, hash, (a, b) => {
        expect(hashDistance(hashWords([a, b]), 0, 1)).toBe(bitsOf(a ^ b));
      }),
    );
  });
});

describe("thumbnailCorrelation", () => {
  const picture = (seed: number, width = 400): { width: number; height: number; thumbnail: Uint8Array } => {
    const random = randomStream(seed, "picture");
    return {
      width,
      height: 300,
      thumbnail: Uint8Array.from({ length: 54 * 48 }, () => Math.floor(random.uniform() * 200)),
    };
  };

  it("is symmetric, 1 with itself, and deaf to brightness", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.integer({ min: 1, max: 50 }), (one, other, brighter) => {
        const [a, b] = [picture(one), picture(other + 1001)];
        const lighter = { ...a, thumbnail: a.thumbnail.map((value) => value + brighter) };
        const correlation = thumbnailCorrelation([a, b, lighter, a]);
        expect(correlation(0, 1)).toBe(correlation(1, 0));
        expect(Math.abs(correlation(0, 1))).toBeLessThan(0.5);
        expect(correlation(0, 3)).toBeCloseTo(1, 9);
        expect(correlation(0, 2)).toBeCloseTo(1, 9);
      }),
      { numRuns: 30 },
    );
  });

  it("leaves out what all pictures of one size share", () => {
    // A machine's own pattern over half of the picture, strong beside what differs.
    const shared = picture(1).thumbnail.map((value, i) => (i % 54 < 27 ? value : 0));
    const pictures = Array.from({ length: 12 }, (_, seed) => {
      const own = picture(seed + 2);
      return { ...own, thumbnail: own.thumbnail.map((value, i) => (i % 54 < 27 ? shared[i] : value / 4)) };
    });
    const correlation = thumbnailCorrelation(pictures);
    const alone = thumbnailCorrelation(pictures.slice(0, 2).map((one, i) => ({ ...one, width: 400 + i })));
    expect(alone(0, 1), "nothing to learn from").toBeGreaterThan(0.8);
    expect(Math.abs(correlation(0, 1))).toBeLessThan(0.2);
  });
});
