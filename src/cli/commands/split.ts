import { Command, InvalidArgumentError, Option } from "commander";
import { toNumber } from "../../config/text-values.js";
import type { FrameRatios, GroupBy, SplitSummary, WrittenSplit } from "../../data/split/index.js";
import { EchoDuetError } from "../../errors.js";
import { jsonOption, parseCount } from "../options.js";

interface SplitCommandOptions {
  readonly by: GroupBy;
  readonly ratios?: FrameRatios;
  readonly folds?: number;
  readonly seed: number;
  readonly out?: string;
  readonly name?: string;
  readonly images: boolean;
  readonly json?: boolean;
}

const defaultRatios: FrameRatios = [0.7, 0.15, 0.15];

/** `echoduet split DATA.YAML`: train, val and test, or folds, that share no patient. */
export function splitCommand(): Command {
  return new Command("split")
    .description("split data by patient or clip, balanced over classes and views, as lists of files")
    .argument("<data>", "data.yaml; the frames of all its splits are divided anew")
    .addOption(
      new Option("--by <group>", "what stays together").choices(["patient", "clip"]).default("patient"),
    )
    .option("--ratios <shares>", "shares of train,val,test; default 0.7,0.15,0.15", parseRatios)
    .option("--folds <k>", "k folds in place of ratios, at least 3", (text) => parseCount(text))
    .option("--seed <n>", "seed of the search", (text) => parseCount(text, 0), 0)
    .option("--out <dir>", "folder of the split; by default splits/NAME beside the data")
    .option("--name <name>", "NAME; by default that of group, seed and folds, such as patient-seed0")
    .option("--no-images", "do not compare images: duplicates are not kept together")
    .addOption(jsonOption())
    .action(async (data: string, options: SplitCommandOptions) => {
      const { by, seed, folds, out, name, json } = options;
      if (options.ratios !== undefined && folds !== undefined) {
        throw new EchoDuetError("config", "split: expected either --ratios or --folds, got both; give one");
      }
      const { loadDataDescription } = await import("../../data/index.js");
      const { collectFrames, compareFrames, splitFrames, summariseSplit, writeSplit } = await import(
        "../../data/split/index.js"
      );
      const ratios = folds === undefined ? (options.ratios ?? defaultRatios) : undefined;
      const description = loadDataDescription(data);
      const frames = collectFrames(description);
      const compared = options.images ? await compareFrames(frames, { onProgress }) : null;
      for (const fault of compared?.faults ?? []) warn(`image not compared: ${fault}`);
      const { names, views } = description;
      const duplicates = compared?.duplicates ?? null;
      const assignment = splitFrames(frames, { by, ratios, folds, seed, names, views, duplicates });
      const command = `echoduet ${process.argv.slice(2).map(quoted).join(" ")}`;
      const written = writeSplit(description, assignment, { out, name, command });
      const summary = summariseSplit(assignment);
      for (const warning of summary.warnings) warn(warning);
      const text = json
        ? JSON.stringify({ ...written, ...summary }, null, 2)
        : `${formatSplit(summary)}\n${formatPlace(written)}`;
      process.stdout.write(`${text}\n`);
    });
}

function parseRatios(text: string): FrameRatios {
  const shares = text.split(",").map(toNumber);
  if (shares.length === 3 && shares.every((share) => typeof share === "number")) {
    return shares as unknown as FrameRatios;
  }
  throw new InvalidArgumentError(
    `expected three numbers such as 0.7,0.15,0.15 (train,val,test), got ${JSON.stringify(text)}`,
  );
}

function onProgress(done: number, total: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} images${done === total ? "\n" : ""}`);
}

function warn(message: string): void {
  process.stderr.write(`warning: ${message}\n`);
}

function quoted(word: string): string {
  return /^[\w./,:=@%+-]+$/.test(word) ? word : JSON.stringify(word);
}

/** Merges, the balance of each stratum and the objective, as lines of text. */
export function formatSplit(summary: SplitSummary): string {
  const { frames, groups, by, parts, strata, merges, objective, duplicatesCompared } = summary;
  const lines = [`${frames} frames in ${groups} groups by ${by}`];
  for (const { groups: pair, reason } of merges) {
    const why =
      reason.kind === "clip"
        ? `share clip ${reason.clip}`
        : `${reason.a} and ${reason.b} are ${reason.kind} duplicates (${reason.distance} bits apart, correlation ${reason.correlation.toFixed(4)})`;
    lines.push(`merged ${pair.join(" and ")}: ${why}`);
  }
  if (duplicatesCompared && merges.length === 0) lines.push("no duplicates between groups");
  lines.push(
    row(
      "",
      "",
      parts.map(({ name }) => name),
    ),
    row(
      "",
      "total",
      parts.map(() => "wanted  reached"),
    ),
  );
  for (const { kind, name, total, wanted, reached } of strata) {
    const cells = wanted.map(
      (count, s) => `${count.toFixed(1).padStart(6)}  ${String(reached[s]).padStart(7)}`,
    );
    lines.push(row(`${kind} ${name}`, String(total), cells));
  }
  lines.push(
    `objective: missing classes and views ${objective.lacks}, deviation ${objective.deviation.toFixed(6)}`,
    `fingerprint ${summary.fingerprint}`,
  );
  return lines.join("\n");
}

function row(name: string, total: string, cells: readonly string[]): string {
  return name.padEnd(22) + total.padStart(7) + cells.map((cell) => cell.padStart(18)).join("");
}

function formatPlace({ dataYamls, created }: WrittenSplit): string {
  return dataYamls.map((file) => `${created ? "wrote" : "already there:"} ${file}`).join("\n");
}
