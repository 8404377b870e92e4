import { randomStream } from "../../tensor/index.js";
import { compareCodeUnits, groupBy } from "./order.js";
import { type AppliedRules, classesOf, forbiddenClasses } from "./rules.js";
import type { DataScan, ScannedFrame } from "./scan.js";
import type { ViewOrder } from "./types.js";

/** Orders are tried up to this number of views: 5,040 of them. */
const mostViews = 7;
const flips = 9999;

/**
 * Every order of the views for the one-hot columns by rising violations of the rules; orders of equal
 * violations by their names. Where data.yaml declares no views, those of the rules are ordered, provided that
 * there are as many as columns. Empty without rules, without views, and for more views than 7.
 */
export function rankViewOrders(scan: DataScan, applied: AppliedRules | null): ViewOrder[] {
  const views = viewsToOrder(scan, applied);
  if (!applied || views.length === 0) return [];
  // Frames of one view and one set of classes stand or fall together.
  const kinds = groupBy(scan.frames, (frame) =>
    frame.view < 0 || frame.boxes.length === 0 ? null : `${frame.view} ${classesOf(frame).join(" ")}`,
  );
  const samples = [...kinds.values()].map((frames) => ({ sample: frames[0], count: frames.length }));
  return permutations(views)
    .map((order) => ({
      views: order,
      violations: samples.reduce(
        (sum, { sample, count }) => sum + (violates(scan, applied, order, sample) ? count : 0),
        0,
      ),
    }))
    .sort((a, b) => a.violations - b.violations || compareCodeUnits(a.views.join(), b.views.join()));
}

function viewsToOrder({ views, viewsDeclared }: DataScan, applied: AppliedRules | null): readonly string[] {
  const named = viewsDeclared ? views : Object.keys(applied?.rules ?? {});
  return named.length === views.length && views.length <= mostViews ? named : [];
}

/** Whether a frame has a box of a class that its view, under this order of the views, cannot show. */
function violates(
  { description }: DataScan,
  { rules }: AppliedRules,
  order: readonly string[],
  frame: ScannedFrame,
): boolean {
  const classes = classesOf(frame).map((index) => description.names[index]);
  return frame.view >= 0 && forbiddenClasses(rules, order[frame.view], classes).length > 0;
}

/** An order of the views that suits the labels better than the declared one. */
export interface BetterOrder {
  readonly declared: ViewOrder;
  readonly better: ViewOrder;
  readonly pValue: number;
}

/**
 * The order with the fewest violations where it has significantly fewer than the declared one, else null.
 * The test flips, clip by clip, which of the two orders a clip's violations count against (a sign-flip test,
 * since frames of a clip are wrong together), 9,999 times by a fixed seed; the level of 0.01 is shared
 * between the orders that are tried.
 */
export function findBetterOrder(
  scan: DataScan,
  applied: AppliedRules | null,
  orders: readonly ViewOrder[],
): BetterOrder | null {
  const declared = orders.find(({ views }) => views.every((view, i) => view === scan.views[i]));
  const [better] = orders;
  if (!applied || !scan.viewsDeclared || !declared || better.violations >= declared.violations) return null;
  const clips = groupBy(scan.frames, (frame) => frame.video ?? frame.patient ?? frame.name);
  const differences = [...clips.values()]
    .map((frames) => {
      const under = (order: ViewOrder): number =>
        frames.filter((frame) => violates(scan, applied, order.views, frame)).length;
      return under(declared) - under(better);
    })
    .filter((difference) => difference !== 0);
  const observed = differences.reduce((sum, difference) => sum + difference, 0);
  const random = randomStream(0, "audit", "view order");
  let asFar = 0;
  for (let flip = 0; flip < flips; flip++) {
    let sum = 0;
    for (const difference of differences) sum += random.integer(2) === 1 ? difference : -difference;
    if (sum >= observed) asFar++;
  }
  const pValue = (asFar + 1) / (flips + 1);
  return pValue <= 0.01 / (orders.length - 1) ? { declared, better, pValue } : null;
}

/** All orders of the items. */
function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((first, at) =>
    permutations(items.filter((_, index) => index !== at)).map((rest) => [first, ...rest]),
  );
}
