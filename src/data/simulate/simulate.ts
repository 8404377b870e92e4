import { mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import sharp from "sharp";
import { EchoDuetError } from "../../errors.js";
import { randomStream } from "../../tensor/index.js";
import { SCENES, VALVES, VIEWS } from "./anatomy.js";
import { type NoiseBank, noiseBank } from "./noise.js";
import {
  type ResolvedSimulation,
  resolveOptions,
  type SimulationOptions,
  SPLITS,
  type Split,
  splitPatients,
} from "./options.js";
import { type RenderedFrame, renderFrame } from "./render.js";
import { type SectorMap, sectorMap } from "./sector.js";
import { clipLook, framePose, type PatientLook, patientLook } from "./variation.js";

/** Raised whenever the pictures of one seed change, so that an older folder is not taken for a new one. */
const REVISION = 2;
const RECORD = "simulation.json";

/** What a simulation wrote. Everything but `out` and `reused` depends on the options alone. */
export interface SimulationSummary {
  out: string;
  /** True where `out` already held the complete simulation of the same options and nothing was written. */
  reused: boolean;
  images: number;
  splits: Record<Split, { patients: string[]; images: number }>;
  /** Images of each view and of each regurgitant valve. */
  views: Record<string, number>;
  valves: Record<string, number>;
}

interface SimulationRecord {
  revision: number;
  options: ResolvedSimulation;
  summary: Omit<SimulationSummary, "out" | "reused">;
}

interface Clip {
  split: Split;
  patient: number;
  /** Number of the clip within its patient, from 1. */
  clip: number;
  scene: (typeof SCENES)[number];
}

/**
 * Writes a simulated data set of sector pictures to `options.out`: data.yaml, {train,valid,test}/images/*.jpg,
 * {train,valid,test}/labels/*.txt (`class x1 y1 .. x4 y4` normalised, a blank line, the one-hot view) and
 * simulation.json with the options. Each frame shows one jet, whose bounding box is the label. Patients are
 * disjoint between splits. The same options give the same bytes.
 *
 * The folder appears only when it is complete. One that already holds the same simulation is reused. Throws a
 * config error for bad options and an io error where the folder holds anything else or cannot be written.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationSummary> {
  const resolved = resolveOptions(options);
  const out = resolve(options.out);
  const existing = await existingSimulation(out, resolved);
  if (existing) return { out, reused: true, ...existing.summary };
  try {
    const summary = await writeWhole(out, resolved);
    return { out, reused: false, ...summary };
  } catch (cause) {
    if (cause instanceof EchoDuetError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EchoDuetError("io", `${out}: expected to write the simulation there, got: ${reason}`, {
      cause,
    });
  }
}

/** Writes into a temporary folder beside `out` and renames it, or removes it where anything fails. */
async function writeWhole(out: string, options: ResolvedSimulation): Promise<SimulationRecord["summary"]> {
  await mkdir(dirname(out), { recursive: true });
  const temporary = await mkdtemp(join(dirname(out), `.${basename(out)}.partial-`));
  try {
    const clips = planClips(options);
    await writeFrames(temporary, clips, options);
    const summary = summarise(clips, options.framesPerClip);
    const record: SimulationRecord = { revision: REVISION, options, summary };
    await writeFile(join(temporary, "data.yaml"), DATA_YAML);
    await writeFile(join(temporary, RECORD), `${JSON.stringify(record, null, 2)}\n`);
    // An empty folder may stand in the way, and not every system renames onto one.
    await rmdir(out).catch(() => undefined);
    await rename(temporary, out);
    return summary;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** All clips. Scenes go round within each split, so that six clips of a split show every scene. */
function planClips(options: ResolvedSimulation): Clip[] {
  const numbers = Array.from({ length: options.patients }, (_, i) => i + 1);
  const shuffled = randomStream(options.seed, "simulate", "splits").shuffled(numbers);
  const bySplit = splitPatients(shuffled, options.splits);
  return SPLITS.flatMap((split) =>
    bySplit[split]
      .sort((a, b) => a - b)
      .flatMap((patient, i) =>
        Array.from({ length: options.clipsPerPatient }, (_, c) => {
          const turn = (i * options.clipsPerPatient + c) % SCENES.length;
          return { split, patient, clip: c + 1, scene: SCENES[turn]! };
        }),
      ),
  );
}

async function writeFrames(
  folder: string,
  clips: readonly Clip[],
  options: ResolvedSimulation,
): Promise<void> {
  for (const split of SPLITS) {
    await mkdir(join(folder, split, "images"), { recursive: true });
    await mkdir(join(folder, split, "labels"), { recursive: true });
  }
  const bank = noiseBank(options.seed);
  let scanner: Scanner | undefined;
  for (const clip of clips) {
    if (scanner?.patient !== clip.patient) scanner = scannerOf(clip.patient, options);
    // One clip at a time: its frames are encoded on other threads while the next ones are rendered.
    const writes: Promise<void>[] = [];
    try {
      for (const { name, frame } of renderClip(bank, clip, scanner, options)) {
        writes.push(writeFrame(join(folder, clip.split), name, frame, clip));
        if (writes.length % 8 === 0) await Promise.all(writes);
      }
    } finally {
      await Promise.allSettled(writes);
    }
    await Promise.all(writes);
  }
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

function* renderClip(
  bank: NoiseBank,
  { patient, clip, scene }: Clip,
  { look, map }: Scanner,
  { seed, framesPerClip, difficulty }: ResolvedSimulation,
): Generator<{ name: string; frame: RenderedFrame }> {
  const thisClip = clipLook(seed, { patient, clip }, scene.valve, difficulty);
  for (let f = 0; f < framesPerClip; f++) {
    const pose = framePose(seed, { patient, clip, frame: f }, thisClip, scene.valve);
    const frame = renderFrame(bank, map, { ...scene, patient: look, clip: thisClip, frame: pose });
    yield { name: `${patientName(patient)}v${pad(clip, 2)}f${pad(f, 4)}`, frame };
  }
}

async function writeFrame(folder: string, name: string, frame: RenderedFrame, clip: Clip): Promise<void> {
  const { width, height, data } = frame.picture;
  const jpeg = sharp(data, { raw: { width, height, channels: 3 } })
    // Full chroma resolution: halved, it would smear the jet beyond its box.
    .jpeg({ quality: 92, chromaSubsampling: "4:4:4" });
  await writeFile(join(folder, "images", `${name}.jpg`), await jpeg.toBuffer());
  await writeFile(join(folder, "labels", `${name}.txt`), labelText(frame, clip.scene));
}

/** The joint label: class and the box's corners clockwise from the upper left, a blank line, one-hot view. */
function labelText({ picture, box }: RenderedFrame, scene: Clip["scene"]): string {
  const [x1, x2] = [box[0] / picture.width, box[2] / picture.width];
  const [y1, y2] = [box[1] / picture.height, box[3] / picture.height];
  const corners = [x1, y1, x2, y1, x2, y2, x1, y2].map((c) => c.toFixed(6)).join(" ");
  const view = VIEWS.map((name) => (name === scene.view ? 1 : 0)).join(" ");
  return `${VALVES.indexOf(scene.valve)} ${corners}\n\n${view}\n`;
}

function summarise(clips: readonly Clip[], framesPerClip: number): SimulationRecord["summary"] {
  const count = (holds: (clip: Clip) => boolean): number => clips.filter(holds).length * framesPerClip;
  const ofSplit = (split: Split) => ({
    patients: [...new Set(clips.filter((c) => c.split === split).map((c) => patientName(c.patient)))],
    images: count((c) => c.split === split),
  });
  return {
    images: clips.length * framesPerClip,
    splits: { train: ofSplit("train"), valid: ofSplit("valid"), test: ofSplit("test") },
    views: Object.fromEntries(VIEWS.map((view) => [view, count((c) => c.scene.view === view)])),
    valves: Object.fromEntries(VALVES.map((valve) => [valve, count((c) => c.scene.valve === valve)])),
  };
}

/** The record of the complete simulation of these options in `out`, or undefined where `out` is free. */
async function existingSimulation(
  out: string,
  options: ResolvedSimulation,
): Promise<SimulationRecord | undefined> {
  const entries = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    throw new EchoDuetError("io", `${out}: expected a folder to write to, got ${error.message}`, {
      cause: error,
    });
  });
  if (entries.length === 0) return undefined;
  const remedy = "remove it or name another folder";
  if (!entries.includes(RECORD)) {
    throw new EchoDuetError(
      "io",
      `${out}: expected an empty folder or an earlier simulation, got ${entries.length} other entries (${entries[0]}); ${remedy}`,
    );
  }
  const record = await readRecord(join(out, RECORD), remedy);
  const wanted = JSON.stringify({ revision: REVISION, options });
  const found = JSON.stringify({ revision: record.revision, options: record.options });
  if (wanted !== found) {
    throw new EchoDuetError(
      "io",
      `${out}: expected a simulation of ${wanted}, got one of ${found}; ${remedy}`,
    );
  }
  await checkComplete(out, record, remedy);
  return record;
}

async function readRecord(path: string, remedy: string): Promise<SimulationRecord> {
  try {
    const record: SimulationRecord = JSON.parse(await readFile(path, "utf8"));
    if (record.options && record.summary) return record;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EchoDuetError("io", `${path}: expected a simulation's record, got ${reason}; ${remedy}`, {
      cause,
    });
  }
  throw new EchoDuetError("io", `${path}: expected a simulation's record, got other JSON; ${remedy}`);
}

async function checkComplete(out: string, record: SimulationRecord, remedy: string): Promise<void> {
  for (const split of SPLITS) {
    for (const kind of ["images", "labels"]) {
      const folder = join(out, split, kind);
      const found = (await readdir(folder).catch(() => [])).length;
      const expected = record.summary.splits[split].images;
      if (found === expected) continue;
      throw new EchoDuetError("io", `${folder}: expected ${expected} files, got ${found}; ${remedy}`);
    }
  }
}

function patientName(patient: number): string {
  return `p${pad(patient, 2)}`;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}

const DATA_YAML = `# Simulated colour-Doppler frames with one valve-regurgitation box each, and the view of each frame.
# File names are pPPvVVfFFFF: patient, video (clip) within the patient, frame.
path: .
train: train/images
val: valid/images
test: test/images
names: [${VALVES.join(", ")}]
views: [${VIEWS.join(", ")}]
groups:
  patient: '^(p\\d+)'
  video: '^(p\\d+v\\d+)'
`;
