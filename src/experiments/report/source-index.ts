import type { Counted, DataProvenance, Inline, Measured, Provenance } from "./document.js";

/** What a group of the provenance table stands for: checkpoints, or data. */
export type SourceGroup =
  | { readonly id: string; readonly kind: "checkpoints"; readonly from: readonly Provenance[] }
  | { readonly id: string; readonly kind: "data"; readonly from: DataProvenance };

/** Numbers the sources of a document in the order in which they are written: S1, S2, ... and D1, D2, ... */
export class SourceIndex {
  readonly #groups = new Map<string, SourceGroup>();
  readonly #counts = { checkpoints: 0, data: 0 };

  get groups(): readonly SourceGroup[] {
    return [...this.#groups.values()];
  }

  /** The group of a number's source. */
  of({ kind, from }: Measured | Counted): SourceGroup {
    return kind === "measured" ? this.ofCheckpoints(from) : this.#known("data", JSON.stringify(from), from);
  }

  ofCheckpoints(from: readonly Provenance[]): SourceGroup {
    const distinct = new Map(from.map((each) => [JSON.stringify(each), each]));
    const sorted = [...distinct].sort(([a], [b]) => (a < b ? -1 : 1));
    const key = sorted.map(([text]) => text).join();
    return this.#known(
      "checkpoints",
      key,
      sorted.map(([, each]) => each),
    );
  }

  /** The one group of all numbers of some cells, data apart from checkpoints. */
  ofCells(cells: readonly (readonly Inline[])[]): SourceGroup[] {
    const numbers = cells
      .flat()
      .filter((part): part is Measured | Counted => part.kind === "measured" || part.kind === "counted");
    const checkpoints = numbers.flatMap((each) => (each.kind === "measured" ? each.from : []));
    const data = numbers.filter((each) => each.kind === "counted").map((each) => this.of(each));
    return [
      ...(checkpoints.length > 0 ? [this.ofCheckpoints(checkpoints)] : []),
      ...new Map(data.map((group) => [group.id, group])).values(),
    ];
  }

  #known(kind: "checkpoints", key: string, from: readonly Provenance[]): SourceGroup;
  #known(kind: "data", key: string, from: DataProvenance): SourceGroup;
  #known(kind: SourceGroup["kind"], key: string, from: unknown): SourceGroup {
    const known = this.#groups.get(`${kind} ${key}`);
    if (known) return known;
    const id = `${kind === "data" ? "D" : "S"}${++this.#counts[kind]}`;
    const made = { id, kind, from } as SourceGroup;
    this.#groups.set(`${kind} ${key}`, made);
    return made;
  }
}

/** Hashes are shown by so many digits; the provenance table has them whole. */
export const shortHash = (hash: string): string => hash.slice(0, 12);

/** A group in few words: `static-s0 4f2a91bc03de val`, or its first run and how many more; `train 0a1b2c3d4e5f` of data. */
export function describeGroup({ kind, from }: SourceGroup): string {
  if (kind === "data") return `${from.split} ${shortHash(from.dataFingerprint)}`;
  const [{ run, checkpointSha256, split }] = from;
  const more = from.length > 1 ? ` +${from.length - 1}` : "";
  return `${run} ${shortHash(checkpointSha256)}${more} ${split}`;
}
