import { type Balancer, createBalancer, type StepPlace, type WeightingBalancer } from "../balancing/index.js";
import type { TrainConfig } from "../config/index.js";
import type { FrameBatch } from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import { type Declaration, declareModel, type Model, type TaskName } from "../models/index.js";
import type { DropoutSpec } from "../nn/index.js";
import { type HostTensor, hostTensor, randomStream, releaseTensors, sizeOf, zeros } from "../tensor/index.js";
import { resolveThreads } from "../runtime/index.js";
import { threadsApart } from "./branches-apart.js";
import { explainDivergence } from "./divergence.js";
import { type FlatGroup, pack, partName, type StateLayout, unpack } from "./state-layout.js";
import { stateNames } from "./state-names.js";
import { planStep, type StepPlan } from "./step-plan.js";
import { type BranchStep, checkStep, type StepProgram, StepPrograms } from "./step-programs.js";
import type { PreparedTargets, Task } from "./task.js";
import { createTasks } from "./task-set.js";
import { layOutTraining, type TrainedLayout } from "./trained-parts.js";

/** Where training stands, apart from its tensors; everything is counted over the whole run. */
export interface SessionCounters {
  /** Batches processed. */
  readonly step: number;
  /** Optimiser updates applied. */
  readonly updates: number;
  /** `step` at the latest update: the batches since then are in the accumulated gradient. */
  readonly updatedAt: number;
  /**
   * Rows to which targets are padded: a power of two that grows with the fullest batch so far. It is
   * part of the state because the order of a sum, and with it its last bit, may depend on it.
   */
  readonly capacity: number;
}

/** What one step showed. */
export interface StepReport {
  readonly losses: Readonly<Record<string, number>>;
  readonly taskWeights: Readonly<Record<string, number>>;
  /** Of decayed weights; of the first branch where there are branches. */
  readonly learningRate: number;
  /** Global norm of the accumulated gradient before clipping. */
  readonly gradientNorm: number;
  /** The same of each branch, where there are branches. */
  readonly branches?: Readonly<
    Record<string, { readonly learningRate: number; readonly gradientNorm: number }>
  >;
  /** What the balancer measured, by quantity and task; where the optimiser moved and there is anything. */
  readonly balance?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The training state of a model and the programs that advance it by one batch. */
export class TrainingSession {
  readonly #trained: TrainedLayout;
  readonly #model: Model;
  readonly #config: TrainConfig;
  readonly #tasks: readonly Task[];
  readonly #balancer: Balancer;
  readonly #programs: StepPrograms;
  readonly #stepsPerEpoch: number;
  #state: Map<string, HostTensor>;
  /** Memory of states that others may still read. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #counters: SessionCounters;

  /**
   * @param tensors the model's parameters and buffers by name
   * @param stepsPerEpoch batches an epoch
   */
  constructor(
    model: Model,
    config: TrainConfig,
    tensors: ReadonlyMap<string, HostTensor>,
    stepsPerEpoch: number,
  ) {
    this.#model = model;
    this.#config = config;
    // Eight rows an image hold one box's matches at most levels: few batches will outgrow them.
    const capacity = 2 ** Math.ceil(Math.log2(8 * config.batch));
    this.#counters = { step: 0, updates: 0, updatedAt: 0, capacity };
    this.#stepsPerEpoch = stepsPerEpoch;
    this.#tasks = createTasks(model, config);
    this.#balancer = balancerOf(model, this.#tasks, config);
    this.#trained = layOutTraining(model, declareForTraining(model), config);
    this.#state = this.#initialState(tensors);
    this.#programs = new StepPrograms(
      {
        model,
        tasks: this.#tasks,
        ...this.#trained,
        balancer: this.#balancer,
        normsAt: config.gradnorm.layer ?? model.sharedLayer,
        size: config.size,
      },
      { device: config.device, threads: config.threads, keep: true },
      this.#branchSteps(),
    );
  }

  get layout(): StateLayout {
    return this.#trained.layout;
  }

  get balancer(): Balancer {
    return this.#balancer;
  }

  get counters(): SessionCounters {
    return this.#counters;
  }

