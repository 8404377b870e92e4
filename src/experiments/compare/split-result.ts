import { deltaMOf, endpointsOf } from "./delta-m.js";
import { meanOf, taskOfEndpoint } from "./pool.js";
import type { ClassResult, DesignResult, SplitResult } from "./report.js";
import { estimatesOf, type ScoredDesign, type Scores } from "./scoring.js";
import { judgeTargets } from "./targets.js";

/** The scores of a split as the report has them. */
export function splitResult(scores: Scores, resamples: number): SplitResult {
  const { split, frames, clusters, resamplesWithoutClass, designs } = scores;
  return {
    split,
    frames,
    patients: clusters.length,
    resamples,
    resamplesWithoutClass,
    designs: designs.map((scored) => designResult(scored, designs)),
    provenance: designs.flatMap(({ provenance }) => provenance),
  };
}

function designResult(scored: ScoredDesign, all: readonly ScoredDesign[]): DesignResult {
  const { design, seeds, incompleteSeeds } = scored;
  const metrics = estimatesOf(scored);
  return {
    name: design.name,
    model: String(design.settings.model),
    tasks: endpointsOf(scored).map((name) => taskOfEndpoint[name]),
    seeds: seeds.map(({ seed }) => seed),
    incompleteSeeds,
    folds: Math.max(1, ...seeds.map(({ folds }) => folds.length)),
    metrics,
    confidences: seeds.flatMap(({ confidence }) => confidence ?? []),
    perClass: classResults(scored),
    confusion: confusionOf(scored),
    targets: judgeTargets(metrics),
    deltaM: deltaMOf(scored, all),
  };
}

function classResults({ seeds }: ScoredDesign): ClassResult[] {
  const names = seeds[0]?.pool.detection ? seeds[0].pool.classes.names : [];
  const curves = seeds.map(({ pool }) => pool.detection?.curves(pool.ones).perClass ?? []);
  return names.map((name, c) => {
    const own = curves.flatMap((perClass) => perClass.filter(({ classIndex }) => classIndex === c));
    return {
      name,
      ap50: meanOf(own.map(({ averagePrecision }) => averagePrecision[0])),
      ap50_95: meanOf(
        own.map(({ averagePrecision }) => averagePrecision.reduce((a, b) => a + b) / averagePrecision.length),
      ),
      instances: own[0]?.instances ?? 0,
    };
  });
}

function confusionOf({ seeds }: ScoredDesign): number[][] | null {
  const matrices = seeds.flatMap(({ pool }) => (pool.views ? [pool.views.metrics(pool.ones).confusion] : []));
  if (matrices.length === 0) return null;
  return matrices[0].map((row, i) =>
    row.map((_, j) => matrices.reduce((sum, matrix) => sum + matrix[i][j], 0)),
  );
}
