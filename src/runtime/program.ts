import { InferenceSession, Tensor } from "onnxruntime-node";
import { EchoDuetError } from "../errors.js";
import {
  type Graph,
  optimise,
  type PartLimits,
  showType,
  splitBatch,
  type ValueType,
  verify,
} from "../graph/index.js";
import { serialise } from "../onnx/index.js";
import { type DType, type HostTensor, sameShape } from "../tensor/index.js";
import { blockedLayout } from "./blocked-layout.js";
import { absent, type DeviceName, deviceOptions, resolveThreads } from "./devices.js";
import { createKeptSession } from "./kept-session.js";
import { ProgramCache } from "./program-cache.js";

export interface ProgramOptions {
  /** `cpu` by default. */
  readonly device?: DeviceName;
  /** Threads within an operator; 0, the default, takes every core. */
  readonly threads?: number;
  /** Whether ONNX Runtime may rewrite the graph; true by default. */
  readonly optimise?: boolean;
  /** Whether the first axis of every input and output may have any length at each run; false by default. */
  readonly dynamicBatch?: boolean;
  /**
   * Whether the optimised form is kept on the disk for the next start (`ProgramCache`); false by default, for programs
   * whose constants will not come again. CPU only.
   */
  readonly keep?: boolean;
  /** Prefix of ONNX Runtime's profile, written when the program is closed. */
  readonly profile?: string;
}

/** The results of a run by name. On the CPU they are host tensors that share memory with nothing else. */
export type Results = ReadonlyMap<string, HostTensor>;

/** A graph that ONNX Runtime has compiled for one device. */
export class Program {
  readonly inputs: ReadonlyMap<string, ValueType>;
  readonly outputs: ReadonlyMap<string, ValueType>;
  readonly #session: InferenceSession;
  readonly #dynamicBatch: boolean;

  private constructor(
    session: InferenceSession,
    types: Pick<Program, "inputs" | "outputs">,
    dynamicBatch: boolean,
  ) {
    this.#session = session;
    this.inputs = types.inputs;
    this.outputs = types.outputs;
    this.#dynamicBatch = dynamicBatch;
  }

  /** Verifies, optimises, serialises and loads a graph. */
  static async compile(graph: Graph, options: ProgramOptions = {}): Promise<Program> {
    return Program.open(await prepareProgram(graph, options), options);
  }

  /** Loads what {@link prepareProgram} made, with the same options. */
  static async open({ bytes, inputs, outputs }: PreparedProgram, options: ProgramOptions): Promise<Program> {
    const session = await createSession(bytes, options);
    return new Program(session, { inputs, outputs }, options.dynamicBatch ?? false);
  }

  /**
   * Loads an ONNX model; a dynamic axis counts as length 1 in the types, and its batch may have any length.
   * @throws EchoDuetError `runtime` where ONNX Runtime refuses it
   */
  static async load(bytes: Uint8Array, options: ProgramOptions = {}): Promise<Program> {
    const session = await createSession(bytes, options);
    const types = { inputs: typesOf(session.inputMetadata), outputs: typesOf(session.outputMetadata) };
    return new Program(session, types, true);
  }

  /**
   * Runs once. Inputs are read where they lie.
   * @param feeds one host tensor for each input, of its dtype and shape.
   * @throws EchoDuetError `runtime` for a missing or unfit input, or where ONNX Runtime fails.
   */
  async run(feeds: ReadonlyMap<string, HostTensor>): Promise<Results> {
    const tensors: Record<string, Tensor> = {};
    for (const [name, type] of this.inputs) {
      const value = feeds.get(name);
      const shape = this.#dynamicBatch && value ? [value.shape[0], ...type.shape.slice(1)] : type.shape;
      tensors[name] = toRuntime(name, { dtype: type.dtype, shape }, value);
    }
    const results = await this.#session.run(tensors);
    return new Map(Object.entries(results).map(([name, tensor]) => [name, toHost(tensor as Tensor)]));
  }

  /** Frees the session; a profile, if one was asked for, is complete after this. */
  async close(): Promise<void> {
    this.#session.endProfiling();
    await this.#session.release();
  }
}

