import { counted } from "../words.js";
import {
  type Check,
  foundFiles,
  foundFrames,
  foundInYaml,
  foundLines,
  nothing,
  viewFaults,
} from "../evidence.js";
import { classesOf, forbiddenClasses } from "../rules.js";
import type { MixedClip, ViewOrder } from "../types.js";

/** A label file without a view, where the data has views. */
export const viewMissing: Check = {
  severity: "warning",
  unit: "frames",
  remedy: "add the view; a frame without one takes no part in training and scoring views",
  find: (evidence) =>
    foundFrames(evidence, ({ hasLabelFile, unreadable, views, faults }) => {
      if (evidence.scan.views.length === 0 || !hasLabelFile || unreadable !== null) return null;
      const silent = views.length === 0 && !faults.some(({ kind }) => kind.startsWith("view-"));
      return silent ? "the label file names no view" : null;
    }),
};

/** Two view lines in one file. */
export const viewContradictory: Check = {
  severity: "error",
  unit: "frames",
  remedy: "keep the view line that is right",
  find: (evidence) =>
    foundLines(evidence, ({ views, faults }) => {
      const repeated = faults.filter(({ kind }) => kind === "view-repeated");
      // Undeclared views are no faults by themselves, but two of them contradict each other all the same.
      const undeclared =
        evidence.scan.viewsDeclared || evidence.scan.views.length === 0 ? [] : views.slice(1);
      const extra = undeclared.map(({ line }) => ({
        line,
        message: `expected one view line, got a second one (the first is line ${views[0].line})`,
      }));
      return [...repeated, ...extra];
    }),
};

/** A view line that names no view, or several, or one that there is not. */
export const viewAmbiguous: Check = {
  severity: "error",
  unit: "frames",
  remedy: "write the view as zeros and exactly one 1; leave the line out where the frame has no view",
  find: (evidence) =>
    foundLines(evidence, ({ faults }) =>
      faults.filter(({ kind }) => kind === "view-ambiguous" || kind === "view-none"),
    ),
};

/** A clip whose frames name several views, though a clip has one. */
export const viewMixedClip: Check = {
  severity: "warning",
  unit: "clips",
  remedy: "look at the clip and give all its frames one view; where the probe was moved, split the clip",
  find: ({ mixedClips }) => ({
    count: mixedClips.length,
    files: foundFiles(mixedClips.flatMap(dissent)).files,
    details: mixedClips.flatMap(dissent),
  }),
};

function dissent({ clip, majority, views, dissenters }: MixedClip): { file: string; message: string }[] {
  const counts = Object.entries(views)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([view, count]) => `${count} ${view}`);
  const verdict = majority === null ? "tie" : `majority ${majority}`;
  return dissenters.map((file) => ({ file, message: `clip ${clip}: ${counts.join(", ")}; ${verdict}` }));
}

/** One-hot lines whose columns data.yaml does not name. */
export const viewOrderUndeclared: Check = {
  severity: "error",
  unit: "frames",
  remedy: "declare the views in the order of the columns, for example `views: [A4C, PSAX, PLAX]`",
  find: (evidence) => {
    const { scan, viewOrders } = evidence;
    if (scan.viewsDeclared || scan.views.length === 0) return nothing;
    const found = foundLines(evidence, ({ faults }) => viewFaults(scan, faults, "undeclared"));
    const [best, second] = viewOrders;
    if (!best) return found;
    const rivals = second ? `, the runner-up [${second.views.join(", ")}] in ${second.violations}` : "";
    const remedy =
      `choose the order of the views and declare it in data.yaml: [${best.views.join(", ")}] breaks the rules in ` +
      `${frames(best)}${rivals}. Fewest violations are no proof: look at a few frames of each column, then write ` +
      `\`views: [${best.views.join(", ")}]\` or the order that they show`;
    return { ...found, remedy };
  },
};

function frames({ violations }: ViewOrder): string {
  return counted(violations, "frames");
}

/** A declared order that another order suits significantly better. */
export const viewOrderDoubtful: Check = {
  severity: "warning",
  unit: "orders",
  remedy:
    "look at a few frames of each view, and correct `views` in data.yaml where the labels say otherwise",
  find: ({ betterOrder: found, scan }) => {
    if (!found) return nothing;
    const name = ({ views }: ViewOrder): string => `[${views.join(", ")}]`;
    const message =
      `views: declared ${name(found.declared)} breaks the rules in ${frames(found.declared)}, ` +
      `${name(found.better)} in ${found.better.violations} (p ${found.pValue.toPrecision(2)})`;
    return foundInYaml(scan, [message]);
  },
};

/** A box of a class that the frame's view cannot show. */
export const rulesViolation: Check = {
  severity: "warning",
  unit: "frames",
  remedy:
    "check the view and the class of the box; where the disease is really seen there, leave it or widen `rules`",
  find: (evidence) => {
    const { scan, rules } = evidence;
    if (!rules || !scan.viewsDeclared) return nothing;
    return foundFrames(evidence, (frame) => {
      if (frame.view < 0) return null;
      const view = scan.views[frame.view];
      const classes = classesOf(frame).map((index) => scan.description.names[index]);
      const forbidden = forbiddenClasses(rules.rules, view, classes);
      if (forbidden.length === 0) return null;
      return `${forbidden.join(", ")} in ${view}, which shows ${rules.rules[view].join(", ") || "none"}`;
    });
  },
};
