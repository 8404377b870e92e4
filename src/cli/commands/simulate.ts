import { Command, InvalidArgumentError, Option } from "commander";
import { EchoDuetError } from "../../errors.js";
import { toNumber } from "../../config/text-values.js";
import { counted } from "../../data/audit/words.js";
import { VALVES, VIEWS } from "../../data/simulate/anatomy.js";
import { FAULT_KINDS, type FaultKind, faultNames } from "../../data/simulate/fault-kinds.js";
import type { SimulationOptions, SimulationSummary } from "../../data/simulate/index.js";
import { jsonOption, parseCount, shareOption } from "../options.js";

type Amounts = Partial<Record<string, number>>;

interface SimulateCommandOptions {
  readonly out: string;
  readonly patients: number;
  readonly seed: number;
  readonly clips: number;
  readonly frames: number;
  readonly size: SimulationOptions["size"];
  readonly splits?: SimulationOptions["splits"];
  readonly difficulty: number;
  readonly views?: Amounts;
  readonly classes?: Amounts;
  readonly fault?: Amounts;
  readonly json?: boolean;
}

/** `echoduet simulate`: writes simulated patients as a data set, with faults where asked for, and the truth. */
export function simulateCommand(): Command {
  return new Command("simulate")
    .description("write simulated echocardiogram patients as a data set, with the truth beside it")
    .requiredOption("--out <dir>", "folder to create")
    .option("--patients <n>", "patients", (text) => parseCount(text), 40)
    .option("--seed <n>", "seed", (text) => parseCount(text, 0), 0)
    .option("--clips <n>", "clips of each patient", (text) => parseCount(text), 6)
    .option("--frames <n>", "frames of each clip", (text) => parseCount(text), 4)
    .addOption(
      new Option("--size <size>", "pixels WxH, or `machine`: that of each patient's scanner")
        .argParser(parsePictureSize)
        .default({ width: 400, height: 300 }, "400x300"),
    )
    .option("--splits <shares>", "shares of train,valid,test in the patients", parseSplits)
    .addOption(shareOption("--difficulty <share>", "0 plain jets .. 1 up to faint, occluded ones", 0))
    .option("--views <weights>", `weights of ${VIEWS.join(", ")}, such as A4C=1,PSAX=3`, parseAmounts)
    .option("--classes <weights>", `weights of ${VALVES.join(", ")}, such as PR=0.3`, parseAmounts)
    .option(
      "--fault <amounts>",
      "faults to plant, listed below: a share below 1 or a count each, such as view-noise=0.1,patient-leakage=2",
      parseFaults,
    )
    .addOption(jsonOption())
    .addHelpText("after", `\nFaults:\n${faultNames.map(describeFault).join("\n")}`)
    .action(run);
}

async function run(options: SimulateCommandOptions): Promise<void> {
  const { simulate } = await import("../../data/simulate/index.js");
  const { out, patients, seed, size, difficulty } = options;
  const summary = await simulate({
    ...{ out, patients, seed, size, difficulty, onProgress },
    clipsPerPatient: options.clips,
    framesPerClip: options.frames,
    splits: options.splits,
    viewShares: options.views,
    classShares: options.classes,
    faults: options.fault,
  }).catch((error: unknown) => {
    throw asTyped(error);
  });
  process.stdout.write(`${options.json ? JSON.stringify(summary, null, 2) : formatSimulation(summary)}\n`);
}

/** The options by their names in the simulator, where those differ. */
const typedNames: Readonly<Record<string, string>> = {
  framesPerClip: "frames",
  clipsPerPatient: "clips",
  "size.width": "size",
  "size.height": "size",
  viewShares: "views",
  classShares: "classes",
};

/** An error of the simulator's options that names the option as it is typed: `--fault view-noise`. */
function asTyped(error: unknown): unknown {
  if (!(error instanceof EchoDuetError) || error.code !== "config") return error;
  const message = error.message.replace(/^simulate: (\S+) expects/, (_, name: string) => {
    const fault = faultNames.find((kind) => name === kind || name === `faults.${kind}`);
    return `simulate: --${fault === undefined ? (typedNames[name] ?? name) : `fault ${flagOf(fault)}`} expects`;
  });
  return new EchoDuetError(error.code, message, { cause: error });
}

function onProgress(done: number, total: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} frames${done === total ? "\n" : ""}`);
}

/** What was written, as lines of text. */
export function formatSimulation({
  out,
  reused,
  images,
  splits,
  views,
  valves,
  faults,
}: SimulationSummary): string {
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const planted = Object.keys(faults).length === 0 ? "none" : counts(faults);
  return [
    `${reused ? "already there:" : "wrote"} ${counted(images, "frames")} in ${out}`,
    ...Object.entries(splits).map(
      ([name, split]) =>
        `${name}: ${counted(split.images, "frames")} of ${counted(split.patients.length, "patients")}`,
    ),
    `views: ${counts(views)}`,
    `valves: ${counts(valves)}`,
    `findings to expect, by files: ${planted}`,
  ].join("\n");
}

function parsePictureSize(text: string): NonNullable<SimulationOptions["size"]> {
  if (text === "machine") return text;
  const [, width, height] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  if (width !== undefined && height !== undefined) return { width: Number(width), height: Number(height) };
  throw new InvalidArgumentError(`expected WxH in pixels or machine, got ${JSON.stringify(text)}`);
}

function parseSplits(text: string): NonNullable<SimulationOptions["splits"]> {
  const [train, valid, test, ...more] = text.split(",").map(toNumber);
  if (
    typeof train === "number" &&
    typeof valid === "number" &&
    typeof test === "number" &&
    more.length === 0
  ) {
    return { train, valid, test };
  }
  throw new InvalidArgumentError(
    `expected three numbers such as 0.7,0.15,0.15 (train,valid,test), got ${JSON.stringify(text)}`,
  );
}

/** `NAME=NUMBER,NAME=NUMBER`; the simulator checks the names. */
function parseAmounts(text: string): Amounts {
  return Object.fromEntries(
    text.split(",").map((part) => {
      const [name, given = "", ...more] = part.split("=");
      const amount = toNumber(given);
      if (typeof amount === "number" && more.length === 0) return [name, amount];
      throw new InvalidArgumentError(`expected NAME=NUMBER, got ${JSON.stringify(part)}`);
    }),
  );
}

/** As `parseAmounts`, with faults named as on the command line: view-noise for viewNoise. */
function parseFaults(text: string): Amounts {
  return Object.fromEntries(
    Object.entries(parseAmounts(text)).map(([flag, amount]) => {
      const kind = faultNames.find((name) => flagOf(name) === flag);
      if (kind !== undefined) return [kind, amount];
      throw new InvalidArgumentError(`expected one of ${faultNames.map(flagOf).join(", ")}, got ${flag}`);
    }),
  );
}

function flagOf(kind: FaultKind): string {
  return kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function describeFault(kind: FaultKind): string {
  const { of, code, help } = FAULT_KINDS[kind];
  return `  ${flagOf(kind).padEnd(25)} ${help} (of ${of}; ${code})`;
}
