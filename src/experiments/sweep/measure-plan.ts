import { EchoDuetError } from "../../errors.js";
import { type Cost, measureCost, shapeOf } from "./cost.js";
import type { Budget, RunCost } from "./estimate.js";
import { FrameCounter } from "./frame-counts.js";
import type { JournalEntry, NewJournalEntry } from "./journal.js";
import { configOf, type SweepPlan } from "./plan.js";

/** How a plan is measured. */
export interface MeasureOptions {
  readonly budget: Budget;
  /** Of the sweep's journal: what was measured before is not measured again. */
  readonly known: readonly JournalEntry[];
  /** Told of each program shape before it is measured, and of one that cannot be trained. */
  readonly onMessage: (message: string) => void;
  /** What to add to the journal. */
  readonly record: (entry: NewJournalEntry) => void;
}

/**
 * What each run of a plan costs, by id; null where its data or program cannot be used, which the run itself will
 * tell when it is trained. Each program shape is measured with as many of its like as the budget lets run side by
 * side; under a limit of memory by itself before that, to know how many.
 * @throws EchoDuetError `config` where one run takes more than the budget, with the figures
 */
export async function measurePlan(
  plan: SweepPlan,
  options: MeasureOptions,
): Promise<Map<string, RunCost | null>> {
  const counter = new FrameCounter();
  const shapes = new Map<string, Cost | null>();
  const costs = new Map<string, RunCost | null>();
  const configs = plan.runs.map((run) => ({ run, config: configOf(plan.base, run, "-") }));
  const total = new Set(configs.map(({ config }) => shapeOf(config))).size;
  for (const { run, config } of configs) {
    const counts = counter.count(run);
    if (config.threads > options.budget.cores) {
      throw exceeds(run.name, `${config.threads} threads`, `cores: ${options.budget.cores}`);
    }
    const shape = shapeOf(config);
    if (counts !== null && !shapes.has(shape)) {
      const like = configs.filter((other) => shapeOf(other.config) === shape).length;
      const announce = () => options.onMessage(`measuring ${run.arm} (${shapes.size + 1} of ${total})`);
      shapes.set(shape, await measureShape({ shape, config, like, announce }, options));
    }
    const cost = shapes.get(shape) ?? null;
    const { memory } = options.budget;
    if (cost !== null && memory !== null && cost.peakBytes > memory) {
      throw exceeds(run.name, `${cost.peakBytes} bytes of memory`, `memory: ${memory}`);
    }
    costs.set(run.id, cost === null || counts === null ? null : { cost, counts, config });
  }
  return costs;
}

/** A program shape: a configuration of it, and how many runs have it. */
interface Shape {
  readonly shape: string;
  readonly config: RunCost["config"];
  readonly like: number;
  readonly announce: () => void;
}

async function measureShape(
  { shape, config, like, announce }: Shape,
  { budget, known, onMessage, record }: MeasureOptions,
): Promise<Cost | null> {
  const byCores = Math.min(like, Math.floor(budget.cores / config.threads));
  const recalled = known.findLast((entry) => entry.type === "measured" && entry.shape === shape);
  if (recalled?.type === "measured" && recalled.most === byCores) return recalled.cost;
  announce();
  try {
    const alone = budget.memory === null ? null : await measureCost(config, 1);
    const byMemory =
      alone === null || budget.memory === null ? byCores : Math.floor(budget.memory / alone.peakBytes);
    const processes = Math.max(1, Math.min(byCores, byMemory));
    const cost = alone !== null && processes === 1 ? alone : await measureCost(config, processes);
    record({ type: "measured", shape, most: byCores, processes, cost });
    return cost;
  } catch (error) {
    if (!(error instanceof EchoDuetError)) throw error;
    onMessage(`not measured: ${error.message}`);
    return null;
  }
}

function exceeds(name: string, needs: string, budget: string): EchoDuetError {
  return new EchoDuetError(
    "config",
    `${name}: expected a run within the budget (${budget}), got one that takes ${needs}; raise the budget, or make the run smaller`,
  );
}
