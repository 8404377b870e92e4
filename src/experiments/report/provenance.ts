import { EchoDuetError } from "../../errors.js";
import type { Provenance, ReportDocument } from "./document.js";

const sha256 = /^[0-9a-f]{64}$/;
/** Parts of a document that hold what charts and pictures are drawn from, which carry a source themselves. */
const drawn = new Set(["figure", "box", "width", "height"]);

/**
 * Refuses a document with a number whose source is not told: every measured number names run, checkpoint, data and
 * split, every counted one data and split, every chart and picture its checkpoints, every setting its run; and no
 * number stands outside of these.
 * @throws EchoDuetError `data` that names the place and what is missing
 */
export function assertProvenance(document: ReportDocument): void {
  walk(document, "report");
}

function walk(node: unknown, place: string): void {
  if (typeof node === "number") refuse(place, `a number (${node}) with a source`, "a plain one");
  if (typeof node !== "object" || node === null) return;
  if (Array.isArray(node)) {
    for (const [i, each] of node.entries()) walk(each, `${place}[${i}]`);
    return;
  }
  const part = node as Readonly<Record<string, unknown>>;
  if (part.kind === "measured" || part.kind === "counted") {
    checkNumber(part, place);
    return;
  }
  if (part.kind === "setting" && !isNamed(part.run)) refuse(place, "a setting with its run", "none");
  if (part.kind === "chart" || "jpeg" in part) checkSources(part.from, place);
  for (const [key, value] of Object.entries(part)) {
    if (key !== "from" && !drawn.has(key)) walk(value, `${place}.${key}`);
  }
}

function checkNumber(part: Readonly<Record<string, unknown>>, place: string): void {
  const { low, high } = (part.interval ?? { low: 0, high: 0 }) as Record<string, unknown>;
  for (const value of [part.value, low, high]) {
    if (typeof value !== "number" || !Number.isFinite(value)) {
      refuse(place, "a finite number", String(value));
    }
  }
  if (part.kind === "measured") {
    checkSources(part.from, place);
    return;
  }
  const { data, dataFingerprint, split } = (part.from ?? {}) as Record<string, unknown>;
  if (!isNamed(data) || !isNamed(split)) refuse(place, "a count with its data and split", "none");
  if (!isHash(dataFingerprint)) refuse(place, "a count with the fingerprint of its data", "none");
}

function checkSources(from: unknown, place: string): void {
  if (!Array.isArray(from) || from.length === 0) refuse(place, "a number with its checkpoint", "none");
  for (const source of from as readonly Partial<Provenance>[]) {
    if (!isNamed(source.run)) refuse(place, "a source with its run", "none");
    if (!isHash(source.checkpointSha256)) refuse(place, "a source with its checkpoint's SHA-256", "none");
    if (!isHash(source.dataFingerprint)) refuse(place, "a source with its data's fingerprint", "none");
    if (!isNamed(source.split)) refuse(place, "a source with its split", "none");
  }
}

const isNamed = (value: unknown): boolean => typeof value === "string" && value !== "";
const isHash = (value: unknown): boolean => typeof value === "string" && sha256.test(value);

function refuse(place: string, expected: string, got: string): never {
  throw new EchoDuetError(
    "data",
    `${place}: expected ${expected}, got ${got}; a report shows no number whose source is not known`,
  );
}
