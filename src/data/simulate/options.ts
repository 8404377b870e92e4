import { EchoDuetError } from "../../errors.js";
import { VALVES, type Valve, VIEWS, type View } from "./anatomy.js";
import { FAULT_KINDS, type FaultAmounts, type FaultKind, faultNames } from "./fault-kinds.js";

/** What to simulate. */
export interface SimulationOptions {
  /** Folder to create; its parent must be writable. */
  out: string;
  patients: number;
  /** Default 4. */
  framesPerClip?: number;
  /** Default 6: one clip of every pair of view and valve. */
  clipsPerPatient?: number;
  seed: number;
  /** Size of the pictures in pixels, default 400 x 300; "machine": that of each patient's scanner. */
  size?: { width: number; height: number } | "machine";
  /** 0 (default) plain jets among calm flow .. 1 up to faint, noisy and occluded ones; drawn for each clip. */
  difficulty?: number;
  /** Shares of the patients, default 0.7, 0.15, 0.15. */
  splits?: { train: number; valid: number; test: number };
  /**
   * Weights of the views and of the classes; what is not named has 1. By default all six pairs of view and
   * valve are equally many in each split; with weights every clip draws its own.
   */
  viewShares?: Partial<Record<View, number>>;
  classShares?: Partial<Record<Valve, number>>;
  /** Faults to plant, each a share of its unit where below 1, else a count. Default none. */
  faults?: Partial<FaultAmounts>;
  /** Told of the pictures written so far. Not part of the record. */
  onProgress?: (done: number, total: number) => void;
}

/** The splits of a data set, in the order in which they are written. */
export const SPLITS = ["train", "valid", "test"] as const;
export type Split = (typeof SPLITS)[number];

/** The options with their defaults filled in, as simulation.json records them; the folder is not part of them. */
export interface ResolvedSimulation {
  patients: number;
  framesPerClip: number;
  clipsPerPatient: number;
  seed: number;
  size: { width: number; height: number } | "machine";
  difficulty: number;
  splits: Record<Split, number>;
  viewShares: Record<View, number> | null;
  classShares: Record<Valve, number> | null;
  faults: FaultAmounts;
}

/**
 * Fills in the defaults. Throws a config error for a count that is not a positive whole number, a seed that is
 * not a whole number, a picture under 64 pixels or over 4096, shares of the splits that do not sum to 1, weights
 * of nothing or below 0, or a fault that there is not or whose amount is neither a share nor a count.
 */
export function resolveOptions(options: SimulationOptions): ResolvedSimulation {
  const resolved = {
    patients: options.patients,
    framesPerClip: options.framesPerClip ?? 4,
    clipsPerPatient: options.clipsPerPatient ?? 6,
    seed: options.seed,
    size: options.size ?? { width: 400, height: 300 },
    difficulty: options.difficulty ?? 0,
    splits: {
      train: options.splits?.train ?? 0.7,
      valid: options.splits?.valid ?? 0.15,
      test: options.splits?.test ?? 0.15,
    },
    viewShares: options.viewShares ? weights("viewShares", VIEWS, options.viewShares) : null,
    classShares: options.classShares ? weights("classShares", VALVES, options.classShares) : null,
    faults: resolveFaults(options.faults ?? {}),
  };
  whole("patients", resolved.patients, 1, 9999);
  whole("framesPerClip", resolved.framesPerClip, 1, 9999);
  whole("clipsPerPatient", resolved.clipsPerPatient, 1, 99);
  whole("seed", resolved.seed, 0, Number.MAX_SAFE_INTEGER);
  if (resolved.size !== "machine") {
    whole("size.width", resolved.size.width, 64, 4096);
    whole("size.height", resolved.size.height, 64, 4096);
  }
  share("difficulty", resolved.difficulty);
  checkShares(resolved.splits);
  return resolved;
}

function whole(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new EchoDuetError(
    "config",
    `simulate: ${name} expects a whole number from ${low} to ${high}, got ${value}`,
  );
}

function share(name: string, value: number): void {
  if (value >= 0 && value <= 1) return;
  throw new EchoDuetError("config", `simulate: ${name} expects a number from 0 to 1, got ${value}`);
}

function weights<K extends string>(
  name: string,
  keys: readonly K[],
  given: Partial<Record<K, number>>,
): Record<K, number> {
  const unknown = Object.keys(given).find((key) => !(keys as readonly string[]).includes(key));
  if (unknown !== undefined) {
    const expected = keys.join(", ");
    throw new EchoDuetError("config", `simulate: ${name} expects weights of ${expected}, got ${unknown}`);
  }
  const all = Object.fromEntries(keys.map((key) => [key, given[key] ?? 1])) as Record<K, number>;
  const values = keys.map((key) => all[key]);
  if (values.every((value) => value >= 0 && Number.isFinite(value)) && values.some((value) => value > 0))
    return all;
  throw new EchoDuetError(
    "config",
    `simulate: ${name} expects weights of 0 or more, not all 0, got ${values.join(", ")}`,
  );
}

function resolveFaults(given: Partial<FaultAmounts>): FaultAmounts {
  for (const [name, amount] of Object.entries(given)) {
    if (!(name in FAULT_KINDS)) {
      throw new EchoDuetError(
        "config",
        `simulate: faults expects some of ${faultNames.join(", ")}, got ${name}`,
      );
    }
    // A shift is a matter of degree alone.
    const most = name.startsWith("shift") ? 1 : Number.MAX_SAFE_INTEGER;
    if (amount >= 0 && amount <= most && (amount < 1 || Number.isInteger(amount))) continue;
    const expected = most === 1 ? "a share from 0 to 1" : "a share below 1 or a whole number";
    throw new EchoDuetError("config", `simulate: faults.${name} expects ${expected}, got ${amount}`);
  }
  const all = faultNames.map((name: FaultKind) => [name, given[name] ?? 0]);
  return Object.fromEntries(all) as FaultAmounts;
}

function checkShares(shares: Record<Split, number>): void {
  const values = SPLITS.map((split) => shares[split]);
  const sum = values.reduce((a, b) => a + b, 0);
  if (values.every((share) => share >= 0) && Math.abs(sum - 1) < 1e-6) return;
  throw new EchoDuetError(
    "config",
    `simulate: splits expects shares of train, valid and test that sum to 1, got ${values.join(", ")}`,
  );
}

/**
 * Shares out shuffled patients 1 .. n among the splits: largest remainders, and at least one patient to every
 * split with a share above 0 while there are enough patients.
 */
export function splitPatients(
  patients: readonly number[],
  shares: Record<Split, number>,
): Record<Split, number[]> {
  const exact = SPLITS.map((split) => shares[split] * patients.length);
  const counts = exact.map(Math.floor);
  const order = [0, 1, 2].sort((a, b) => exact[b]! - counts[b]! - (exact[a]! - counts[a]!) || a - b);
  for (let k = 0, left = patients.length - counts.reduce((a, b) => a + b, 0); k < left; k++) {
    counts[order[k % 3]!]!++;
  }
  for (const [i, share] of exact.entries()) {
    const largest = counts.indexOf(Math.max(...counts));
    if (share === 0 || counts[i]! > 0 || counts[largest]! < 2) continue;
    counts[largest]!--;
    counts[i]!++;
  }
  const [train, valid] = counts as [number, number, number];
  return {
    train: patients.slice(0, train),
    valid: patients.slice(train, train + valid),
    test: patients.slice(train + valid),
  };
}