  /**
   * Advances by one batch.
   * @throws EchoDuetError `diverged` where a loss or the gradient is not finite, naming step, task and
   *   tensor, or a task's weight is below zero; the state is then still that of the step before
   */
  async step(batch: FrameBatch): Promise<StepReport> {
    const prepared = this.#tasks.map((task) => task.prepare(batch));
    const rows = Math.max(...prepared.map((targets) => targets.rows));
    const capacity = Math.max(this.#counters.capacity, 2 ** Math.ceil(Math.log2(Math.max(rows, 1))));
    const compiled = await this.#programs.get(batch.frames.length, capacity);
    const plan = planStep(this.#trained, this.#config, {
      ...this.#counters,
      stepsPerEpoch: this.#stepsPerEpoch,
    });
    const feeds = this.#feeds(batch, prepared, compiled, plan);
    const results = await compiled.run(feeds, this.#place());
    const number = (name: string) => (results.get(name) as HostTensor<"float32">).data[0];
    const report: StepReport = {
      losses: Object.fromEntries(
        [...results.keys()]
          .filter((name) => name.startsWith("loss."))
          .map((name) => [name.slice("loss.".length), number(name)]),
      ),
      taskWeights: Object.fromEntries(this.#tasks.map(({ name }) => [name, number(`weight.${name}`)])),
      ...progressOf(plan, (branch) => number(partName(branch, "gradientNorm"))),
      ...(plan.applies ? this.#balance(results) : {}),
    };
    if (
      !Number.isFinite(report.gradientNorm) ||
      Object.values(report.losses).some((loss) => !Number.isFinite(loss))
    ) {
      throw await explainDivergence({
        step: this.#counters.step + 1,
        report,
        feeds,
        layout: this.layout,
        place: this.#place(),
        inspect: () => this.#programs.compile(batch.frames.length, compiled.capacity, true),
      });
    }
    this.#requireWeights(report.taskWeights);
    this.#advance(results);
    const step = this.#counters.step + 1;
    this.#counters = {
      step,
      updates: this.#counters.updates + (plan.applies ? 1 : 0),
      updatedAt: plan.applies ? step : this.#counters.updatedAt,
      capacity,
    };
    return report;
  }

  /** The averaged parameters and buffers by name: the model that is validated and deployed. */
  averaged(): Map<string, HostTensor<"float32">> {
    const { parameters, frozen, buffers } = this.layout;
    return new Map([
      ...this.#unpack([...parameters, ...buffers], stateNames.average),
      ...this.#unpack(frozen, stateNames.parameters),
    ]);
  }

  /** The parameters by name as they are trained, not averaged. */
  parameters(): Map<string, HostTensor<"float32">> {
    const { parameters, frozen } = this.layout;
    return this.#unpack([...parameters, ...frozen], stateNames.parameters);
  }

  /** Everything that `restore` needs, by name. */
  get state(): ReadonlyMap<string, HostTensor> {
    this.#lend();
    return this.#state;
  }

  /**
   * Continues from a saved state.
   * @throws EchoDuetError `checkpoint` where a tensor is missing or has another shape
   */
  restore(state: ReadonlyMap<string, HostTensor>, counters: SessionCounters): void {
    this.#state = new Map(
      [...this.#state].map(([name, current]) => {
        const saved = state.get(name);
        if (!saved || saved.dtype !== current.dtype || sizeOf(saved.shape) !== sizeOf(current.shape)) {
          throw new EchoDuetError(
            "checkpoint",
            `checkpoint: ${name} expects ${sizeOf(current.shape)} elements, got ${saved ? sizeOf(saved.shape) : "none"}`,
          );
        }
        return [name, saved];
      }),
    );
    this.#lend();
    this.#counters = counters;
  }

  async close(): Promise<void> {
    await this.#programs.close();
  }

