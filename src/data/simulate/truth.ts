import { SCENES, VALVES, type Valve, VIEWS, type View } from "./anatomy.js";
import type { Entry } from "./entries.js";
import type { FindingCode } from "./fault-kinds.js";
import { SPLITS, type Split } from "./options.js";

/** Something wrong with the data, and the file that an audit would name for it (data.yaml where no other). */
export interface TrueFault {
  readonly code: FindingCode;
  /** From the data set's folder, with forward slashes. */
  readonly file: string;
  readonly detail: string;
}

/** The faults that follow from what the data set's files are, those of single labels and pictures among them. */
export function consequencesOf(entries: readonly Entry[]): TrueFault[] {
  return [
    ...entries.flatMap(ownFaults),
    ...ruleViolations(entries),
    ...mixedClips(entries),
    ...duplicates(entries),
    ...leakage(entries),
    ...absences(entries),
  ];
}

/** Faults in the order of code, then file (UTF-16 code units), each code and file once. */
export function sortFaults(faults: readonly TrueFault[]): TrueFault[] {
  const key = ({ code, file, detail }: TrueFault): string =>
    file === "data.yaml" ? `${code}\0${file}\0${detail}` : `${code}\0${file}`;
  const unique = new Map(faults.map((fault) => [key(fault), fault]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, fault]) => fault);
}

/** Path of an entry's picture. */
export function imageFile({ split, name }: Pick<Entry, "split" | "name">): string {
  return `${split}/images/${name}.jpg`;
}

/** Path of an entry's label. */
export function labelFile({ split, name }: Pick<Entry, "split" | "name">): string {
  return `${split}/labels/${name}.txt`;
}

/** The view that the label file names without contradiction, null where there is none to be had. */
function labelledView({ label }: Entry): View | null {
  const silent: readonly (string | null)[] = [
    "labelMissing",
    "viewMissing",
    "viewContradictory",
    "viewAmbiguous",
  ];
  return silent.includes(label.fault) ? null : label.view;
}

/** The class that the label file gives a box, null where there is no such box. */
function labelledClass({ label, shows }: Entry): Valve | null {
  const boxless: readonly (string | null)[] = ["labelMissing", "unparseable", "classRange"];
  return boxless.includes(label.fault) ? null : shows.scene.valve;
}

const LABEL_FAULTS: Partial<Record<string, readonly [FindingCode, string]>> = {
  viewMissing: ["view.missing", "no view line"],
  viewContradictory: ["view.contradictory", "two view lines"],
  viewAmbiguous: ["view.ambiguous", "a view line of no or two ones"],
  unparseable: ["label.unparseable", "a name in place of the class index"],
  classRange: ["label.class-range", "a class beyond the last"],
  boxOutOfRange: ["box.out-of-range", "a box over the right edge"],
  boxEmpty: ["box.empty", "a box without width"],
  boxRepeated: ["box.repeated", "the same box twice"],
  labelMissing: ["label.missing", "no label file"],
};

function ownFaults(entry: Entry): TrueFault[] {
  const file = imageFile(entry);
  const [code, detail] = LABEL_FAULTS[entry.label.fault ?? ""] ?? [];
  const faults: TrueFault[] = code === undefined ? [] : [{ code, file, detail: detail! }];
  if (entry.image === "corrupt") faults.push({ code: "image.unreadable", file, detail: "cut off" });
  if (entry.image === "text")
    faults.push({ code: "privacy.text", file, detail: "a name and a date of birth" });
  return faults;
}

function ruleViolations(entries: readonly Entry[]): TrueFault[] {
  return entries.flatMap((entry): TrueFault[] => {
    const view = labelledView(entry);
    const valve = labelledClass(entry);
    if (view === null || valve === null) return [];
    if (SCENES.some((scene) => scene.view === view && scene.valve === valve)) return [];
    return [{ code: "rules.violation", file: imageFile(entry), detail: `${valve} in ${view}` }];
  });
}

function mixedClips(entries: readonly Entry[]): TrueFault[] {
  const labelled = entries.filter((entry) => labelledView(entry) !== null);
  return [...grouped(labelled, ({ clip }) => clip).values()].flatMap((clip) => {
    const counts = VIEWS.map((view) => clip.filter((entry) => labelledView(entry) === view).length);
    const most = Math.max(...counts);
    const leaders = VIEWS.filter((_, i) => counts[i] === most);
    const majority = leaders.length === 1 ? leaders[0] : null;
    return clip
      .filter((entry) => labelledView(entry) !== majority)
      .map((entry): TrueFault => {
        const detail = `${labelledView(entry)} in clip ${entry.clip} of ${majority ?? "no majority"}`;
        return { code: "view.mixed-clip", file: imageFile(entry), detail };
      });
  });
}

/** Entries that show the same frame, where there are several. */
function copies(entries: readonly Entry[]): Entry[][] {
  const key = ({ shows }: Entry): string => `${shows.patient} ${shows.clip} ${shows.frame}`;
  return [...grouped(entries, key).values()].filter((group) => group.length > 1);
}

function duplicates(entries: readonly Entry[]): TrueFault[] {
  return copies(entries).flatMap((group) => {
    const near = group.some(({ image }) => image === "re-encoded");
    return group.map((entry): TrueFault => {
      const others = group.filter((other) => other !== entry).map(imageFile);
      const detail = `${near ? "re-encoded" : "same bytes"}: ${others.join(", ")}`;
      return { code: near ? "duplicate.near" : "duplicate.exact", file: imageFile(entry), detail };
    });
  });
}

/** What a later split has in common with an earlier one: patients and clips by name, and copies. */
function leakage(entries: readonly Entry[]): TrueFault[] {
  const out: TrueFault[] = [];
  const shared = (code: FindingCode, groups: Iterable<readonly Entry[]>): void => {
    for (const group of groups) {
      const first = Math.min(...group.map(({ split }) => SPLITS.indexOf(split)));
      for (const entry of group) {
        if (SPLITS.indexOf(entry.split) === first) continue;
        out.push({ code, file: imageFile(entry), detail: `also in ${SPLITS[first]}` });
      }
    }
  };
  shared("leakage.patient", grouped(entries, ({ patient }) => patient).values());
  shared("leakage.clip", grouped(entries, ({ clip }) => clip).values());
  shared("leakage.duplicate", copies(entries));
  return out;
}

/** Classes and views that a split lacks though another has them. */
function absences(entries: readonly Entry[]): TrueFault[] {
  const inSplit = (split: Split): Entry[] => entries.filter((entry) => entry.split === split);
  const used = SPLITS.filter((split) => inSplit(split).length > 0);
  const lacking = (label: string, has: (entry: Entry) => boolean): TrueFault[] => {
    if (!entries.some(has)) return [];
    const without = used.filter((split) => !inSplit(split).some(has));
    return without.map((split) => ({
      code: "class.absent",
      file: "data.yaml",
      detail: `${split} has no ${label}`,
    }));
  };
  return [
    ...VALVES.flatMap((valve) => lacking(valve, (entry) => labelledClass(entry) === valve)),
    ...VIEWS.flatMap((view) => lacking(view, (entry) => labelledView(entry) === view)),
  ];
}

/** The entries of each key, keys in order of first appearance. */
export function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}
