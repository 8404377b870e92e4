import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { EchoDuetError } from "../../errors.js";
import { randomStream } from "../../tensor/index.js";
import { VALVES, VIEWS } from "./anatomy.js";
import { type Entry, patientName, planEntries } from "./entries.js";
import { existingSimulation, RECORD, recordText, type SimulationCounts, writeWhole } from "./folder.js";
import { labelText, shareBox } from "./label-text.js";
import { type NoiseBank, noiseBank } from "./noise.js";
import {
  type ResolvedSimulation,
  resolveOptions,
  type SimulationOptions,
  type Split,
  SPLITS,
} from "./options.js";
import { burnText } from "./overlay.js";
import { type Planted, plantFaults } from "./planting.js";
import { type RenderedFrame, renderFrame } from "./render.js";
import { type SectorMap, sectorMap } from "./sector.js";
import { consequencesOf, imageFile, labelFile, sortFaults, type TrueFault } from "./truth.js";
import { clipLook, framePose, type PatientLook, patientLook } from "./variation.js";

/** What a simulation wrote. Everything but `out` and `reused` depends on the options alone. */
export interface SimulationSummary extends SimulationCounts {
  out: string;
  /** True where `out` already held the complete simulation of the same options and nothing was written. */
  reused: boolean;
}

/**
 * Writes a simulated data set of sector pictures to `options.out`: data.yaml, {train,valid,test}/images/*.jpg,
 * {train,valid,test}/labels/*.txt (`class x1 y1 .. x4 y4` normalised, a blank line, the one-hot view),
 * simulation.json with the options, truth.json with every planted fault and what follows from it, and
 * truth.jsonl with what each frame truly shows. Each frame shows one regurgitation; its label is the box around
 * the valve and the jet's turbulent core. Patients are disjoint between splits unless leakage is planted. The
 * same options give the same bytes.
 *
 * The folder appears only when it is complete. One that already holds the same simulation is reused. Throws a
 * config error for bad options and an io error where the folder holds anything else or cannot be written.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationSummary> {
  const resolved = resolveOptions(options);
  const out = resolve(options.out);
  const existing = await existingSimulation(out, resolved);
  if (existing) return { out, reused: true, ...existing };
  const planted = plantFaults(planEntries(resolved), resolved);
  try {
    const counts = await writeWhole(out, (folder) => writeAll(folder, planted, resolved, options.onProgress));
    return { out, reused: false, ...counts };
  } catch (cause) {
    if (cause instanceof EchoDuetError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EchoDuetError("io", `${out}: expected to write the simulation there, got: ${reason}`, {
      cause,
    });
  }
}

async function writeAll(
  folder: string,
  planted: Planted,
  options: ResolvedSimulation,
  onProgress: SimulationOptions["onProgress"],
): Promise<SimulationCounts> {
  const splits = SPLITS.filter(
    (split) =>
      options.splits[split] > 0 ||
      [...planted.entries, ...planted.orphans].some((entry) => entry.split === split),
  );
  for (const split of splits) {
    await mkdir(join(folder, split, "images"), { recursive: true });
    await mkdir(join(folder, split, "labels"), { recursive: true });
  }
  const truths = await writeFrames(folder, planted.entries, options, onProgress);
  // Somewhere in the middle of a picture that is not there.
  for (const orphan of planted.orphans) {
    await writeFile(join(folder, labelFile(orphan)), labelText(orphan, [0.4, 0.45, 0.56, 0.64]));
  }
  const faults = sortFaults([...consequencesOf(planted.entries), ...planted.faults]);
  const counts = summarise(planted, faults);
  await writeFile(join(folder, "truth.json"), faultsText(faults));
  await writeFile(join(folder, "truth.jsonl"), truths.map((truth) => `${JSON.stringify(truth)}\n`).join(""));
  await writeFile(join(folder, "data.yaml"), dataYaml(splits));
  await writeFile(join(folder, RECORD), recordText(options, counts));
  return counts;
}

/** What one frame truly shows, a line of truth.jsonl. Boxes: left, top, right, bottom as shares of the picture. */
interface FrameTruth {
  file: string;
  view: string;
  class: string;
  box: readonly number[];
  /** Box of the jet's turbulent core alone. */
  jet: readonly number[];
  /** The patient and the number of the clip that are seen; copies are filed under another name. */
  patient: string;
  clip: number;
  frame: number;
  /** Place in the heart's cycle, 0 the onset of systole .. 1. */
  phase: number;
  difficulty: number;
  machine: string;
}

/** Writes pictures and labels in the order of the entries; pictures are encoded while the next ones are drawn. */
async function writeFrames(
  folder: string,
  entries: readonly Entry[],
  options: ResolvedSimulation,
  onProgress: SimulationOptions["onProgress"],
): Promise<FrameTruth[]> {
  const bank = noiseBank(options.seed);
  const truths: FrameTruth[] = [];
  let scanner: Scanner | undefined;
  let writes: Promise<void>[] = [];
  try {
    for (const [i, entry] of entries.entries()) {
      if (scanner?.patient !== entry.shows.patient) scanner = scannerOf(entry.shows.patient, options);
      const { frame, truth } = drawEntry(bank, entry, scanner, options);
      truths.push(truth);
      writes.push(writeFrame(folder, entry, frame, options));
      if (writes.length === 8) {
        await Promise.all(writes);
        writes = [];
        onProgress?.(i + 1, entries.length);
      }
    }
  } finally {
    await Promise.allSettled(writes);
  }
  await Promise.all(writes);
  onProgress?.(entries.length, entries.length);
  return truths;
}

