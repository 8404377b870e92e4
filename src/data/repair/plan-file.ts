import { readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { Document, isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { z } from "zod";
import { describeIssues } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { errnoOf, ioError, writeFileAtomically } from "../../io/index.js";
import type { Audit } from "../audit/audit.js";
import { sha256Of, slashedFrom } from "./data-files.js";
import {
  type DataFingerprint,
  type Proposal,
  type RepairAction,
  type RepairCode,
  repairCodes,
} from "./plan.js";
import { proposeRepairs } from "./propose.js";

/** A plan as it was written. */
export interface WrittenPlan {
  readonly file: string;
  readonly actions: number;
  /** Those with `apply: true`. */
  readonly switchedOn: number;
  readonly undecided: number;
}

/** A plan as it was read. */
export interface RepairPlan {
  readonly file: string;
  /** SHA-256 of the file. */
  readonly sha256: string;
  /** The data.yaml that it is for. */
  readonly data: string;
  readonly fingerprint: DataFingerprint;
  readonly actions: readonly PlannedAction[];
}

/** An action of a plan. */
export interface PlannedAction extends RepairAction {
  /** Where the plan says so: `FILE:LINE`. */
  readonly place: string;
}

/**
 * Writes what an audit proposes as a plan for a person to read and edit.
 * @param options.force whether to write over a plan that somebody edited, or over another file
 * @throws EchoDuetError `io` for such a file without `force`, and where the plan cannot be written; as
 * `proposeRepairs`
 */
export function writeRepairPlan(
  audit: Pick<Audit, "report" | "scan" | "evidence">,
  path: string,
  options: { readonly force?: boolean } = {},
): WrittenPlan {
  const file = resolve(path);
  if (options.force !== true) refuseEditedPlan(file);
  const { proposal, fingerprint } = proposeRepairs(audit);
  writeFileAtomically(file, formatPlan(proposal, fingerprint, audit.scan.description.file, file));
  return {
    file,
    actions: proposal.actions.length,
    switchedOn: proposal.actions.filter(({ apply }) => apply).length,
    undecided: proposal.undecided.length,
  };
}

const meanings: Readonly<Record<RepairCode, string>> = {
  "duplicate.exact": "Copies of an image. One stays: where it leaves the least leakage between splits.",
  "duplicate.near": "Images of different clips that look alike. Look at each pair before you drop one.",
  "image.unreadable": "Images that cannot be decoded. Restore them rather, where there is a source.",
  "label.orphan": "Label files without an image. Restore or rename the image rather, where there is one.",
  "label.unparseable": "Lines that cannot be read. Correct them rather: write what they mean as `becomes`.",
  "label.class-range": "Boxes of classes that data.yaml does not have. Correct them rather.",
  "box.out-of-range": "Boxes that reach over the image's edge, clipped to it.",
  "box.empty":
    "Boxes without an area. Draw them anew rather: without its line a frame shows no valve at all.",
  "box.repeated": "Boxes that a file has twice.",
  "view.mixed-clip": "Frames whose view is not that of most frames of their clip. A clip has one view.",
  "view.contradictory": "Frames with several view lines.",
  "view.ambiguous": "View lines that name no view, or several.",
  "view.missing": "Frames without a view in a clip that has one. They may be meant so.",
};

/** The text of a plan. */
function formatPlan(
  { actions, undecided, beyond }: Proposal,
  fingerprint: DataFingerprint,
  dataYaml: string,
  planFile: string,
): string {
  const groups = new Map<string, object[]>();
  for (const code of repairCodes) {
    const found = actions
      .filter((action) => action.code === code)
      .map(({ file, line, now, becomes, why, apply }) => {
        return { file, ...(line !== undefined && { line }), now, becomes, why, apply };
      });
    if (found.length > 0 || undecided.some((item) => item.code === code)) groups.set(code, found);
  }
  const data = slashedFrom(dirname(planFile), dataYaml);
  const document = new Document({ version: 1, data, fingerprint, actions: Object.fromEntries(groups) });
  document.commentBefore = header(data);
  const list = document.get("actions");
  if (isMap(list)) {
    for (const pair of list.items) {
      if (isScalar(pair.key)) pair.key.commentBefore = comment(pair.key.value as RepairCode, undecided);
    }
  }
  if (beyond.length > 0) {
    const lines = beyond.map((line) => `\n - ${line}`).join("");
    document.comment = ` Findings that a repair cannot settle:${lines}`;
  }
  return signed(document.toString({ lineWidth: 0 }));
}

function comment(code: RepairCode, undecided: Proposal["undecided"]): string {
  const open = undecided.filter((item) => item.code === code);
  return [meanings[code], ...open.map(({ file, why }) => `Undecided: ${file}: ${why}`)]
    .map((line) => ` ${line}`)
    .join("\n");
}

function header(data: string): string {
  return `
 Repairs that \`echoduet audit --fix\` proposes for ${data}. Nothing has been changed.

 Read the actions and decide: \`apply: true\` carries one out, \`apply: false\` leaves the data as it is.
 \`becomes\` may be edited, and an action may be removed or added. Then

     echoduet repair --plan THIS-FILE --out DIR

 makes a repaired copy of the data in DIR, with a log. The data itself is never touched, and
 \`echoduet repair --revert DIR --out DIR2\` undoes what was done to the copy.

 file     from the data's folder
 line     of a label file, from 1; without one the action is about the whole file
 now      what is there; null: nothing yet. Where the data says otherwise, the plan is refused
 becomes  what takes its place; null: it is removed, an image with its label file
 why      for the reader alone
`
    .split("\n")
    .slice(1, -1)
    .map((line) => line || " ")
    .join("\n");
}

const signature = /# unedited: ([0-9a-f]{64})\n$/;

/** The plan with a last line that tells, as long as it fits the rest, that nobody has edited it. */
function signed(text: string): string {
  return `${text}# unedited: ${sha256Of(text)}\n`;
}

/**
 * Refuses a path where a plan may not be written: where an edited plan is, or another file.
 * @throws EchoDuetError `io`
 */
export function refuseEditedPlan(path: string): void {
  const file = resolve(path);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return;
    throw ioError(file, "written", cause);
  }
  const hash = signature.exec(text)?.[1];
  if (hash === sha256Of(text.replace(signature, ""))) return;
  const got = hash === undefined ? "another file" : "a plan that was edited";
  throw new EchoDuetError(
    "io",
    `${file}: expected no file or an unedited plan, got ${got}; name another file, or give --force`,
  );
}

// A lone number in YAML, such as the index of a view, is no text, but a line all the same.
const lineText = z
  .union([z.string(), z.int()], { error: "expected a text or null; put the line in quotes" })
  .transform((value) => String(value).trim())
  .refine((text) => text !== "" && !/[\r\n]/.test(text), "expected one line of text, or null to remove it")
  .nullable();
const hash = z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256 in hexadecimal");

const actionSchema = z
  .strictObject({
    file: z.string().min(1),
    line: z.int().min(1).optional(),
    now: lineText,
    becomes: lineText,
    why: z.string().nullish(),
    apply: z.boolean(),
  })
  .superRefine(({ line, now, becomes }, context) => {
    const issue = (path: string, message: string): void =>
      context.addIssue({ code: "custom", path: [path], message });
    if (line !== undefined && now === null) issue("now", "expected the text of the line");
    if (line === undefined && now === null && becomes === null) {
      issue("becomes", "expected the line to add, since there is nothing now");
    }
    if (line === undefined && now !== null && becomes !== null) {
      issue("becomes", "expected null, since only a line has other text; give the line");
    }
  });

const schema = z.strictObject({
  version: z.literal(1),
  data: z.string().min(1),
  fingerprint: z.strictObject({ images: hash, texts: hash }),
  actions: z.partialRecord(z.enum(repairCodes), z.array(actionSchema).nullable()).nullable(),
});

/**
 * Reads a plan and checks its form.
 * @throws EchoDuetError `config` with every issue and its line
 */
export function readPlan(path: string): RepairPlan {
  const file = resolve(path);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw ioError(file, "read", cause);
  }
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const [fault] = document.errors;
  if (fault) {
    const { line } = counter.linePos(fault.pos[0]);
    throw new EchoDuetError("config", `${file}:${line}: expected YAML, got an error: ${fault.message}`);
  }
  const place = (at: readonly PropertyKey[]): string => `${file}:${lineOf(document, counter, at)}`;
  const value: unknown = document.toJS();
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(
      (issue) => `${place(issue.path)}: ${describeIssues(new z.ZodError([issue]), value, schema).join("; ")}`,
    );
    throw new EchoDuetError("config", lines.join("\n"));
  }
  const { data, fingerprint, actions } = parsed.data;
  return {
    file,
    sha256: sha256Of(text),
    data: isAbsolute(data) ? data : resolve(dirname(file), data),
    fingerprint,
    actions: repairCodes.flatMap((code) =>
      (actions?.[code] ?? []).map(({ why, ...action }, index) => {
        return { ...action, code, why: why ?? "", place: place(["actions", code, index]) };
      }),
    ),
  };
}

/** The line of the deepest node on a path that is there. */
function lineOf(document: Document.Parsed, counter: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node: unknown = document.getIn(path.slice(0, depth), true);
    const range = (node as Partial<Node> | undefined)?.range;
    if (range) return counter.linePos(range[0]).line;
  }
  return 1;
}
