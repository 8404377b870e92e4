import type { DataDescription, SplitName } from "../../src/data/index.js";
import type { DataScan, ScannedFrame } from "../../src/data/audit/index.js";
import { randomStream } from "../../src/tensor/index.js";

/** How a simulated data set was split: by whole patients, clips or frames, or by patients with leaked clips. */
export type Dealing = "patient" | "clip" | "frame" | "leaky";

/** What a view can show, by index: A4C: MR, TR; PSAX: PR, TR; PLAX: AR, MR. */
const shown = [
  [1, 3],
  [2, 3],
  [0, 1],
];

/**
 * A table of labels without files: patients who each tend to one disease, of 2 to 7 clips of 3 to 30 frames of
 * one view each; one view label in twenty is noise. Splits have 70, 15 and 15 per cent, dealt at random, so
 * that any difference between them is chance.
 */
export function labelTable(seed: number, patients: number, dealing: Dealing): DataScan {
  const random = randomStream(seed, "label table", dealing, patients);
  const deal = (): SplitName => (random.uniform() < 0.7 ? "train" : random.uniform() < 0.5 ? "val" : "test");
  const frames: ScannedFrame[] = [];
  for (let p = 0; p < patients; p++) {
    const disease = random.integer(4);
    const patientSplit = deal();
    const clips = 2 + random.integer(6);
    for (let c = 0; c < clips; c++) {
      const view = random.integer(3);
      const usual = shown[view].includes(disease) && random.uniform() < 0.9;
      const label = usual ? disease : shown[view][random.integer(2)];
      const clipSplit = deal();
      const leaks = dealing === "leaky" && random.uniform() < 0.15;
      const count = 3 + random.integer(28);
      for (let f = 0; f < count; f++) {
        const frameSplit = deal();
        const noisy = random.uniform() < 0.05;
        const split = { patient: patientSplit, clip: clipSplit, frame: frameSplit }[
          dealing === "leaky" ? (leaks ? "frame" : "patient") : dealing
        ];
        const ids = { patient: `p${p}`, video: `p${p}v${c}` };
        const at = noisy ? random.integer(3) : view;
        frames.push(scannedFrame({ ...ids, split, name: `${split}/p${p}v${c}f${f}.jpg`, label, view: at }));
      }
    }
  }
  return scanOf(frames);
}

/** A frame of a scan with one box, or none where `label` is null. */
export function scannedFrame(of: {
  split: SplitName;
  name: string;
  patient: string | null;
  video: string | null;
  label: number | null;
  view: number;
}): ScannedFrame {
  const { label, ...frame } = of;
  const box = { cx: 0.5, cy: 0.5, w: 0.2, h: 0.2, line: 1, outOfRange: false, vertices: 0 };
  return {
    ...frame,
    imagePath: `/data/${of.name}`,
    labelPath: `/data/${of.name}.txt`,
    hasLabelFile: true,
    boxes: label === null ? [] : [{ ...box, class: label }],
    views: of.view < 0 ? [] : [{ line: 3, index: of.view, columns: 3 }],
    faults: [],
    unreadable: null,
  };
}

/** A scan of the frames, as if of a data.yaml with the echo names. */
export function scanOf(frames: readonly ScannedFrame[], change: Partial<DataDescription> = {}): DataScan {
  const views = change.views ?? ["A4C", "PSAX", "PLAX"];
  const description: DataDescription = {
    file: "/data/data.yaml",
    root: "/data",
    names: ["AR", "MR", "PR", "TR"],
    views,
    groups: {},
    rules: null,
    unlabelled: "negative",
    splits: { train: ["/data/train"], val: ["/data/val"], test: ["/data/test"] },
    ...change,
  };
  return { description, frames, orphans: [], splitFaults: [], views, viewsDeclared: true };
}
