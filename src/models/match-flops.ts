import { EchoDuetError } from "../errors.js";
import { declareModel } from "./declare.js";
import { type FlopsMatch, matchReference } from "./flops-match.js";
import type { Model } from "./model.js";
import { trainingStepFlops } from "./summary.js";
import { type Scaling, stageRepeats } from "./yolov5.js";

/** Largest relative error of a match. */
const tolerance = 0.02;
/** Depths from 0.01 to 2, beyond YOLOv5's largest (1.33), by hundredths as YOLOv5's own. */
const depths = Array.from({ length: 200 }, (_, i) => (i + 1) / 100);
/** Widths up to 2, beyond YOLOv5's largest (1.25), by the step that adds 8 channels to its widest layer (1024). */
const widthStep = 8 / 1024;
const mostWidthSteps = 2 / widthStep;

/** What is to be matched in FLOPs. */
export interface Matching {
  /** The model at other multiples. */
  readonly build: (scaling: Scaling) => Model;
  /** The multiples of the model's name. */
  readonly own: Scaling;
  /** The model whose forward FLOPs are the aim. */
  readonly target: Model;
}

/**
 * A model whose forward pass costs what the target's does, counted by convolutions and matrix products on one image of
 * 320 x 320, whatever the input in use; so it follows from the configuration alone.
 *
 * The neck keeps the depth of the model's name. Where some depth of the backbone alone comes within 2 % of the target,
 * the width is kept and the nearest such depth taken: weights of the name's network then load, and the repeats that it
 * lacks, which stand beside a shortcut, start as initialised. Otherwise width and depth of the least relative error are
 * taken, the depth between half and twice the name's; on a tie the multiples nearer to the name's.
 * @throws EchoDuetError `config` where no multiples come within 2 %
 */
export function matchFlops({ build, own, target }: Matching): Model {
  const targetFlops = forwardFlops(target);
  const match = (scaling: Scaling): FlopsMatch => {
    const flops = forwardFlops(build(scaling));
    return { target: target.name, scaling, flops, targetFlops, relativeError: flops / targetFlops - 1 };
  };
  const scalings = distinctDepths(own.depth).map((depth) => ({ ...own, depth, neckDepth: own.depth }));
  const deeper = best(scalings.map(match), own);
  const chosen = isClose(deeper)
    ? deeper
    : best(
        scalings
          .filter(({ depth }) => depth >= own.depth / 2 && depth <= own.depth * 2)
          .flatMap((scaling) => widthsAround(scaling, match)),
        own,
      );
  if (!isClose(chosen)) throw impossible(chosen);
  const model = build(chosen.scaling);
  const known = new Set(tensorNames(build(own)));
  return {
    ...model,
    matched: chosen,
    isAdded: (tensor) => model.isAdded(tensor) || !known.has(tensor),
  };
}

function forwardFlops(model: Model): number {
  return trainingStepFlops(declareModel(model, matchReference).graph);
}

function tensorNames(model: Model): string[] {
  const { parameters, buffers } = declareModel(model, matchReference);
  return [...parameters, ...buffers].map(({ name }) => name);
}

/** One depth for each number of repeats that some depth gives, the name's own among them. */
function distinctDepths(own: number): number[] {
  const byRepeats = new Map<string, number>();
  for (const depth of [own, ...depths]) {
    const repeats = stageRepeats(depth).join();
    if (!byRepeats.has(repeats)) byRepeats.set(repeats, depth);
  }
  return [...byRepeats.values()];
}

/** The widths just below and just above the target's FLOPs, which grow with the width. */
function widthsAround(scaling: Scaling, match: (scaling: Scaling) => FlopsMatch): FlopsMatch[] {
  const at = (steps: number) => match({ ...scaling, width: steps * widthStep });
  let [below, above] = [1, mostWidthSteps];
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (at(middle).relativeError <= 0) below = middle;
    else above = middle;
  }
  return [at(below), at(above)];
}

function best(matches: readonly FlopsMatch[], own: Scaling): FlopsMatch {
  const error = ({ relativeError }: FlopsMatch) => Math.abs(relativeError);
  const change = ({ scaling }: FlopsMatch) =>
    Math.abs(Math.log(scaling.width / own.width)) + Math.abs(Math.log(scaling.depth / own.depth));
  return matches.toSorted((a, b) => error(a) - error(b) || change(a) - change(b))[0];
}

function isClose({ relativeError }: FlopsMatch): boolean {
  return Math.abs(relativeError) <= tolerance;
}

function impossible({ target, scaling, relativeError }: FlopsMatch): EchoDuetError {
  const { width, depth } = scaling;
  return new EchoDuetError(
    "config",
    `matchFlops: expects multiples within ${100 * tolerance} % of ${target}'s FLOPs, got ${(100 * relativeError).toFixed(1)} % at best (width ${width}, depth ${depth}); choose a model nearer to it in size`,
  );
}
