import { InferenceSession, Tensor } from "onnxruntime-node";
import { EchoDuetError } from "../errors.js";
import { type Graph, optimise, showType, type ValueType, verify } from "../graph/index.js";
import { serialise } from "../onnx/index.js";
import { type DType, type HostTensor, sameShape } from "../tensor/index.js";
import { absent, type DeviceName, deviceOptions, resolveThreads } from "./devices.js";

export interface ProgramOptions {
  /** `cpu` by default. */
  readonly device?: DeviceName;
  /** Threads within an operator; 0, the default, takes every core. */
  readonly threads?: number;
  /** Whether ONNX Runtime may rewrite the graph; true by default. */
  readonly optimise?: boolean;
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

  private constructor(session: InferenceSession, graph: Pick<Graph, "inputs" | "outputs">) {
    this.#session = session;
    this.inputs = graph.inputs;
    this.outputs = graph.outputs;
  }

  /** Verifies, optimises, serialises and loads a graph. */
  static async compile(graph: Graph, options: ProgramOptions = {}): Promise<Program> {
    verify(graph);
    const optimised = options.optimise === false ? graph : optimise(graph);
    return new Program(await createSession(serialise(optimised), options), optimised);
  }

  /**
   * Runs once. Inputs are read where they lie.
   * @param feeds one host tensor for each input, of its dtype and shape.
   * @throws EchoDuetError `runtime` for a missing or unfit input, or where ONNX Runtime fails.
   */
  async run(feeds: ReadonlyMap<string, HostTensor>): Promise<Results> {
    const tensors: Record<string, Tensor> = {};
    for (const [name, type] of this.inputs) tensors[name] = toRuntime(name, type, feeds.get(name));
    const results = await this.#session.run(tensors);
    return new Map(Object.entries(results).map(([name, tensor]) => [name, toHost(tensor as Tensor)]));
  }

  /** Frees the session; a profile, if one was asked for, is complete after this. */
  async close(): Promise<void> {
    this.#session.endProfiling();
    await this.#session.release();
  }
}

/** Loads the bytes of an ONNX model. */
export async function createSession(
  bytes: Uint8Array,
  { device = "cpu", threads = 0, optimise: rewrite = true, profile }: ProgramOptions,
): Promise<InferenceSession> {
  const provider = deviceOptions(device);
  try {
    return await InferenceSession.create(bytes, {
      ...provider,
      intraOpNumThreads: resolveThreads(threads),
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: rewrite ? "all" : "disabled",
      logSeverityLevel: 3,
      ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (device !== "cpu") throw absent(device, reason, cause);
    throw new EchoDuetError("runtime", `program: ONNX Runtime refused the model: ${reason}`, { cause });
  }
}

/** A host tensor as ONNX Runtime takes it, without a copy. */
export function toRuntime(name: string, type: ValueType, value: HostTensor | undefined): Tensor {
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
export function toHost(tensor: Tensor): HostTensor {
  return { dtype: tensor.type as DType, shape: tensor.dims, data: tensor.data as HostTensor["data"] };
}
