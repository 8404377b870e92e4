import type { Balancer, CombiningBalancer, Gram, StepPlace } from "../balancing/index.js";
import type { DropoutSpec } from "../nn/index.js";
import { Program, type ProgramOptions, resolveThreads, ThreadedProgram } from "../runtime/index.js";
import { type HostTensor, hostTensor, zeros } from "../tensor/index.js";
import { buildCombiningGraphs } from "./combining-graphs.js";
import { stateNames } from "./state-names.js";
import { buildStepGraph } from "./step-graph.js";
import type { CombiningStepOptions, StepGraphOptions, WeightingStepOptions } from "./step-options.js";

type Tensors = ReadonlyMap<string, HostTensor>;

/** A compiled training step for one batch size and one capacity of targets. */
export interface StepProgram {
  readonly batch: number;
  readonly inputs: ReadonlySet<string>;
  readonly dropouts: readonly DropoutSpec[];
  readonly capacity: number;
  /** The outputs of `buildStepGraph`; what the step leaves alone is handed through. */
  run(feeds: Tensors, place: StepPlace): Promise<Tensors>;
  close(): Promise<void>;
}

type Fixed = Omit<StepGraphOptions, "batch" | "capacity" | "inspect">;

/** The step of one branch that runs beside the others. */
export interface BranchStep {
  readonly step: Omit<WeightingStepOptions, "batch" | "capacity" | "inspect">;
  readonly threads: number;
}

/** Compiles training steps on demand and keeps the latest: a training's batches are alike, and targets rarely outgrow it. */
export class StepPrograms {
  #latest: StepProgram | null = null;

  /** @param apart the same step by branch, which then run side by side; null for one program */
  constructor(
    readonly fixed: Fixed,
    readonly options: ProgramOptions,
    readonly apart: readonly BranchStep[] | null = null,
  ) {}

