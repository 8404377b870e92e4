import type { Graph, ValueType } from "../graph/index.js";
import type { HostTensor } from "../tensor/index.js";
import { WorkerPool } from "../threads/index.js";
import { prepareProgram, type ProgramOptions, type Results } from "./program.js";
import type { ProgramAnswer, ProgramTask } from "./program-worker.js";

/**
 * A program that runs in a thread of its own. ONNX Runtime for Node computes on the thread that asks, whatever its
 * promises look like: two programs at the same time need two threads. Inputs are copied to the thread, results are
 * handed over.
 */
export class ThreadedProgram {
  private constructor(
    readonly inputs: ReadonlyMap<string, ValueType>,
    private readonly pool: WorkerPool<ProgramTask, ProgramAnswer>,
  ) {}

  /** As `Program.compile`; the graph is prepared here and loaded there. */
  static async compile(graph: Graph, options: ProgramOptions = {}): Promise<ThreadedProgram> {
    const prepared = await prepareProgram(graph, options);
    const script = new URL("./program-worker.js", import.meta.url);
    const pool = new WorkerPool<ProgramTask, ProgramAnswer>(1, script, "program thread");
    try {
      await pool.run({ open: prepared, options });
    } catch (error) {
      await pool.close();
      throw error;
    }
    return new ThreadedProgram(prepared.inputs, pool);
  }

  /** As `Program.run`. */
  async run(feeds: ReadonlyMap<string, HostTensor>): Promise<Results> {
    const own = [...feeds].filter(([name]) => this.inputs.has(name));
    const { results } = await this.pool.run({
      feeds: new Map(own.map(([name, value]) => [name, alone(value)])),
    });
    return results;
  }

  async close(): Promise<void> {
    await this.pool.run({ close: true });
    await this.pool.close();
  }
}

/** A tensor without the rest of a buffer of which it is a part: copying takes whole buffers. */
function alone(tensor: HostTensor): HostTensor {
  const { data } = tensor;
  return data.byteLength === data.buffer.byteLength
    ? tensor
    : ({ ...tensor, data: data.slice() } as HostTensor);
}
