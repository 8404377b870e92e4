import { describeMark, type LeakageMark, readRunInfo } from "../../training/index.js";
import type { ComparedRun } from "./gather.js";
import type { Scores } from "./scoring.js";

/** Fewer patients than this make percentile intervals too narrow (docs/compare.md). */
const fewPatients = 20;

/** What a reader must know of the numbers, as facts: `noteText` says them in English. */
export type Note =
  | { readonly kind: "fewPatients"; readonly patients: number }
  | { readonly kind: "unknownPatients"; readonly unknown: number; readonly units: number }
  | {
      readonly kind: "withoutClass";
      readonly task: keyof Scores["resamplesWithoutClass"];
      readonly resamples: number;
    }
  | {
      readonly kind: "incompleteSeeds";
      /** Those that lack the same seeds, as all do that a sweep did not choose for its last stage. */
      readonly designs: readonly string[];
      readonly seeds: readonly number[];
    }
  | { readonly kind: "leakage"; readonly run: string; readonly mark: LeakageMark }
  | { readonly kind: "seen"; readonly run: string; readonly seen: number; readonly images: number }
  | { readonly kind: "machines"; readonly places: readonly string[] };

/** Leakage, few patients, missing runs, machines that differ. */
export function notesOf(
  { designs, clusters, resamplesWithoutClass }: Scores,
  runs: readonly ComparedRun[],
): Note[] {
  const notes: Note[] = [];
  if (clusters.length < fewPatients) notes.push({ kind: "fewPatients", patients: clusters.length });
  const unknown = clusters.filter((cluster) => !cluster.startsWith("patient ")).length;
  if (unknown > 0) notes.push({ kind: "unknownPatients", unknown, units: clusters.length });
  for (const task of ["detection", "classification"] as const) {
    const resamples = resamplesWithoutClass[task];
    if (resamples > 0) notes.push({ kind: "withoutClass", task, resamples });
  }
  const lacking = new Map<string, { designs: string[]; seeds: readonly number[] }>();
  for (const { design, incompleteSeeds: seeds } of designs) {
    if (seeds.length === 0) continue;
    const known = lacking.get(`${seeds}`);
    if (known) known.designs.push(design.name);
    else lacking.set(`${seeds}`, { designs: [design.name], seeds });
  }
  for (const each of lacking.values()) notes.push({ kind: "incompleteSeeds", ...each });
  for (const { run, leakage, seenPatients, images } of designs.flatMap(({ provenance }) => provenance)) {
    for (const mark of leakage ?? []) notes.push({ kind: "leakage", run, mark });
    if (seenPatients) notes.push({ kind: "seen", run, seen: seenPatients, images });
  }
  return [...notes, ...machineNotes(runs)];
}

/** A note in English. */
export function noteText(note: Note): string {
  switch (note.kind) {
    case "fewPatients":
      return `${note.patients} patients: the intervals are narrower than they should be, and tests have little power`;
    case "unknownPatients":
      return `${note.unknown} of ${note.units} resampled units are clips or frames, since data.yaml names no patient for them`;
    case "withoutClass":
      return `${note.resamples} resamples lack a class of ${note.task}, which they leave out`;
    case "incompleteSeeds":
      return `${note.designs.join(", ")}: seeds ${note.seeds.join(", ")} left out, since runs of theirs are missing`;
    case "leakage":
      return `${note.run}: leakage: ${describeMark(note.mark)}`;
    case "seen":
      return `${note.run}: ${note.seen} of ${note.images} images are of patients that it was trained on`;
    case "machines":
      return `step and epoch times are of different machines or settings: ${note.places.join("; ")}`;
  }
}

/** Speeds of different machines or thread counts do not compare. */
function machineNotes(runs: readonly ComparedRun[]): Note[] {
  const finished = runs.filter(({ state }) => state === "finished");
  const places = finished.map(({ directory, config }) => {
    const { processor, cores } = readRunInfo(directory);
    return `${processor}, ${cores} cores, ${config.device}, ${config.threads || "all"} threads, batch ${config.batch}`;
  });
  const distinct = [...new Set(places)];
  return distinct.length > 1 ? [{ kind: "machines", places: distinct }] : [];
}
