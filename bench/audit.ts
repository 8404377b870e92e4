/**
 * How long an audit takes: of label files alone on a data set made up for it, and with images beside decoding
 * them and doing nothing else. Run after `npm run build`:
 *
 *     npx tsx bench/audit.ts labels 100000
 *     npx tsx bench/audit.ts images DATA.YAML [workers]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { runAudit } from "../src/data/audit/index.js";
import { machineFacts } from "../src/experiments/index.js";
import { WorkerPool } from "../src/threads/index.js";

const [what, argument = "", workers = String(availableParallelism())] = process.argv.slice(2);
if (what === "labels")
  process.stdout.write(`${JSON.stringify(await timeLabels(Number(argument)), null, 2)}\n`);
else if (what === "images") {
  const figures = await timeImages(argument, Number(workers));
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
} else {
  process.stderr.write("bench: expected `labels COUNT` or `images DATA.YAML [workers]`\n");
  process.exitCode = 1;
}

/** Audits `count` empty images with a label file each; writing them is not part of the time. */
async function timeLabels(count: number) {
  const folder = mkdtempSync(join(tmpdir(), "echoduet-bench-"));
  try {
    const dataYaml = writeLabels(folder, count);
    const start = performance.now();
    const used = process.cpuUsage();
    const { report } = await runAudit(dataYaml, { images: false });
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(used);
    const processorSeconds = (user + system) / 1e6;
    const { frames } = report.summary;
    return {
      machine: machineFacts(),
      ...{ frames, seconds, processorSeconds },
      findings: report.findings.length,
      ...memory(),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Patients of 5 clips of 20 frames, 70, 15 and 15 of 100 patients a split. */
function writeLabels(folder: string, count: number): string {
  const split = (patient: number): string =>
    patient % 20 < 14 ? "train" : patient % 20 < 17 ? "valid" : "test";
  for (const name of ["train", "valid", "test"]) {
    for (const kind of ["images", "labels"]) mkdirSync(join(folder, name, kind), { recursive: true });
  }
  const pairs = ["1 A4C", "3 A4C", "2 PSAX", "3 PSAX", "0 PLAX", "1 PLAX"];
  const columns: Record<string, string> = { A4C: "1 0 0", PSAX: "0 1 0", PLAX: "0 0 1" };
  for (let i = 0; i < count; i++) {
    const [patient, clip, frame] = [Math.floor(i / 100), Math.floor(i / 20) % 5, i % 20];
    const [label, view] = pairs[(patient + clip) % pairs.length].split(" ");
    const name = `p${patient}v${clip}f${frame}`;
    const [x, y] = [0.3 + (i % 97) / 400, 0.4 + (i % 89) / 400];
    const corners = `${x} ${y} ${x + 0.1} ${y} ${x + 0.1} ${y + 0.2} ${x} ${y + 0.2}`;
    writeFileSync(join(folder, split(patient), "images", `${name}.jpg`), "");
    writeFileSync(
      join(folder, split(patient), "labels", `${name}.txt`),
      `${label} ${corners}\n\n${columns[view]}\n`,
    );
  }
  const dataYaml = join(folder, "data.yaml");
  writeFileSync(
    dataYaml,
    "train: train/images\nval: valid/images\ntest: test/images\nnames: [AR, MR, PR, TR]\n" +
      "views: [A4C, PSAX, PLAX]\ngroups: {patient: '^(p\\d+)', video: '^(p\\d+v\\d+)'}\n",
  );
  return dataYaml;
}

/** The whole audit, and the labels alone, of real images; and decoding the same images in as many threads. */
async function timeImages(dataYaml: string, workers: number) {
  // Processor time counts every thread of the process, and not what else runs on the machine.
  const timed = async (run: () => Promise<unknown>) => {
    const start = performance.now();
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    return { seconds: (performance.now() - start) / 1000, processorSeconds: (user + system) / 1e6 };
  };
  const { scan } = await runAudit(dataYaml, { images: false });
  const decode = async (): Promise<void> => {
    const pool = new WorkerPool(workers, new URL("../src/data/loader-worker.js", import.meta.url), "bench");
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < scan.frames.length) {
        await pool.run({ path: scan.frames[next++].imagePath, size: { width: 32, height: 32 } });
      }
    };
    await Promise.all(Array.from({ length: 2 * workers }, lane));
    await pool.close();
  };
  const rounds: { [of in "decode" | "audit"]: { seconds: number; processorSeconds: number } }[] = [];
  for (let round = 0; round < 3; round++) {
    const decoding = await timed(decode);
    rounds.push({ decode: decoding, audit: await timed(() => runAudit(dataYaml, { workers })) });
  }
  return { machine: machineFacts(), frames: scan.frames.length, workers, rounds, ...memory() };
}

function memory() {
  return { peakMemoryMiB: Math.round(process.resourceUsage().maxRSS / 1024) };
}