/** An ONNX model of a graph with the types of what goes in and out; plain data, which a thread may be sent. */
export interface PreparedProgram {
  readonly bytes: Uint8Array;
  readonly inputs: ReadonlyMap<string, ValueType>;
  readonly outputs: ReadonlyMap<string, ValueType>;
}

/** Verifies, optimises and serialises a graph. */
export async function prepareProgram(
  graph: Graph,
  { device = "cpu", threads = 0, optimise: rewrite = true, dynamicBatch = false }: ProgramOptions,
): Promise<PreparedProgram> {
  verify(graph);
  const fitted = rewrite && device === "cpu";
  const optimised = rewrite ? optimise(graph) : graph;
  const inParts = fitted ? splitBatch(optimised, partLimits(threads)) : optimised;
  const block = fitted ? await blockedLayout() : null;
  const bytes = serialise(inParts, { block, ...(dynamicBatch ? { dynamicBatch: "batch" } : {}) });
  return { bytes, inputs: typesIn(optimised.inputs), outputs: typesIn(optimised.outputs) };
}

/** Found by measuring (docs/performance.md). An image for each of two threads, since small products are not shared. */
function partLimits(threads: number): PartLimits {
  return { leastImages: Math.min(2, resolveThreads(threads)), partBytes: 4e6, fromBytes: 3e6 };
}

function typesIn(values: ReadonlyMap<string, ValueType>): Map<string, ValueType> {
  return new Map([...values].map(([name, { dtype, shape }]) => [name, { dtype, shape }]));
}

/** Loads the bytes of an ONNX model. */
async function createSession(
  bytes: Uint8Array,
  { device = "cpu", threads = 0, optimise: rewrite = true, keep = false, profile }: ProgramOptions,
): Promise<InferenceSession> {
  const provider = deviceOptions(device);
  const cache = keep && rewrite && device === "cpu" && !profile ? ProgramCache.ofUser() : null;
  const create = (options: InferenceSession.SessionOptions) =>
    cache ? createKeptSession(bytes, options, cache) : InferenceSession.create(bytes, options);
  try {
    return await create({
      ...provider,
      intraOpNumThreads: resolveThreads(threads),
      interOpNumThreads: 1,
      executionMode: "sequential",
      // Planning all of a run's memory as one block keeps the blocks that it replaces: half as much again.
      enableMemPattern: false,
      graphOptimizationLevel: rewrite ? "all" : "disabled",
      logSeverityLevel: 3,
      ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
    });
  } catch (cause) {
    const reason = reasonOf(cause);
    if (device !== "cpu") throw absent(device, reason, cause);
    throw new EchoDuetError("runtime", `program: ONNX Runtime refused the model: ${reason}`, { cause });
  }
}

/** The first line of an error of ONNX Runtime, without the place in its source. */
function reasonOf(cause: unknown): string {
  const [line] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
  return line.replace(/\S+\.(cc|h):\d+ (.*\) )?/, "");
}

function typesOf(metadata: readonly InferenceSession.ValueMetadata[]): Map<string, ValueType> {
  return new Map(
    metadata.flatMap((value) =>
      value.isTensor
        ? [
            [
              value.name,
              { dtype: value.type as DType, shape: value.shape.map((n) => (typeof n === "number" ? n : 1)) },
            ],
          ]
        : [],
    ),
  );
}

/** A host tensor as ONNX Runtime takes it, without a copy. */
function toRuntime(name: string, type: ValueType, value: HostTensor | undefined): Tensor {
  if (!value)
    throw new EchoDuetError("runtime", `program: input ${name} is missing, expected ${showType(type)}`);
  if (value.dtype !== type.dtype || !sameShape(value.shape, type.shape)) {
    throw new EchoDuetError(
      "runtime",
      `program: input ${name} expects ${showType(type)}, got ${showType(value)}`,
    );
  }
  return new Tensor(value.dtype, value.data, value.shape);
}

/** A result on the host as a host tensor, without a copy. */
function toHost(tensor: Tensor): HostTensor {
  return { dtype: tensor.type as DType, shape: tensor.dims, data: tensor.data as HostTensor["data"] };
}
