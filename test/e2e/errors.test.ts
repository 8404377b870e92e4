import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { add, Graph } from "../../src/graph/index.js";
import { createModel, modelNames } from "../../src/models/index.js";
import { encodeSafetensors, serialise } from "../../src/onnx/index.js";
import { hostTensor } from "../../src/tensor/index.js";
import { declareForTraining, initialTensors } from "../../src/training/index.js";
import { type CliResult, eventsOf, runCli, temporaryFolder, tinyData, words } from "../support/cli.js";
import {
  checkpointZip,
  dict,
  global,
  moduleRecord,
  parameter,
  pickle,
  reduce,
  text,
  vector,
} from "../support/pickle-writer.js";

const { folder, remove } = temporaryFolder("errors");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);

const data = at("data", "data.yaml");
/** A detector of four classes as another program would save it. */
const weights = at("weights.safetensors");

beforeAll(async () => {
  await tinyData(at("data"));
  const { parameters, buffers } = declareForTraining(createModel("detect-yolov5n", { classes: 4, views: 0 }));
  writeFileSync(weights, encodeSafetensors(initialTensors(parameters, buffers, 0), {}));
});

/** A copy of the data with a fault in it. */
function faultyData(name: string, spoil: (folder: string) => void): string {
  const copy = at(name);
  cpSync(dirname(data), copy, { recursive: true });
  spoil(copy);
  return join(copy, "data.yaml");
}

const firstIn = (...parts: string[]) => join(...parts, readdirSync(join(...parts)).sort()[0]);
const halve = (path: string) => truncateSync(path, Math.floor(readFileSync(path).length / 2));

const train = (dataYaml: string, out: string, more: string[] = []) =>
  words`train --data ${dataYaml} --out ${out} --size 64 --batch 4 --epochs 1 --threads 1`.concat(
    more.includes("--model") ? [] : ["--model", "joint-yolov5n"],
    more,
  );

/** The process failed as a user's mistake does: told on standard error, without a stack, nothing left over. */
function expectRefusal({ code, stdout, stderr }: CliResult, ...parts: (string | RegExp)[]): void {
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
  for (const part of parts) {
    if (typeof part === "string") expect(stderr).toContain(part);
    else expect(stderr).toMatch(part);
  }
  expect(stderr).not.toMatch(/\.[cm]?[jt]s:\d+:\d+|node:internal|This is a bug/);
  const everything = readdirSync(folder, { recursive: true }).map(String);
  expect(everything.filter((name) => /\.(tmp|lock)$/.test(name))).toEqual([]);
}