  /** The program for `batch` images whose targets are padded to `capacity` rows a level. */
  async get(batch: number, capacity: number): Promise<StepProgram> {
    if (this.#latest?.batch === batch && this.#latest.capacity === capacity) return this.#latest;
    await this.close();
    this.#latest = await this.compile(batch, capacity);
    return this.#latest;
  }

  /** Compiles a step that is not kept; with `inspect` it has every parameter's gradient as an output. */
  async compile(batch: number, capacity: number, inspect = false): Promise<StepProgram> {
    if (this.apart && !inspect) return compileApart(this.apart, { batch, capacity }, this.options);
    const options = { ...this.fixed, batch, capacity, inspect };
    const runtime = { ...this.options, threads: resolveThreads(this.options.threads ?? 0) };
    return compilers[this.fixed.balancer.kind](options, runtime);
  }

  async close(): Promise<void> {
    await this.#latest?.close();
    this.#latest = null;
  }
}

/**
 * Builds a step's graphs and drops them.
 * @throws EchoDuetError `config` where the balancer does not fit the model
 */
export function checkStep(options: StepGraphOptions): void {
  if (options.balancer.kind === "weighting") buildStepGraph(options as WeightingStepOptions);
  else buildCombiningGraphs(options as CombiningStepOptions);
}

const compilers: Record<
  Balancer["kind"],
  (options: StepGraphOptions, runtime: ProgramOptions) => Promise<StepProgram>
> = {
  weighting: (options, runtime) => compileWeighting(options as WeightingStepOptions, runtime),
  combining: (options, runtime) => compileCombining(options as CombiningStepOptions, runtime),
};

async function compileWeighting(
  options: WeightingStepOptions,
  runtime: ProgramOptions,
): Promise<StepProgram> {
  const { graph, dropouts } = buildStepGraph(options);
  const program = await Program.compile(graph, runtime);
  return {
    inputs: new Set(program.inputs.keys()),
    dropouts,
    batch: options.batch,
    capacity: options.capacity,
    run: (feeds) => program.run(feeds),
    close: () => program.close(),
  };
}

/**
 * The steps of independent branches, the first on this thread and each other one on its own. The weights of the losses
 * are constant, so that each branch's own stand for all.
 */
async function compileApart(
  branches: readonly BranchStep[],
  shape: { readonly batch: number; readonly capacity: number },
  options: ProgramOptions,
): Promise<StepProgram> {
  const built = branches.map(({ step, threads }) => ({
    ...buildStepGraph({ ...step, ...shape }),
    constants: step.balancer.state.map(({ name, shape, initial }): [string, HostTensor] => [
      stateNames.balancer(name),
      hostTensor("float32", shape, Float32Array.from(initial)),
    ]),
    threads,
  }));
  const programs = await Promise.all(
    built.map(({ graph, threads }, i) => {
      const own = { ...options, threads };
      return i === 0 ? Program.compile(graph, own) : ThreadedProgram.compile(graph, own);
    }),
  );
  return {
    inputs: new Set(programs.flatMap((program) => [...program.inputs.keys()])),
    dropouts: built.flatMap(({ dropouts }) => dropouts),
    ...shape,
    run: async (feeds) => {
      const runs = programs.map(
        (program, i) => () => program.run(new Map([...feeds, ...built[i].constants])),
      );
      // This thread computes in its own run: the others must have begun before.
      const [first, ...others] = runs;
      const begun = others.map((run) => run());
      const results = await Promise.all([first(), ...begun]);
      const kept = [...feeds]
        .filter(([name]) => built[0].constants.some(([constant]) => constant === name))
        .map(([name, tensor]): [string, HostTensor] => [stateNames.next(name), tensor]);
      return new Map([...results.flatMap((result) => [...result]), ...kept]);
    },
    close: async () => {
      for (const program of programs) await program.close();
    },
  };
}

async function compileCombining(
  options: CombiningStepOptions,
  runtime: ProgramOptions,
): Promise<StepProgram> {
  const graphs = buildCombiningGraphs(options);
  const gradients = await Program.compile(graphs.gradients.graph, runtime);
  const update = await Program.compile(graphs.update, runtime);
  // Anew each time: a session frees what it has passed.
  const cleared = () =>
    options.tasks.flatMap(({ name }) =>
      options.layout.parameters.map((group): [string, HostTensor] => [
        stateNames.next(stateNames.taskAccumulated(name, group.name)),
        zeros("float32", [group.size]),
      ]),
    );
  return {
    inputs: new Set([...gradients.inputs.keys(), ...update.inputs.keys()]),
    dropouts: graphs.gradients.dropouts,
    batch: options.batch,
    capacity: options.capacity,
    run: async (feeds, place) => {
      const first = await gradients.run(feeds);
      const vector = (name: string) => first.get(name) as HostTensor<"float32">;
      const gram = rowsOf(vector("gram"));
      const weights = combine(options.balancer, gram, vector("balance.counted").data, place);
      const named = options.tasks.map(({ name }, i): [string, HostTensor] => [
        `weight.${name}`,
        scalar(weights[i] * options.balancer.lossWeights[i]),
      ]);
      const norms = gram.map((row, i) => Math.sqrt(row[i]));
      named.push(["balance.norms", hostTensor("float32", [norms.length], Float32Array.from(norms))]);
      if (number(feeds, "accumulate.retain") === 1) {
        const kept = [...feeds].map(([name, tensor]): [string, HostTensor] => [
          stateNames.next(name),
          tensor,
        ]);
        const norm = Math.sqrt(
          Math.max(
            0,
            gram.flat().reduce((total, value) => total + value, 0),
          ),
        );
        return new Map([...kept, ...first, ...named, ["gradientNorm", scalar(norm)]]);
      }
      const sums = [...first].flatMap(([name, tensor]): [string, HostTensor][] =>
        name.startsWith("next/accumulated/") ? [[name.slice("next/".length), tensor]] : [],
      );
      const combination = hostTensor("float32", [weights.length], Float32Array.from(weights));
      const second = await update.run(new Map([...feeds, ...sums, ["combination", combination]]));
      return new Map([...first, ...second, ...cleared(), ...named]);
    },
    close: async () => {
      await gradients.close();
      await update.close();
    },
  };
}

/** The balancer's weights over the tasks that had a valid target since the last update; 0 for the others. */
function combine(balancer: CombiningBalancer, gram: Gram, counted: Float32Array, place: StepPlace): number[] {
  const tasks = gram.flatMap((_, i) => (counted[i] > 0 ? [i] : []));
  const weights = gram.map(() => 0);
  if (tasks.length === 0) return weights;
  const solved = balancer.combine(
    tasks.map((i) => tasks.map((j) => gram[i][j])),
    place,
  );
  for (const [at, task] of tasks.entries()) weights[task] = solved[at];
  return weights;
}

function rowsOf({ data, shape }: HostTensor<"float32">): number[][] {
  const [rows, columns] = shape;
  return Array.from({ length: rows }, (_, i) => Array.from(data.subarray(i * columns, (i + 1) * columns)));
}

function number(tensors: Tensors, name: string): number {
  return (tensors.get(name) as HostTensor<"float32">).data[0];
}

function scalar(value: number): HostTensor {
  return hostTensor("float32", [], Float32Array.of(value));
}
