import { EchoDuetError } from "../../errors.js";
import { sha256File } from "../../io/index.js";
import type { DataScan } from "../audit/scan.js";
import { relativeName } from "../audit/scan.js";
import { scanLabel } from "../labels.js";
import { type DataFiles, readBytes } from "./data-files.js";
import { cutLines, joinLines, type TextLine, textOf, withoutLines, withText, withViewLine } from "./lines.js";
import { contentsMark } from "./plan.js";
import type { PlannedAction, RepairPlan } from "./plan-file.js";

/** What the switched-on actions of a plan make of a data set. */
export interface Edits {
  /** Names of the images, and of the label files, that are left out. */
  readonly dropped: ReadonlySet<string>;
  /** New contents of label files by name. */
  readonly labels: ReadonlyMap<string, Buffer>;
  /** The actions that had an effect; others concern a line or a file that another action removes. */
  readonly applied: readonly PlannedAction[];
}

/**
 * Checks every action of a plan against the data, the switched-off ones too, and works out what the others
 * change.
 * @throws EchoDuetError `data` for a file that the data has not, a `now` that is not there, and a new line
 * that no label file can have; `config` for two actions that contradict each other
 */
export function editsOf(plan: RepairPlan, scan: DataScan, files: DataFiles): Edits {
  const contents = new Map<string, readonly TextLine[]>();
  const paths = new Map([...files.images, ...files.labels].map(({ name, path }) => [name, path]));
  const labels = new Set(files.labels.map(({ name }) => name));
  const linesOf = (name: string): readonly TextLine[] => {
    const known = contents.get(name) ?? cutLines(readBytes(paths.get(name)!));
    contents.set(name, known);
    return known;
  };
  for (const action of plan.actions) {
    const path = paths.get(action.file);
    if (path === undefined)
      refuse(action, `${action.file}: expected a file of ${scan.description.file}, got none such`);
    const wholeFile = action.line === undefined && action.now !== null;
    if (wholeFile) checkContents(action, path, labels.has(action.file) && !files.orphans.has(action.file));
    else if (!labels.has(action.file)) refuse(action, `${path}: expected a label file, got an image`);
    else checkLine(action, path, linesOf(action.file), scan);
  }
  const chosen = plan.actions.filter(({ apply }) => apply);
  const dropped = droppedNames(chosen, scan, files);
  const effective = chosen.filter(
    ({ file, line, now }) => (line === undefined && now !== null) || !dropped.has(file),
  );
  const byFile = new Map<string, PlannedAction[]>();
  for (const action of effective) {
    if (labels.has(action.file) && !dropped.has(action.file))
      byFile.set(action.file, [...(byFile.get(action.file) ?? []), action]);
  }
  const edited = [...byFile].map(([name, actions]) => [name, editLabel(linesOf(name), actions)] as const);
  const kept = new Set(edited.flatMap(([, { applied }]) => applied));
  return {
    dropped,
    labels: new Map(edited.map(([name, { text }]) => [name, text])),
    applied: effective.filter((action) => kept.has(action) || !byFile.get(action.file)?.includes(action)),
  };
}

function refuse({ place }: PlannedAction, message: string): never {
  throw new EchoDuetError("data", `${place}: ${message}; is the plan for other data? make a new one`);
}

function checkContents(action: PlannedAction, path: string, labelsAnImage: boolean): void {
  if (labelsAnImage) {
    refuse(action, `${path}: expected an image or a label file without one, got the label file of an image`);
  }
  const found = contentsMark(sha256File(path));
  if (found !== action.now) refuse(action, `${path}: expected ${action.now}, got ${found}`);
}

function checkLine(action: PlannedAction, path: string, lines: readonly TextLine[], scan: DataScan): void {
  const { line, now, becomes, place } = action;
  if (line !== undefined) {
    const found = line <= lines.length ? textOf(lines[line - 1]) : null;
    if (found !== now) {
      const got = found === null ? `${lines.length} lines` : JSON.stringify(found);
      refuse(action, `${path}:${line}: expected ${JSON.stringify(now)}, got ${got}`);
    }
  }
  if (becomes === null) return;
  const { names, views } = scan.description;
  const { faults } = scanLabel(becomes, { file: path, classes: names.length, views: views.length });
  const fault = faults.find(({ kind }) => kind !== "view-undeclared");
  if (fault) throw new EchoDuetError("data", `${place}: becomes: ${fault.message}`);
}

/** The images that are dropped, their label files where no other image has them, and orphans. */
function droppedNames(chosen: readonly PlannedAction[], scan: DataScan, files: DataFiles): Set<string> {
  const whole = chosen.flatMap(({ file, line, now }) => (line === undefined && now !== null ? [file] : []));
  const dropped = new Set(whole);
  const labelsOf = (keep: boolean): string[] =>
    scan.frames
      .filter((frame) => frame.hasLabelFile && dropped.has(frame.name) !== keep)
      .map(({ labelPath }) => relativeName(scan.description, labelPath));
  const [needed, candidates] = [new Set(labelsOf(true)), labelsOf(false)];
  for (const { split, message } of emptied(scan, dropped)) {
    throw new EchoDuetError("data", `${files.description.path}: ${split}: ${message}`);
  }
  for (const label of candidates) if (!needed.has(label)) dropped.add(label);
  return dropped;
}

/** Splits of which no image is left; such a split is an error to whoever reads the data. */
function emptied(scan: DataScan, dropped: ReadonlySet<string>): { split: string; message: string }[] {
  const splits = new Set(scan.frames.map(({ split }) => split));
  return [...splits].flatMap((split) => {
    if (scan.frames.some((frame) => frame.split === split && !dropped.has(frame.name))) return [];
    return [{ split, message: "expected an image that is kept, got a plan that drops them all; keep one" }];
  });
}

/** A label file with its lines replaced, removed and added; a line that is removed is not replaced as well. */
function editLabel(
  lines: readonly TextLine[],
  actions: readonly PlannedAction[],
): { text: Buffer; applied: PlannedAction[] } {
  const removed = new Map<number, PlannedAction>();
  for (const action of actions) {
    if (action.line !== undefined && action.becomes === null) removed.set(action.line - 1, action);
  }
  const replaced = new Map<number, PlannedAction>();
  let added: PlannedAction | null = null;
  for (const action of actions) {
    const { line, becomes } = action;
    if (becomes === null || (line !== undefined && removed.has(line - 1))) continue;
    const rival: PlannedAction | null | undefined = line === undefined ? added : replaced.get(line - 1);
    if (rival) {
      const message = `${action.place}: expected one new text for a line, got another one at ${rival.place}; switch one off`;
      throw new EchoDuetError("config", message);
    }
    if (line === undefined) added = action;
    else replaced.set(line - 1, action);
  }
  const edited = lines.map((line, index) => {
    const action = replaced.get(index);
    return action ? withText(line, action.becomes ?? "") : line;
  });
  const kept = withoutLines(edited, new Set(removed.keys()));
  const text = joinLines(added ? withViewLine(kept, added.becomes ?? "") : kept);
  const effective = new Set([...removed.values(), ...replaced.values(), ...(added ? [added] : [])]);
  return { text, applied: actions.filter((action) => effective.has(action)) };
}
