// Trains the toy network with one balancer and measures it on test data.
import { Program } from "echoduet/runtime";
import { balancerOf, initialState, lossesGraph, optimiserFeeds, stepGraph } from "./network.mjs";
import { batchesOf } from "./problem.mjs";

const rows = { batch: 100, test: 1000 };

/** The programs of a comparison, compiled once for all seeds: a training step a method, and the test. */
export async function compile(methods, settings) {
  const test = await Program.compile(lossesGraph(rows.test), { threads: 1 });
  const trained = [];
  for (const name of methods) {
    const balancer = balancerOf(name, settings);
    trained.push({
      name,
      balancer,
      step: await Program.compile(stepGraph(rows.batch, balancer), { threads: 1 }),
    });
  }
  const close = async () => {
    for (const program of [test, ...trained.map(({ step }) => step)]) await program.close();
  };
  return { test, methods: trained, close };
}

/** Training batches and one test batch of a seed: the same for every method. */
export async function dataOf(seed, batches) {
  const train = await batchesOf(seed, { name: "train", batches, rows: rows.batch });
  const [test] = await batchesOf(seed, { name: "test", batches: 1, rows: rows.test });
  return { train, test };
}

/**
 * Trains and returns a record at step 0, every `every` steps and the last step: `step`, the test losses over those of
 * the untrained network (`normalised`, one a task), their mean (`loss`), and the weights that the balancer gives next.
 */
export async function train({ test, method, seed, data, steps, every, rate }) {
  let state = initialState(seed, method.balancer);
  const initial = await losses();
  const records = [];
  for (let step = 0; ; step++) {
    if (step % every === 0 || step === steps) {
      const normalised = (await losses()).map((loss, task) => loss / initial[task]);
      const loss = normalised.reduce((a, b) => a + b) / normalised.length;
      records.push({ step, loss, normalised, weights: [...state.get("balancer/weights").data] });
    }
    if (step === steps) return records;
    const { x, y } = data.train[step % data.train.length];
    const results = await method.step.run(
      new Map([...state, ["x", x], ["y", y], ...optimiserFeeds(step, rate)]),
    );
    state = new Map([...state.keys()].map((name) => [name, results.get(`next/${name}`)]));
  }

  async function losses() {
    const feeds = new Map([["parameters", state.get("parameters")], ...Object.entries(data.test)]);
    return [...(await test.run(feeds)).get("losses").data];
  }
}
