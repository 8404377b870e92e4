import { join } from "node:path";
import { z } from "zod";
import { describeIssues } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { readBytes } from "./data-files.js";
import { repairCodes } from "./plan.js";

/** The log in a repaired copy. */
export const logName = "repair.json";
/** The folder in a repaired copy that keeps dropped images for a revert, each under its SHA-256. */
export const droppedFolder = "repair.dropped";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const contents = z.union([z.strictObject({ text: z.string() }), z.strictObject({ base64: z.base64() })]);

const countsSchema = z.strictObject({
  /** Image files. */
  frames: z.strictObject({ in: count, dropped: count, out: count }),
  labelFiles: z.strictObject({ in: count, dropped: count, changed: count, out: count }),
  /** Lines of label files that are not blank; those of dropped files among the removed. */
  lines: z.strictObject({ in: count, removed: count, added: count, out: count }),
});

const logSchema = z.strictObject({
  version: z.literal(1),
  /** The data.yaml, from the copy's folder. */
  data: z.string(),
  /** The data.yaml that the copy is of, and the plan, as they were. */
  source: z.string(),
  plan: z.strictObject({ file: z.string(), sha256: hash }),
  counts: countsSchema,
  actions: z.array(
    z.strictObject({
      code: z.enum(repairCodes),
      file: z.string(),
      line: z.int().optional(),
      before: z.string().nullable(),
      after: z.string().nullable(),
      why: z.string(),
    }),
  ),
  /** Of the source. */
  fingerprint: z.strictObject({ images: hash, texts: hash }),
  /** Text files that are other than in the source, with what they were: labels, lists, data.yaml. */
  changed: z.array(z.strictObject({ file: z.string(), before: contents })),
  /** Files of the source that are not in the copy: texts as they were, images by their SHA-256. */
  dropped: z.array(
    z.strictObject({ file: z.string(), before: z.union([contents, z.strictObject({ sha256: hash })]) }),
  ),
  folders: z.array(z.string()),
  /** SHA-256 of every file of the copy. */
  files: z.record(z.string(), hash),
});

/** What was done to a copy of a data set: enough to undo it. */
export type RepairLog = z.output<typeof logSchema>;
/** What went into a repair and what came out: in = out + dropped. */
export type RepairCounts = z.output<typeof countsSchema>;
/** A text file's contents, as text where it is valid UTF-8. */
export type LoggedContents = z.output<typeof contents>;

/** Bytes as the log has them. */
export function loggedContents(bytes: Buffer): LoggedContents {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? { text } : { base64: bytes.toString("base64") };
}

/** The bytes that the log has. */
export function bytesOf(logged: LoggedContents): Buffer {
  return "text" in logged ? Buffer.from(logged.text, "utf8") : Buffer.from(logged.base64, "base64");
}

/**
 * The log of a repaired copy.
 * @throws EchoDuetError `io` where it cannot be read, `data` where it is none
 */
export function readLog(folder: string): RepairLog {
  const file = join(folder, logName);
  const text = readBytes(file).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EchoDuetError("data", `${file}: expected the log of a repair, got no JSON: ${reason}`, {
      cause,
    });
  }
  const parsed = logSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first, ...rest] = describeIssues(parsed.error, value, logSchema);
  const more = rest.length > 0 ? `, and ${rest.length} more faults` : "";
  throw new EchoDuetError("data", `${file}: expected the log of a repair: ${first}${more}; restore the file`);
}