describe("data", () => {
  it.each<[string, (path: string) => void]>([
    ["corrupt", (path) => writeFileSync(path, "this is no picture")],
    ["truncated", halve],
  ])("with a %s image stop the training, which has written no checkpoint", async (kind, spoil) => {
    let image = "";
    const yaml = faultyData(`${kind}-image`, (copy) => {
      image = firstIn(copy, "train", "images");
      spoil(image);
    });
    const out = at(`${kind}-run`);
    expectRefusal(
      await runCli(train(yaml, out)),
      `echoduet: ${image}: expected a whole image, got one that cannot be decoded (`,
      "replace or remove the file",
    );
    expect(readdirSync(out).some((name) => name.endsWith(".safetensors"))).toBe(false);
  });

  it("with a truncated image stop a validation and a prediction", async () => {
    let image = "";
    const yaml = faultyData("truncated-test", (copy) => {
      image = firstIn(copy, "test", "images");
      halve(image);
    });
    const val = words`val --weights ${weights} --data ${yaml} --split test --size 64 --json`;
    expectRefusal(await runCli(val), `${image}: expected a whole image`);
    const predict = words`predict --weights ${weights} --source ${image} --size 64 --json`;
    expectRefusal(await runCli(predict), `${image}: expected a whole image`);
  });

  it.each<[string, string, number, RegExp]>([
    [
      "a word for a number",
      "0 0.5 0.5 0.2 0.2\n1 0.5 wide 0.2 0.2\n",
      2,
      /finite number as value 3, got `wide`/,
    ],
    ["too few values", "\n0 0.5 0.5 0.2\n", 2, /expected `class cx cy w h`.*got 4 values.*correct or remove/],
    ["pixels", "0 10 20 30 40\n", 1, /coordinates within 0\.\.1, got `10`.*divide pixels/],
    [
      "a view too few",
      "0 0.5 0.5 0.2 0.2\n\n0 1\n",
      3,
      /one-hot line of 3 views, got 2 values.*`views` in data/,
    ],
    ["two views", "0 1 1\n", 1, /exactly one 1, got `0 1 1`/],
    [
      "a class too many",
      "4 0.5 0.5 0.2 0.2\n",
      1,
      /class index in 0\.\.3 \(4 names.*got `4`.*correct the line/,
    ],
  ])(
    "with %s on a label's line are refused before anything is written",
    async (fault, label, line, message) => {
      let file = "";
      const yaml = faultyData(fault, (copy) => {
        file = firstIn(copy, "valid", "labels");
        writeFileSync(file, label);
      });
      const out = at(`${fault} run`);
      expectRefusal(await runCli(train(yaml, out)), `echoduet: ${file}:${line}: `, message);
      expect(existsSync(out)).toBe(false);
    },
  );

  it("without a picture in a split, or without the split's folder, are refused", async () => {
    let images = "";
    const empty = faultyData("empty", (copy) => {
      images = join(copy, "train", "images");
      for (const name of readdirSync(images)) rmSync(join(images, name));
    });
    expectRefusal(
      await runCli(train(empty, at("empty-run"))),
      `${images}: the train split is empty: expected images (.jpg`,
      `check \`train\` in ${empty}`,
    );
    rmSync(images, { recursive: true });
    expectRefusal(
      await runCli(train(empty, at("empty-run"))),
      `${images}: expected a folder of images, a .txt list or an image, got nothing there; check \`train\` in ${empty}`,
    );
    expect(existsSync(at("empty-run"))).toBe(false);
  });

  it("without a data.yaml, or with a damaged one, are refused with the line", async () => {
    const none = at("nowhere.yaml");
    const out = at("no-run");
    expectRefusal(await runCli(train(none, out)), `${none}: expected a readable data.yaml`, "ENOENT");
    const broken = at("data", "broken.yaml");
    writeFileSync(broken, "path: .\nnames: [AR, MR\ntrain: train/images\n");
    expectRefusal(await runCli(train(broken, out)), new RegExp(`${broken}:\\d: not valid YAML: `));
    const wrong = at("data", "wrong.yaml");
    writeFileSync(wrong, "path: .\nnames: [AR, MR]\nview: [A4C]\ntrain: train/images\n");
    expectRefusal(await runCli(train(wrong, out)), `${wrong}:3: view: unknown key view; known keys are`);
    expect(existsSync(out)).toBe(false);
  });

  it("of other classes than the weights' are not scored", async () => {
    const other = at("data", "other.yaml");
    writeFileSync(
      other,
      "path: .\nnames: [AR, MR, PR, TR, XR]\nval: valid/images\nviews: [A4C, PSAX, PLAX]\n",
    );
    expectRefusal(
      await runCli(words`val --weights ${weights} --data ${other} --size 64 --json`),
      `${other}: names are [AR, MR, PR, TR, XR], but ${weights} was trained on [class0, `,
    );
  });
});

describe("weights", () => {
  const uses = (file: string) => [
    train(data, at("weights-run"), ["--weights", file, "--model", "detect-yolov5n"]),
    words`val --weights ${file} --data ${data} --size 64 --json`,
    words`predict --weights ${file} --source ${at("data", "test", "images")} --size 64 --json`,
    words`export --weights ${file} --out ${at("exported.onnx")} --size 64`,
  ];

  async function expectRefused(file: string, ...parts: (string | RegExp)[]): Promise<void> {
    for (const args of uses(file)) expectRefusal(await runCli(args), ...parts);
    expect(existsSync(at("weights-run"))).toBe(false);
    expect(existsSync(at("exported.onnx"))).toBe(false);
  }

  it("that do not exist are refused", async () => {
    const file = at("nowhere.pt");
    await expectRefused(file, `echoduet: ${file}: cannot be read (ENOENT`, "check the path");
  });

  it("in a folder without a run are refused", async () => {
    await expectRefused(
      folder,
      `${folder}: expected a run with best.safetensors or last.safetensors, got neither`,
    );
  });

  it("of a pickle that would run a program are refused by name, and run nothing", async () => {
    const file = at("malicious.pt");
    const canary = at("canary");
    const payload = reduce(global("os", "system"), text(`touch ${canary}`));
    writeFileSync(file, checkpointZip(pickle(dict([text("model"), payload])), []));
    await expectRefused(file, file, "refused: pickle asks for os.system", "nothing of the file was run");
    expect(existsSync(canary)).toBe(false);
  });

  it("in a .pt cut in half are refused", async () => {
    const file = at("half.pt");
    const model = moduleRecord(["models.yolo", "Model"], { parameters: [["w", parameter(vector("0", 64))]] });
    writeFileSync(file, checkpointZip(pickle(dict([text("model"), model])), [new Uint8Array(256)]));
    halve(file);
    await expectRefused(file, file, "not a complete zip archive", "download or copy it again");
  });

  it("in a checkpoint cut in half are refused", async () => {
    const file = at("half.safetensors");
    cpSync(weights, file);
    halve(file);
    await expectRefused(file, `${file}: `, /truncated|expected \d+ bytes/);
  });

  it("that are a picture are refused", async () => {
    const file = firstIn(at("data", "test", "images"));
    await expectRefused(file, `${file}: expected a run, a .safetensors or a PyTorch .pt file, got `);
  });

  it("of another network's size do not fit", async () => {
    const out = at("size-run");
    const more = ["--weights", weights, "--model", "detect-yolov5s"];
    expectRefusal(
      await runCli(train(data, out, more)),
      `${weights}: does not fit detect-yolov5s: model.0.conv.weight ([16, 3, 6, 6] in the file, [32, 3, 6, 6] here)`,
      "choose the model of the same size",
    );
    expect(existsSync(out)).toBe(false);
  });

  it("in an ONNX file of another program, or in no ONNX file, are refused", async () => {
    const predict = (file: string) =>
      runCli(words`predict --weights ${file} --source ${at("data", "test", "images")} --json`);
    const graph = new Graph();
    const one = graph.constant(hostTensor("float32", [1], Float32Array.of(1)));
    graph.output("y", add(graph.input("x", "float32", [1]), one));
    const other = at("other.onnx");
    writeFileSync(other, serialise(graph));
    expectRefusal(
      await predict(other),
      `${other}: expected a model exported by echoduet, got an ONNX model without`,
    );
    const none = at("none.onnx");
    writeFileSync(none, "this is no model, and no protocol buffer either");
    expectRefusal(await predict(none), `${none}: `);
    const missing = at("missing.onnx");
    expectRefusal(await predict(missing), `${missing}: cannot be read (ENOENT`);
  });
});

describe("an output folder below a file", () => {
  const below = join(weights, "out");

  it("is refused by train", async () => {
    expectRefusal(await runCli(train(data, below)), `${below}: cannot be created (`, "choose another folder");
  });

  it("is refused by predict", async () => {
    const source = at("data", "test", "images");
    const args = words`predict --weights ${weights} --source ${source} --size 64 --out ${below}`;
    expectRefusal(await runCli(args), `${below}: cannot be created (`, "choose another folder");
  });

  it("is refused by export", async () => {
    const file = join(below, "model.onnx");
    const args = words`export --weights ${weights} --out ${file} --size 64`;
    expectRefusal(await runCli(args), `${file}: cannot be written (`, "choose another folder");
  });
});

describe("options", () => {
  const valArgs = words`val --weights ${weights} --data ${data}`;

  it.each<[string, string[], (string | RegExp)[]]>([
    [
      "an unknown model",
      train(data, at("x"), ["--model", "joint-yolov9"]),
      ["got joint-yolov9", ...modelNames],
    ],
    ["an unknown model of info", words`info joint-yolov9`, ["got joint-yolov9", ...modelNames]],
    ["an unknown option", words`train --epoch 3`, ["unknown option '--epoch'", "Did you mean --epochs?"]],
    ["an unknown command", words`trian`, ["unknown command 'trian'", "Did you mean train?"]],
    ["no model", words`train --data ${data}`, [/model is required; give --model/]],
    ["no weights", words`val --data ${data}`, ["required option '--weights <path>' not specified"]],
    [
      "a size of 33",
      train(data, at("x"), ["--size", "33"]),
      [/size.width: must be a multiple of 32, got "33"/],
    ],
    ["a size of 33 in val", [...valArgs, "--size", "33"], [/--size.*33/, /multiples of 32/]],
    ["a batch of 0", [...valArgs, "--batch", "0"], ['expected a whole number >= 1, got "0"']],
    ["an unknown split", [...valArgs, "--split", "holdout"], ["split: expected train, val, valid or test"]],
    ["an unknown device", [...valArgs, "--device", "tpu"], [/--device.*tpu.*cpu, webgpu, cuda, coreml, dml/]],
    [
      "a budget of memory that is none",
      train(data, at("x"), ["--memory", "much"]),
      [/--memory.*such as 2GB/],
    ],
    [
      "a budget of memory that nothing fits",
      train(data, at("x"), ["--batch", "1", "--size", "64", "--memory", "1MB"]),
      [/--memory: expected a budget of at least \d+ MiB .*got 1 MiB/],
    ],
    ["an unknown balancer", train(data, at("x"), ["--balancer", "magic"]), ["magic", "static"]],
  ])("%s", async (_name, args, parts) => {
    expectRefusal(await runCli(args), ...parts);
    expect(existsSync(at("x"))).toBe(false);
  });

  it("in a configuration file are checked with their names", async () => {
    const config = at("config.yaml");
    writeFileSync(config, "epocs: 3\nbatch: many\n");
    expectRefusal(
      await runCli(words`train --data ${data} --out ${at("x")} --config ${config}`),
      config,
      /epocs: unknown option; did you mean epochs\?/,
      /batch: expected number, got "many"/,
    );
    writeFileSync(config, "epochs: 3\n  batch: [\n");
    expectRefusal(
      await runCli(train(data, at("x"), ["--config", config])),
      new RegExp(`${config}:\\d:\\d+: `),
    );
    expect(existsSync(at("x"))).toBe(false);
  });

  it("a device that this computer lacks is named, with what there is", async () => {
    const absent = process.platform === "darwin" ? "dml" : "coreml";
    const source = firstIn(at("data", "test", "images"));
    const args = words`predict --weights ${weights} --source ${source} --size 64 --json --device`;
    expectRefusal(
      await runCli([...args, absent]),
      new RegExp(
        `echoduet: device ${absent}: is not available: this ONNX Runtime has cpu.*Use --device cpu\n$`,
      ),
    );
    expectRefusal(
      await runCli(train(data, at("x"), ["--device", absent])),
      `device ${absent}: is not available`,
    );
    expect(existsSync(at("x"))).toBe(false);
    // A computer may have these two; where it does, they work.
    for (const device of ["webgpu", "cuda"]) {
      const result = await runCli([...args, device]);
      if (result.code === 0) continue;
      expectRefusal(result, `device ${device}: is not available: `, "Use --device cpu");
    }
  });
});

describe("predict --source", () => {
  const predict = (source: string) =>
    runCli(words`predict --weights ${weights} --source ${source} --size 64 --json`);

  it("of a glob without matches, or of a folder without images, finds none", async () => {
    const glob = at("data", "*.gif");
    expectRefusal(await predict(glob), `echoduet: ${glob}: expected images (.jpg, `, "found none");
    const labels = at("data", "test", "labels");
    expectRefusal(await predict(labels), `echoduet: ${labels}: expected images (.jpg, `, "found none");
  });

  it("of nothing says so", async () => {
    const path = at("nowhere.jpg");
    expectRefusal(await predict(path), `${path}: expected an image, a folder or a glob, found nothing there`);
  });
});

describe("a training that diverges", () => {
  it("stops with the step, the task and the tensor", async () => {
    const out = at("diverged");
    const wild = words`--lr0 1e30 --clip-norm 0 --warmup-epochs 0 --nominal-batch 0 --epochs 3`;
    expectRefusal(await runCli(train(data, out, wild)), /echoduet: step 2: the loss \w+ is \S+; lower --lr0/);
    expect(eventsOf(out, "step").map(({ step }) => step)).toEqual([1]);
    expect(eventsOf(out, "diverged")).toHaveLength(1);
  });
});

describe("--help", () => {
  const documented: Record<string, string> = {
    train:
      "data model weights epochs batch size seed task-weights out resume config json device threads fraction patience",
    val: "weights data split size batch json device threads",
    predict: "weights source size conf iou out json device threads",
    export: "weights out size json threads",
    info: "size batch json",
    demo: "out seed threads",
  };

  it.each(Object.entries(documented))("of %s lists its options", async (command, options) => {
    const { code, stdout, stderr } = await runCli([command, "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const option of options.split(" ")) expect(stdout).toMatch(new RegExp(`^ +--${option}\\b`, "m"));
  });

  it("of the program lists the commands; --version prints the version", async () => {
    const { code, stdout } = await runCli(["--help"]);
    expect(code).toBe(0);
    for (const command of Object.keys(documented))
      expect(stdout).toMatch(new RegExp(`^ +${command}\\b`, "m"));
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(await runCli(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});
