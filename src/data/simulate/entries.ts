import { type RandomStream, randomStream } from "../../tensor/index.js";
import { SCENES, type SceneKind, VALVES, VIEWS, type View } from "./anatomy.js";
import { type ResolvedSimulation, SPLITS, type Split, splitPatients } from "./options.js";

/** A fault of a single label file; null for a sound one. */
export type LabelFault =
  | "viewMissing"
  | "viewContradictory"
  | "viewAmbiguous"
  | "unparseable"
  | "classRange"
  | "boxOutOfRange"
  | "boxEmpty"
  | "boxRepeated"
  | "labelMissing";

/** What a picture shows: a frame of a simulated clip. */
export interface Shown {
  /** Numbers from 1, the frame's from 0. */
  readonly patient: number;
  readonly clip: number;
  readonly frame: number;
  readonly scene: SceneKind;
}

/** One picture of the data set with its label, before anything is drawn. */
export interface Entry {
  split: Split;
  /** File name without its ending, and the patient and clip that it names. */
  readonly name: string;
  readonly patient: string;
  readonly clip: string;
  readonly shows: Shown;
  label: { view: View; fault: LabelFault | null };
  image: "plain" | "re-encoded" | "corrupt" | "text";
}

/** An entry under the name of a patient, clip and frame. */
export function entryOf(
  split: Split,
  shows: Shown,
  named: Pick<Shown, "patient" | "clip" | "frame"> = shows,
): Entry {
  const patient = patientName(named.patient);
  const clip = `${patient}v${pad(named.clip, 2)}`;
  return {
    ...{ split, patient, clip, shows },
    name: `${clip}f${pad(named.frame, 4)}`,
    label: { view: shows.scene.view, fault: null },
    image: "plain",
  };
}

/**
 * All frames of a data set without faults. Without shares of views or classes, scenes go round within each
 * split, so that six clips of a split show every scene; with shares each clip draws its scene.
 */
export function planEntries(options: ResolvedSimulation): Entry[] {
  const numbers = Array.from({ length: options.patients }, (_, i) => i + 1);
  const shuffled = randomStream(options.seed, "simulate", "splits").shuffled(numbers);
  const bySplit = splitPatients(shuffled, options.splits);
  const sceneAt = scenePicker(options);
  return SPLITS.flatMap((split) =>
    bySplit[split]
      .sort((a, b) => a - b)
      .flatMap((patient, i) =>
        Array.from({ length: options.clipsPerPatient }, (_, c) => {
          const key = { split, patient, clip: c + 1 };
          const scene = sceneAt(i * options.clipsPerPatient + c, key);
          return Array.from({ length: options.framesPerClip }, (_, frame) =>
            entryOf(split, { patient, clip: c + 1, frame, scene }),
          );
        }).flat(),
      ),
  );
}

type ScenePicker = (turn: number, key: { split: Split; patient: number; clip: number }) => SceneKind;

function scenePicker({ seed, viewShares, classShares, faults }: ResolvedSimulation): ScenePicker {
  const weights = SCENES.map(({ view, valve }) => (viewShares?.[view] ?? 1) * (classShares?.[valve] ?? 1));
  const even = viewShares === null && classShares === null;
  return (turn, { split, patient, clip }) => {
    const random = randomStream(seed, "simulate", "scene", patient, clip);
    const scene = even ? SCENES[turn % SCENES.length]! : drawn(weights, random);
    return split === "test" ? shifted(scene, faults, random) : scene;
  };
}

function drawn(weights: readonly number[], random: RandomStream): SceneKind {
  let left = random.uniform() * weights.reduce((a, b) => a + b, 0);
  const at = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return SCENES[at]!;
}

/** A test clip under a planted shift: the same valve from the apex, or the view's other valve. */
function shifted(
  { view, valve }: SceneKind,
  { shiftView, shiftClass }: ResolvedSimulation["faults"],
  random: RandomStream,
): SceneKind {
  const [first, second] = [random.uniform(), random.uniform()];
  const fromApex = first < shiftView && (valve === "MR" || valve === "TR");
  const seen: View = fromApex ? "A4C" : view;
  if (second >= shiftClass) return { view: seen, valve };
  // Towards MR and TR, which every other view shows too.
  if (seen === "A4C") return { view: seen, valve: "TR" };
  return { view: seen, valve: seen === "PSAX" ? "TR" : "MR" };
}

/** Index of a view's one-hot column, and of a valve's class. */
export const columnOf = (view: View): number => VIEWS.indexOf(view);
export const classOf = ({ valve }: SceneKind): number => VALVES.indexOf(valve);

/** The name of patient number `patient`. */
export function patientName(patient: number): string {
  return `p${pad(patient, 2)}`;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}
