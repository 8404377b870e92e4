// The regression problem of GradNorm's toy example (Chen et al. 2018, arXiv 1711.02257, section 4):
// f_i(x) = σ_i tanh((B + ε_i) x), entries of B from N(0, 10), of ε_i from N(0, 3.5), 250 inputs, 100 outputs.
import { Graph, matMul, mul, sigmoid, sub } from "echoduet/graph";
import { Program } from "echoduet/runtime";
import { hostTensor, randomStream } from "echoduet/tensor";

/** Scales σ of the ten tasks; the paper draws its own and does not list them. */
export const scales = [1, 2, 5, 10, 20, 30, 40, 60, 80, 100];
export const inputs = 250;
export const outputs = 100;

const variances = { shared: 10, own: 3.5 };

/**
 * Batches of one seed: x float32 [rows, 250] with standard normal entries, y float32 [rows, tasks * 100], the tasks'
 * targets side by side.
 * @param {number} seed
 * @param {{ name: string, batches: number, rows: number }} part its name keys its own random numbers
 */
export async function batchesOf(seed, { name, batches, rows }) {
  const program = await Program.compile(targetsGraph(rows), { threads: 1 });
  const matrices = taskMatrices(seed);
  const made = [];
  for (let batch = 0; batch < batches; batch++) {
    const x = normals(rows * inputs, 1, seed, name, batch);
    const feeds = { x: hostTensor("float32", [rows, inputs], x), matrices };
    const y = (await program.run(new Map(Object.entries(feeds)))).get("y");
    made.push({ x: feeds.x, y });
  }
  await program.close();
  return made;
}

/** σ_i tanh((B + ε_i) x) of all tasks at once: tanh(z) = 2 sigmoid(2 z) - 1. */
function targetsGraph(rows) {
  const graph = new Graph();
  const width = scales.length * outputs;
  const x = graph.input("x", "float32", [rows, inputs]);
  const z = matMul(x, graph.input("matrices", "float32", [inputs, width]));
  const sigma = Float32Array.from({ length: width }, (_, column) => scales[Math.floor(column / outputs)]);
  const tanh = sub(mul(sigmoid(mul(z, 2)), 2), 1);
  graph.output("y", mul(tanh, graph.constant(hostTensor("float32", [1, width], sigma))));
  return graph;
}

/** (B + ε_i) of all tasks side by side, each [250, 100]. */
function taskMatrices(seed) {
  const width = scales.length * outputs;
  const shared = normals(inputs * outputs, variances.shared, seed, "B");
  const own = scales.map((_, task) => normals(inputs * outputs, variances.own, seed, "epsilon", task));
  const data = new Float32Array(inputs * width);
  own.forEach((epsilon, task) => {
    for (let i = 0; i < inputs * outputs; i++) {
      data[Math.floor(i / outputs) * width + task * outputs + (i % outputs)] = shared[i] + epsilon[i];
    }
  });
  return hostTensor("float32", [inputs, width], data);
}

/** Numbers from N(0, variance). */
export function normals(count, variance, seed, ...key) {
  const stream = randomStream(seed, ...key);
  const deviation = Math.sqrt(variance);
  return Float32Array.from({ length: count }, () => deviation * stream.normal());
}
