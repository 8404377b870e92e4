import { describeMark, readRunInfo } from "../../training/index.js";
import type { ComparedRun } from "./gather.js";
import type { Scores } from "./scoring.js";

/** Fewer patients than this make percentile intervals too narrow (docs/compare.md). */
const fewPatients = 20;

/** What a reader must know of the numbers: leakage, few patients, missing runs, machines that differ. */
export function notesOf(
  { designs, clusters, resamplesWithoutClass }: Scores,
  runs: readonly ComparedRun[],
): string[] {
  const notes: string[] = [];
  if (clusters.length < fewPatients) {
    notes.push(
      `${clusters.length} patients: the intervals are narrower than they should be, and tests have little power`,
    );
  }
  const unknown = clusters.filter((cluster) => !cluster.startsWith("patient ")).length;
  if (unknown > 0) {
    notes.push(
      `${unknown} of ${clusters.length} resampled units are clips or frames, since data.yaml names no patient for them`,
    );
  }
  for (const [what, count] of Object.entries(resamplesWithoutClass)) {
    if (count > 0) notes.push(`${count} resamples lack a class of ${what}, which they leave out`);
  }
  for (const { design, incompleteSeeds } of designs) {
    if (incompleteSeeds.length > 0) {
      notes.push(
        `${design.name}: seeds ${incompleteSeeds.join(", ")} left out, since runs of theirs are missing`,
      );
    }
  }
  for (const { run, leakage, seenPatients, images } of designs.flatMap(({ provenance }) => provenance)) {
    for (const mark of leakage ?? []) notes.push(`${run}: leakage: ${describeMark(mark)}`);
    if (seenPatients)
      notes.push(`${run}: ${seenPatients} of ${images} images are of patients that it was trained on`);
  }
  return [...notes, ...machineNotes(runs)];
}

/** Speeds of different machines or thread counts do not compare. */
function machineNotes(runs: readonly ComparedRun[]): string[] {
  const finished = runs.filter(({ state }) => state === "finished");
  const places = finished.map(({ directory, config }) => {
    const { processor, cores } = readRunInfo(directory);
    return `${processor}, ${cores} cores, ${config.device}, ${config.threads || "all"} threads, batch ${config.batch}`;
  });
  const distinct = [...new Set(places)];
  return distinct.length > 1
    ? [`step and epoch times are of different machines or settings: ${distinct.join("; ")}`]
    : [];
}