/** A patient's look and scan conversion, shared by the patient's clips. */
interface Scanner {
  patient: number;
  look: PatientLook;
  map: SectorMap;
}

function scannerOf(patient: number, { seed, size }: ResolvedSimulation): Scanner {
  const look = patientLook(seed, patient);
  const { width, height } = size === "machine" ? look.machine.native : size;
  return { patient, look, map: sectorMap(width, height, look) };
}

function drawEntry(
  bank: NoiseBank,
  entry: Entry,
  { look, map }: Scanner,
  { seed, difficulty }: ResolvedSimulation,
): { frame: RenderedFrame; truth: FrameTruth } {
  const { shows } = entry;
  const { view, valve } = shows.scene;
  const clip = clipLook(seed, shows, valve, difficulty);
  const pose = framePose(seed, shows, clip, valve);
  const frame = renderFrame(bank, map, { view, valve, patient: look, clip, frame: pose });
  const truth: FrameTruth = {
    ...{ file: imageFile(entry), view, class: valve },
    box: shareBox(frame.box, map),
    jet: shareBox(frame.jetBox, map),
    ...{ patient: patientName(shows.patient), clip: shows.clip, frame: shows.frame },
    phase: Number(pose.cycle.phase.toFixed(4)),
    difficulty: Number(clip.difficulty.toFixed(4)),
    machine: look.machine.name,
  };
  if (entry.image === "text") burnText(frame.picture, map, nameText(seed, entry));
  return { frame, truth };
}

async function writeFrame(
  folder: string,
  entry: Entry,
  { picture, box }: RenderedFrame,
  { seed }: ResolvedSimulation,
): Promise<void> {
  const { width, height, data } = picture;
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    // Full chroma resolution: halved, it would smear the jet beyond its box.
    .jpeg({ quality: entry.image === "re-encoded" ? 72 : 92, chromaSubsampling: "4:4:4" })
    .toBuffer();
  const kept =
    entry.image === "corrupt" ? jpeg.subarray(0, Math.ceil(jpeg.length * cutAt(seed, entry))) : jpeg;
  await writeFile(join(folder, imageFile(entry)), kept);
  if (entry.label.fault === "labelMissing") return;
  await writeFile(join(folder, labelFile(entry)), labelText(entry, shareBox(box, picture)));
}

/** Share of a picture's bytes that are left of it where its file is cut off. */
function cutAt(seed: number, { name }: Entry): number {
  return randomStream(seed, "simulate", "cut", name).uniform(0.1, 0.6);
}

/** An invented name, date of birth and number. */
function nameText(seed: number, { name }: Entry): string {
  const random = randomStream(seed, "simulate", "text", name);
  const pick = (from: readonly string[]): string => from[random.integer(from.length)]!;
  const two = (low: number, count: number): string => String(low + random.integer(count)).padStart(2, "0");
  const family = pick(["SPECIMEN", "EXAMPLE", "MUSTERMANN", "SAMPLE", "TESTCASE"]);
  const date = `${two(1930, 70)}-${two(1, 12)}-${two(1, 28)}`;
  return `${family} ${pick(["A", "B", "J", "K", "M"])} ${date} ID ${10000 + random.integer(90000)}`;
}

function summarise({ entries, orphans }: Planted, faults: readonly TrueFault[]): SimulationCounts {
  const count = (holds: (entry: Entry) => boolean): number => entries.filter(holds).length;
  const splits = SPLITS.map((split) => {
    const own = entries.filter((entry) => entry.split === split);
    const labels =
      own.filter(({ label }) => label.fault !== "labelMissing").length +
      orphans.filter((orphan) => orphan.split === split).length;
    return [split, { patients: [...new Set(own.map(({ patient }) => patient))], images: own.length, labels }];
  });
  const codes = [...new Set(faults.map(({ code }) => code))];
  return {
    images: entries.length,
    splits: Object.fromEntries(splits) as SimulationCounts["splits"],
    views: Object.fromEntries(VIEWS.map((view) => [view, count(({ shows }) => shows.scene.view === view)])),
    valves: Object.fromEntries(
      VALVES.map((valve) => [valve, count(({ shows }) => shows.scene.valve === valve)]),
    ),
    faults: Object.fromEntries(codes.map((code) => [code, faults.filter((f) => f.code === code).length])),
  };
}

/** truth.json, one fault a line. */
function faultsText(faults: readonly TrueFault[]): string {
  const lines = faults.map((fault) => `\n    ${JSON.stringify(fault)}`).join(",");
  return `{\n  "faults": [${lines}${faults.length > 0 ? "\n  " : ""}]\n}\n`;
}

function dataYaml(splits: readonly Split[]): string {
  const lines = splits.map((split) => `${split === "valid" ? "val" : split}: ${split}/images\n`);
  return `# Simulated colour-Doppler frames with one valve-regurgitation box each, and the view of each frame.
# File names are pPPvVVfFFFF: patient, video (clip) within the patient, frame.
path: .
${lines.join("")}names: [${VALVES.join(", ")}]
views: [${VIEWS.join(", ")}]
groups:
  patient: '^(p\\d+)'
  video: '^(p\\d+v\\d+)'
`;
}
