// GradNorm's toy example (Chen et al. 2018, arXiv 1711.02257, section 4): ten regression tasks that differ in their
// scales, trained by one network with equal weights and with GradNorm. Described in docs/gradnorm-toy.md.
//
//   npm run build && node examples/gradnorm-toy.mjs [--out DIR] [--json]
//   node examples/gradnorm-toy.mjs --grid      # how the learning rates were chosen
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawing, pngOf } from "./gradnorm-toy/picture.mjs";
import { scales } from "./gradnorm-toy/problem.mjs";
import { compile, dataOf, train } from "./gradnorm-toy/train.mjs";

const methods = ["static", "gradnorm"];
const titles = { static: "equal weights", gradnorm: "GradNorm" };
/** Seed of the grid: none of those that are reported. */
const gridSeed = 100;
const grid = { rates: [0.001, 0.003, 0.01, 0.03], balancerRates: [0.005, 0.025, 0.1] };

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "gradnorm-toy" },
    seeds: { type: "string", default: "5" },
    steps: { type: "string", default: "600" },
    batches: { type: "string", default: "100" }, // of 100 samples: the training set
    "learning-rate": { type: "string", default: "0.003" },
    "balancer-lr": { type: "string", default: "0.025" },
    alpha: { type: "string", default: "0.12" },
    json: { type: "boolean", default: false },
    grid: { type: "boolean", default: false },
  },
});
const settings = {
  seeds: whole("seeds"),
  steps: whole("steps"),
  batches: whole("batches"),
  rate: positive("learning-rate"),
  balancerLr: positive("balancer-lr"),
  alpha: positive("alpha"),
};
const every = Math.max(1, Math.round(settings.steps / 60));

if (values.grid) await search();
else await compare();

/** Both methods on every seed: the table, numbers.json and the picture. */
async function compare() {
  const programs = await compile(methods, settings);
  const runs = [];
  for (let seed = 0; seed < settings.seeds; seed++) {
    console.error(`seed ${seed}`);
    runs.push({ seed, ...(await trainAll(programs, seed, settings.rate)) });
  }
  await programs.close();
  const result = { settings, scales, ...summary(runs), runs };
  mkdirSync(values.out, { recursive: true });
  const svg = drawing({ scales, runs, settings });
  writeFileSync(join(values.out, "numbers.json"), `${JSON.stringify(result)}\n`);
  writeFileSync(join(values.out, "gradnorm-toy.svg"), svg);
  writeFileSync(join(values.out, "gradnorm-toy.png"), await pngOf(svg));
  if (values.json) console.log(JSON.stringify(result));
  else printTables(result);
  console.error(`Wrote numbers.json, gradnorm-toy.svg and gradnorm-toy.png to ${values.out}`);
}

/** Records of each method, from the same initial network on the same batches. */
async function trainAll(programs, seed, rate) {
  const data = await dataOf(seed, settings.batches);
  const records = {};
  for (const method of programs.methods) {
    const options = { test: programs.test, method, seed, data, steps: settings.steps, every, rate };
    records[method.name] = await train(options);
  }
  return records;
}

/** Final losses by seed, their means and sample deviations, and GradNorm less equal weights. */
function summary(runs) {
  const last = (run, name) => run[name].at(-1).loss;
  const of = (numbers) => ({ perSeed: numbers, mean: mean(numbers), deviation: deviation(numbers) });
  return {
    static: of(runs.map((run) => last(run, "static"))),
    gradnorm: of(runs.map((run) => last(run, "gradnorm"))),
    difference: of(runs.map((run) => last(run, "gradnorm") - last(run, "static"))),
  };
}

function printTables({ runs, ...result }) {
  const columns = ["static", "gradnorm", "difference"];
  const shown = (number, sign = "") =>
    number === null ? "-" : `${number > 0 ? sign : ""}${number.toFixed(4)}`;
  const signs = { difference: "+" };
  const line = (name, cells) =>
    console.log(name.padEnd(12) + cells.map((cell) => cell.padStart(15)).join(""));
  console.log(`Task-normalised test loss after ${settings.steps} steps: mean over tasks of L(t) / L(0)\n`);
  line("", ["equal weights", "GradNorm", "difference"]);
  runs.forEach(({ seed }, i) => {
    line(
      `seed ${seed}`,
      columns.map((column) => shown(result[column].perSeed[i], signs[column])),
    );
  });
  line(
    "mean",
    columns.map((column) => shown(result[column].mean, signs[column])),
  );
  line(
    "deviation",
    columns.map((column) => shown(result[column].deviation)),
  );
  console.log("\nBy task, mean over the seeds: L(t) / L(0), and GradNorm's last weight\n");
  line("", ["equal weights", "GradNorm", "weight"]);
  const average = (pick) => mean(runs.map(pick));
  scales.forEach((scale, task) => {
    const losses = methods.map((name) => average((run) => run[name].at(-1).normalised[task]).toFixed(4));
    line(`σ = ${scale}`, [...losses, average((run) => run.gradnorm.at(-1).weights[task]).toFixed(4)]);
  });
}

/** Final losses of both methods over the grid, on a seed of its own. */
async function search() {
  const data = await dataOf(gridSeed, settings.batches);
  console.log(`Task-normalised test loss after ${settings.steps} steps, seed ${gridSeed}\n`);
  const names = ["static", ...grid.balancerRates.map((balancerLr) => ({ balancerLr }))];
  const header = grid.rates.map((rate) => String(rate).padStart(9)).join("");
  console.log(`${"learning rate".padEnd(34)}${header}`);
  for (const name of names) {
    const chosen = name === "static" ? ["static"] : ["gradnorm"];
    const programs = await compile(chosen, { ...settings, ...(name === "static" ? {} : name) });
    const cells = [];
    for (const rate of grid.rates) {
      const [method] = programs.methods;
      const options = { method, data, rate, every, seed: gridSeed, steps: settings.steps };
      cells.push((await train({ test: programs.test, ...options })).at(-1).loss.toFixed(4).padStart(9));
    }
    await programs.close();
    const title = name === "static" ? titles.static : `${titles.gradnorm}, weights' rate ${name.balancerLr}`;
    console.log(`${title.padEnd(34)}${cells.join("")}`);
  }
}

function whole(name) {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number > 0) return number;
  return refuse(name, "a whole number above 0");
}

function positive(name) {
  const number = Number(values[name]);
  if (Number.isFinite(number) && number > 0) return number;
  return refuse(name, "a number above 0");
}

function refuse(name, expected) {
  console.error(`--${name}: expected ${expected}, got ${values[name]}`);
  process.exit(1);
}

function mean(numbers) {
  return numbers.reduce((a, b) => a + b) / numbers.length;
}

/** Sample standard deviation; null of a single number. */
function deviation(numbers) {
  const centre = mean(numbers);
  const squares = numbers.reduce((sum, number) => sum + (number - centre) ** 2, 0);
  return numbers.length > 1 ? Math.sqrt(squares / (numbers.length - 1)) : null;
}
