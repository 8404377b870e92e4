import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/cli.js";
import { cocoText, writePicture } from "../support/coco.js";

const { folder, remove } = temporaryFolder("fuzz-paths");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);

const built = new URL("../../dist/data/", import.meta.url).href;
const canary = "CANARY";
/** Named pipes outside the data, and some inside where a file should be: nobody may open them. */
const pipes: string[] = [];

function pipe(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  execFileSync("mkfifo", [path]);
  pipes.push(path);
}

function text(path: string, contents: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
}

function link(path: string, target: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

beforeAll(async () => {
  expect(existsSync(fileURLToPath(`${built}index.js`)), "not built; run `npm run build` first").toBe(true);
  for (const name of ["pipe.jpg", "pipe.txt", "folder/images/a.jpg", "folder/a.jpg", "labels/a.txt"]) {
    pipe(at("outside", name));
  }
  text(at("outside/text.txt"), `0 0.5 0.5 0.1 0.1 ${canary}\n${canary}.jpg\n`);
  text(at("outside/text-labels/a.txt"), `${canary} 0.5 0.5 0.1 0.1\n`);
  await writePicture(at("outside/real.png"), 8, 8);
});

/** A data set of one good image, in its own folder, with a data.yaml of the given `train`. */
async function dataOf(name: string, train: string): Promise<string> {
  await writePicture(at(name, "train/images/good.png"), 8, 8);
  text(at(name, "data.yaml"), `train: ${train}\nnames: [AR, MR]\n`);
  return at(name, "data.yaml");
}

interface Outcome {
  readonly step: string;
  readonly error: string | null;
  readonly text: string;
}

/** The readers of a data set, in a thread of the built program: what blocks there does not block the test. */
const program = `
  const { workerData: built, parentPort } = require("node:worker_threads");
  const ready = (async () => {
    const data = await import(built + "index.js");
    const formats = await import(built + "formats/index.js");
    const audit = await import(built + "audit/index.js");
    return { data, formats, audit };
  })();
  parentPort.on("message", async ({ out, dataYaml, coco, images }) => {
    const { data, formats, audit } = await ready;
    const outcomes = [];
    const attempt = async (step, work) => {
      try {
        const result = await work();
        outcomes.push({ step, error: null, text: JSON.stringify(result) ?? "" });
        return result;
      } catch (error) {
        outcomes.push({ step, error: error.name, text: String(error.stack) });
      }
    };
    const maps = { views: [], classMap: new Map(), viewMap: new Map() };
    if (dataYaml) {
      const description = await attempt("load", () => data.loadDataDescription(dataYaml));
      if (description) {
        await attempt("images", () => data.listImages(description, "train"));
        const frames = await attempt("frames", () => data.listFrames(description, "train"));
        if (frames) await attempt("fingerprint", () => data.fingerprint(frames));
      }
      const source = { kind: "text", dataYaml, ...maps };
      await attempt("convert", () => formats.convert({ out, source, allowDrops: true }));
      await attempt("audit", () => audit.auditData(dataYaml, {}));
    }
    if (coco) {
      const source = { kind: "coco", splits: { train: { file: coco, images } }, ...maps };
      await attempt("convert", () => formats.convert({ out, source, allowDrops: true }));
    }
    parentPort.postMessage(outcomes);
  });`;
let readers: Worker;
beforeAll(() => {
  readers = new Worker(program, { eval: true, workerData: built, execArgv: [] });
});
afterAll(() => readers.terminate());

/**
 * Lets every reader loose on a data.yaml or a COCO file, and watches the pipes meanwhile: one that somebody has
 * open for reading accepts a writer, which also lets a blocked reader go.
 */
async function readAll(
  name: string,
  given: { dataYaml?: string; coco?: string },
): Promise<{ outcomes: Outcome[]; opened: string[] }> {
  const opened = new Set<string>();
  const watch = setInterval(() => {
    for (const path of pipes) {
      try {
        closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
        opened.add(path.slice(folder.length + 1));
      } catch {
        // Nobody reads: ENXIO.
      }
    }
  }, 5);
  try {
    const outcomes = await new Promise<Outcome[]>((resolve, reject) => {
      readers.once("message", resolve);
      readers.once("error", reject);
      setTimeout(() => reject(new Error(`${name}: no answer in time`)), 60_000).unref();
      readers.postMessage({ out: at(`${name}-out`), images: at(name, "frames"), ...given });
    });
    return { outcomes, opened: [...opened] };
  } finally {
    clearInterval(watch);
    readers.removeAllListeners("error");
  }
}

async function expectUnread(name: string, given: { dataYaml?: string; coco?: string }): Promise<Outcome[]> {
  const { outcomes, opened } = await readAll(name, given);
  expect(opened, outcomes.map(({ step, text }) => `${step}: ${text}`).join("\n")).toEqual([]);
  for (const { step, error, text } of outcomes) {
    expect([null, "EchoDuetError"], `${step}: ${text}`).toContain(error);
    expect(text.replaceAll(folder, ""), step).not.toContain(canary);
  }
  return outcomes;
}

describe.skipIf(process.platform === "win32")("a data.yaml", () => {
  it("of a good data set is read by every step", async () => {
    const outcomes = await expectUnread("good", { dataYaml: await dataOf("good", "train/images") });
    expect(outcomes.map(({ error }) => error)).toEqual(outcomes.map(() => null));
    expect(outcomes.length).toBe(6);
  });

  it.each<[string, string, (root: string) => void]>([
    ["an entry above", "../outside/folder/images", () => {}],
    ["an entry that comes back up", "train/../../outside/folder", () => {}],
    ["an absolute entry", "ABSOLUTE/folder", () => {}],
    [
      "an entry that is a link to a folder",
      "linked",
      (root) => link(join(root, "linked"), "../outside/folder"),
    ],
    ["an entry below a link", "linked/images", (root) => link(join(root, "linked"), "../outside/folder")],
    [
      "an entry that is a link to an image",
      "a.jpg",
      (root) => link(join(root, "a.jpg"), "../outside/pipe.jpg"),
    ],
    [
      "an entry that is a link to a list",
      "list.txt",
      (root) => link(join(root, "list.txt"), "../outside/pipe.txt"),
    ],
    [
      "a list by a chain of links",
      "list.txt",
      (root) => {
        link(join(root, "list.txt"), "second.txt");
        link(join(root, "second.txt"), "../outside/text.txt");
      },
    ],
    ["a list of a path above", "list.txt", (root) => text(join(root, "list.txt"), "../outside/pipe.jpg\n")],
    [
      "a list of an absolute path",
      "list.txt",
      (root) => text(join(root, "list.txt"), `${at("outside/pipe.jpg")}\n`),
    ],
    [
      "a list of a link",
      "list.txt",
      (root) => {
        link(join(root, "train/images/a.jpg"), at("outside/pipe.jpg"));
        text(join(root, "list.txt"), "train/images/a.jpg\n");
      },
    ],
    [
      "a list of an image below a link",
      "list.txt",
      (root) => {
        link(join(root, "linked"), at("outside/folder"));
        text(join(root, "list.txt"), "linked/images/a.jpg\n");
      },
    ],
    [
      "a link to an image among the images",
      "train/images",
      (root) => link(join(root, "train/images/a.jpg"), at("outside/pipe.jpg")),
    ],
    [
      "a link to a folder among the images",
      "train/images",
      (root) => link(join(root, "train/images/more"), at("outside/folder")),
    ],
    [
      "a link to a label",
      "train/images",
      (root) => link(join(root, "train/labels/good.txt"), at("outside/pipe.txt")),
    ],
    [
      "a link to a label of text",
      "train/images",
      (root) => link(join(root, "train/labels/good.txt"), at("outside/text.txt")),
    ],
    [
      "labels in a link to a folder",
      "train/images",
      (root) => {
        link(join(root, "train/images/a.jpg"), "good.png");
        link(join(root, "train/labels"), at("outside/labels"));
      },
    ],
    [
      "labels of text in a link to a folder",
      "train/images",
      (root) => {
        link(join(root, "train/images/a.jpg"), "good.png");
        link(join(root, "train/labels"), at("outside/text-labels"));
      },
    ],
    ["a pipe for an image", "train/images", (root) => pipe(join(root, "train/images/a.jpg"))],
    [
      "a link to a pipe for an image",
      "train/images",
      (root) => {
        pipe(join(root, "pipe"));
        link(join(root, "train/images/a.jpg"), "../../pipe");
      },
    ],
    [
      "a pipe in a list",
      "list.txt",
      (root) => {
        pipe(join(root, "train/images/a.jpg"));
        text(join(root, "list.txt"), "train/images/a.jpg\n");
      },
    ],
    ["a pipe for a list", "list.txt", (root) => pipe(join(root, "list.txt"))],
    ["a pipe for a label", "train/images", (root) => pipe(join(root, "train/labels/good.txt"))],
    ["a link to itself", "train/images", (root) => link(join(root, "train/images/a.jpg"), "a.jpg")],
    [
      "a folder that links to its parent",
      "train/images",
      (root) => link(join(root, "train/images/up"), ".."),
    ],
  ])("with %s leads to no file outside its path", async (name, train, prepare) => {
    const folderName = name.replaceAll(" ", "-");
    const dataYaml = await dataOf(folderName, train.replace("ABSOLUTE", at("outside")));
    prepare(at(folderName));
    await expectUnread(folderName, { dataYaml });
  });
});

describe.skipIf(process.platform === "win32")("a COCO file", () => {
  it.each<[string, string, (frames: string) => void]>([
    ["a path above", "../../outside/pipe.jpg", () => {}],
    ["an absolute path", "ABSOLUTE/pipe.jpg", () => {}],
    ["a link to an image", "a.jpg", (frames) => link(join(frames, "a.jpg"), at("outside/pipe.jpg"))],
    ["an image below a link", "sub/a.jpg", (frames) => link(join(frames, "sub"), at("outside/folder"))],
    ["a pipe", "a.jpg", (frames) => pipe(join(frames, "a.jpg"))],
  ])("with %s leads to no file outside its folder of images", async (name, fileName, prepare) => {
    const folderName = `coco-${name.replaceAll(" ", "-")}`;
    const image = { name: fileName.replace("ABSOLUTE", at("outside")), width: 8, height: 8 };
    mkdirSync(at(folderName, "frames"), { recursive: true });
    text(at(folderName, "train.json"), cocoText([image], ["AR"]));
    prepare(at(folderName, "frames"));
    const outcomes = await expectUnread(folderName, { coco: at(folderName, "train.json") });
    expect(outcomes.map(({ error }) => error)).toEqual(["EchoDuetError"]);
  });
});
