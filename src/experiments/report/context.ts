import type { Line, Provenance } from "./document.js";
import type { ReportFacts } from "./facts.js";
import type { Texts } from "./messages/index.js";

/** What every section is made from. */
export interface SectionContext {
  readonly facts: ReportFacts;
  readonly texts: Texts;
  /** Pictures of frames, or none for privacy. */
  readonly images: boolean;
}

/** Where a design's numbers on a split come from: the runs of its seeds that count. */
export function designSources(
  { compared, runs, sweep }: ReportFacts,
  design: string,
  split: "val" | "test" = "val",
): readonly Provenance[] {
  const result = split === "val" ? compared.validation : sweep?.test;
  const seeds = result?.designs.find(({ name }) => name === design)?.seeds ?? [];
  const names = new Set(
    runs
      .filter(({ arm, seed }) => (arm === null || arm === design) && seeds.includes(seed))
      .map(({ name }) => name),
  );
  return (result?.provenance ?? [])
    .filter(({ run }) => names.has(run))
    .map(({ run, checkpointSha256, dataFingerprint }) => ({
      run,
      checkpointSha256,
      dataFingerprint,
      split,
    }));
}

/** The training of a design's runs: where times and curves come from. */
export function trainingSources({ runs, provenanceOf }: ReportFacts, design: string): Provenance[] {
  return runs
    .filter(({ arm, state }) => (arm === null || arm === design) && state === "finished")
    .flatMap((run) => provenanceOf(run, "train"));
}

/** Lines with a separator between them. */
export function joined(lines: readonly Line[], separator: Line): Line {
  return lines.flatMap((line, i) => (i === 0 ? line : [...separator, ...line]));
}