  /** Goes on to the next state; that before it is freed, but for what others may read and what stays. */
  #advance(results: ReadonlyMap<string, HostTensor>): void {
    const frozen = this.#frozen;
    const before = [...this.#state.values()];
    this.#state = new Map(
      [...this.#state].map(([name, current]) => [
        name,
        frozen.has(name) ? current : (results.get(stateNames.next(name)) as HostTensor),
      ]),
    );
    const held = new Set([...this.#state.values()].map(({ data }) => data.buffer));
    releaseTensors(before.filter(({ data: { buffer } }) => !held.has(buffer) && !this.#lent.has(buffer)));
  }

  #lend(): void {
    for (const { data } of this.#state.values()) this.#lent.add(data.buffer);
  }

  #unpack(groups: readonly FlatGroup[], stateName: (group: string) => string) {
    this.#lend();
    const vector = (group: string) => this.#state.get(stateName(group)) as HostTensor;
    return new Map(groups.flatMap((group) => [...unpack(group, vector(group.name))]));
  }

  /** States that no step changes. */
  get #frozen(): ReadonlySet<string> {
    return new Set(this.layout.frozen.map(({ name }) => stateNames.parameters(name)));
  }

  /** The step by branch, where the branches run side by side: trained both, under weights that stay as they are. */
  #branchSteps(): BranchStep[] | null {
    const config = { ...this.#config, threads: resolveThreads(this.#config.threads) };
    const constant =
      this.#balancer.kind === "weighting" &&
      this.#balancer.update === null &&
      this.#balancer.feeds.length === 0;
    const branches = threadsApart(this.#model, config);
    if (branches === null || !constant || this.#trained.parts.length < branches.length) return null;
    return branches.map(({ model, threads }) => {
      const tasks = createTasks(model, config);
      const balancer = balancerOf(model, tasks, config) as WeightingBalancer;
      const trained = layOutTraining(model, declareForTraining(model), config);
      return { step: { ...trained, model, tasks, balancer, normsAt: null, size: config.size }, threads };
    });
  }

  #initialState(tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
    const state = new Map<string, HostTensor>();
    const { layout, parts } = this.#trained;
    for (const group of layout.parameters) {
      const vector = pack(group, tensors);
      state.set(stateNames.parameters(group.name), vector);
      state.set(stateNames.average(group.name), vector);
      for (const name of this.#accumulators(group.name)) state.set(name, zeros("float32", [group.size]));
      for (const slot of parts.find(({ branch }) => branch === group.branch)?.optimiser.slots ?? []) {
        state.set(stateNames.slot(slot, group.name), zeros("float32", [group.size]));
      }
    }
    for (const group of layout.frozen) state.set(stateNames.parameters(group.name), pack(group, tensors));
    for (const group of layout.buffers) {
      const vector = pack(group, tensors);
      state.set(stateNames.buffers(group.name), vector);
      state.set(stateNames.average(group.name), vector);
    }
    for (const [name, tensor] of this.#balancerState()) state.set(name, tensor);
    return state;
  }

  /** Where gradients are summed up: of all tasks together, or of each. */
  #accumulators(group: string): string[] {
    if (this.#balancer.kind === "weighting") return [stateNames.accumulated(group)];
    return this.#tasks.map(({ name }) => stateNames.taskAccumulated(name, group));
  }

  #balancerState(): [string, HostTensor][] {
    const balancer = this.#balancer;
    const tasks = this.#tasks.length;
    const windows = [stateNames.windowLosses, stateNames.windowCounts].map((name): [string, HostTensor] => [
      name,
      zeros("float32", [tasks]),
    ]);
    if (balancer.kind === "combining") return windows;
    const own = balancer.state.map(({ name, shape, initial }): [string, HostTensor] => [
      stateNames.balancer(name),
      hostTensor("float32", shape, Float32Array.from(initial)),
    ]);
    if (balancer.update === null) return own;
    const gradients = balancer.needs.norms
      ? this.#tasks.map(({ name }): [string, HostTensor] => [
          stateNames.windowGradient(name),
          zeros("float32", [this.#sharedLayerSize()]),
        ])
      : [];
    return [...own, ...windows, ...gradients];
  }

  #sharedLayerSize(): number {
    const name = this.#config.gradnorm.layer ?? this.#model.sharedLayer;
    const entries = [...this.layout.parameters, ...this.layout.frozen].flatMap((group) => group.entries);
    // Where there is no such layer, building the step says so.
    return sizeOf(entries.find((entry) => entry.name === name)?.shape ?? []);
  }

  /** Learnt weights that ran below zero, or are no numbers, would train a task backwards. */
  #requireWeights(weights: Readonly<Record<string, number>>): void {
    const least = this.#balancer.kind === "weighting" ? 0 : Number.NEGATIVE_INFINITY;
    const spent = Object.entries(weights).find(([, weight]) => !(Number.isFinite(weight) && weight >= least));
    if (!spent) return;
    throw new EchoDuetError(
      "diverged",
      `step ${this.#counters.step + 1}: the weight of ${spent[0]} expects a number of at least 0, got ${spent[1]}; ` +
        "lower --balancer-lr or --alpha, or set --gradnorm-floor; a checkpoint saved before is intact",
    );
  }

  /** What the balancer measured, of the tasks that it counted. */
  #balance(results: ReadonlyMap<string, HostTensor>): Pick<StepReport, "balance"> {
    const prefix = "balance.";
    const counted = results.get(`${prefix}counted`) as HostTensor<"float32"> | undefined;
    const quantities = [...results].flatMap(([name, tensor]) =>
      name.startsWith(prefix) && tensor !== counted ? [{ name: name.slice(prefix.length), tensor }] : [],
    );
    if (quantities.length === 0) return {};
    const byTask = ({ data }: HostTensor) =>
      Object.fromEntries(
        this.#tasks.flatMap(({ name }, i) => (counted?.data[i] === 0 ? [] : [[name, Number(data[i])]])),
      );
    return { balance: Object.fromEntries(quantities.map(({ name, tensor }) => [name, byTask(tensor)])) };
  }

  #place(): StepPlace {
    const { step } = this.#counters;
    return { seed: this.#config.seed, step, epoch: Math.floor(step / this.#stepsPerEpoch) + 1 };
  }

  #feeds(
    batch: FrameBatch,
    prepared: readonly PreparedTargets[],
    { inputs, dropouts, capacity }: StepProgram,
    plan: StepPlan,
  ): Map<string, HostTensor> {
    const feeds = new Map<string, HostTensor>([["images", batch.images], ...this.#state]);
    for (const targets of prepared) {
      for (const [name, tensor] of targets.feeds(capacity)) feeds.set(name, tensor);
    }
    for (const task of this.#tasks) {
      // Times the batch size, a mean becomes the sum over images that the learning rates are made for.
      const summed = this.#config.lossScale === "sum" || task.batchScaled;
      feeds.set(`scale.${task.name}`, scalar(summed ? batch.frames.length : 1));
    }
    for (const [name, value] of Object.entries(plan.scalars))
      if (inputs.has(name)) feeds.set(name, scalar(value));
    if (this.#balancer.kind === "weighting") {
      for (const { name, length, at } of this.#balancer.feeds) {
        const values = Float32Array.from(at(this.#place()));
        feeds.set(`balancer.${name}`, hostTensor("float32", [length], values));
      }
    }
    for (const spec of dropouts) feeds.set(`dropout/${spec.name}`, this.#dropoutMask(spec));
    return feeds;
  }

  #dropoutMask({ name, shape, rate }: DropoutSpec): HostTensor {
    const random = randomStream(this.#config.seed, "dropout", name, this.#counters.step);
    const mask = zeros("float32", shape);
    for (let i = 0; i < mask.data.length; i++) mask.data[i] = random.uniform() < rate ? 0 : 1 / (1 - rate);
    return mask;
  }
}

/**
 * The balancer of a model's tasks as configured.
 * @throws EchoDuetError `config` where the balancer does not fit the model
 */
export function balancerOf(model: Model, tasks: readonly Task[], config: TrainConfig): Balancer {
  if (tasks.length < 2 && config.balancer !== "static") {
    throw new EchoDuetError(
      "config",
      `balancer ${config.balancer}: expects two tasks, got ${model.name}; use --balancer static`,
    );
  }
  return createBalancer(config.balancer, {
    ...config,
    tasks: tasks.map(({ name, initialLoss }) => ({ name, weight: config.taskWeights[name], initialLoss })),
  });
}

/**
 * Finds out, before anything is written, whether the settings fit the model: builds the step for the smallest image.
 * @throws EchoDuetError `config` where they do not
 */
export function checkTraining(model: Model, config: TrainConfig): void {
  const smallest = { ...config, size: { width: 32, height: 32 } };
  const tasks = createTasks(model, smallest);
  const balancer = balancerOf(model, tasks, smallest);
  const trained = layOutTraining(model, declareForTraining(model), smallest);
  if (config.balancer === "static") return;
  checkStep({
    ...smallest,
    ...trained,
    model,
    tasks,
    balancer,
    normsAt: config.gradnorm.layer ?? model.sharedLayer,
    batch: 1,
    capacity: 1,
  });
}

/** Rate and gradient norm of a step, in all and by branch. */
function progressOf(
  { learningRates }: StepPlan,
  normOf: (branch: TaskName | null) => number,
): Pick<StepReport, "learningRate" | "gradientNorm" | "branches"> {
  const parts = [...learningRates].map(([branch, learningRate]) => ({
    branch,
    learningRate,
    gradientNorm: normOf(branch),
  }));
  const [{ learningRate }] = parts;
  const gradientNorm = Math.hypot(...parts.map((part) => part.gradientNorm));
  if (parts[0].branch === null) return { learningRate, gradientNorm: parts[0].gradientNorm };
  return {
    learningRate,
    gradientNorm,
    branches: Object.fromEntries(parts.map(({ branch, ...part }) => [branch, part])),
  };
}

/** The parameters of a model: independent of batch and image size, so the smallest will do. */
export function declareForTraining(model: Model): Declaration {
  return declareModel(model, { batch: 1, height: 32, width: 32 });
}

function scalar(value: number): HostTensor {
  return hostTensor("float32", [], Float32Array.of(value));
}
