import { resolveThreads, Program, type ProgramOptions } from "../runtime/index.js";
import type { DropoutSpec } from "../nn/index.js";
import { buildStepGraph, type StepGraphOptions } from "./step-graph.js";

/** A compiled training step for one batch size and one capacity of targets. */
export interface StepProgram {
  readonly program: Program;
  readonly dropouts: readonly DropoutSpec[];
  readonly capacity: number;
}

type Fixed = Omit<StepGraphOptions, "batch" | "capacity" | "inspect">;

/** Compiles training steps on demand and keeps them: one for each batch size, at its latest capacity. */
export class StepPrograms {
  readonly #programs = new Map<number, StepProgram>();

  constructor(
    readonly fixed: Fixed,
    readonly options: ProgramOptions,
  ) {}

  /** The program for `batch` images whose targets are padded to `capacity` rows a level. */
  async get(batch: number, capacity: number): Promise<StepProgram> {
    const known = this.#programs.get(batch);
    if (known?.capacity === capacity) return known;
    await known?.program.close();
    const compiled = await this.compile(batch, capacity);
    this.#programs.set(batch, compiled);
    return compiled;
  }

  /** Compiles a step outside the cache; with `inspect` it has every parameter's gradient as an output. */
  async compile(batch: number, capacity: number, inspect = false): Promise<StepProgram> {
    const { graph, dropouts } = buildStepGraph({ ...this.fixed, batch, capacity, inspect });
    const threads = resolveThreads(this.options.threads ?? 0);
    return { program: await Program.compile(graph, { ...this.options, threads }), dropouts, capacity };
  }

  async close(): Promise<void> {
    for (const { program } of this.#programs.values()) await program.close();
    this.#programs.clear();
  }
}
