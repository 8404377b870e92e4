import { type MachineFacts, machineFacts, type SyntheticInput } from "../speed/index.js";
import { type DesignCost, designCost } from "./cost.js";
import type { Design } from "./designs.js";
import { type DesignMeasures, type MeasureOptions, measureDesigns } from "./measure.js";

/** All designs side by side. */
export interface DesignComparison {
  readonly input: SyntheticInput;
  readonly designs: readonly (Design & {
    readonly cost: DesignCost;
    /** Null where nothing was measured. */
    readonly measured: DesignMeasures | null;
  })[];
  /** On what it was measured, and how; null where nothing was. */
  readonly measurement: {
    readonly input: "synthetic: random pixels and boxes, for speed only";
    readonly machine: MachineFacts;
    readonly options: MeasureOptions;
  } | null;
}

/**
 * Counts, and on demand measures, what designs cost.
 * @param designs the single-task ones among them
 * @param measuring null to count alone
 * @throws EchoDuetError as `measureDesigns`
 */
export async function compareDesigns(
  designs: readonly Design[],
  input: SyntheticInput,
  measuring: Omit<MeasureOptions, keyof SyntheticInput> | null,
  say: (line: string) => void,
): Promise<DesignComparison> {
  const costs = designs.map((design) => designCost(design, input));
  const options = measuring && { ...input, ...measuring };
  // The load before the measurement, not its own.
  const machine = machineFacts();
  const measured = options && (await measureDesigns(designs, options, say));
  return {
    input,
    designs: designs.map((design, i) => ({
      ...design,
      cost: costs[i],
      measured: measured ? measured[i] : null,
    })),
    measurement: options && {
      input: "synthetic: random pixels and boxes, for speed only",
      machine,
      options,
    },
  };
}
