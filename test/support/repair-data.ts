import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { type Audit, runAudit } from "../../src/data/audit/index.js";
import { sha256File } from "../../src/io/index.js";

/** Contents by path, with forward slashes. */
export type Tree = Readonly<Record<string, string | Buffer>>;

/** Writes files below a folder. */
export function writeTree(root: string, tree: Tree): void {
  for (const [name, contents] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), contents);
  }
}

/** The files below a folder, each byte one code unit, by path; those of a repair itself left out. */
export function readTree(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const named = files.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [relative(root, path).split(sep).join("/"), readFileSync(path, "latin1")] as const;
  });
  const data = named.filter(([name]) => name !== "repair.json" && !name.startsWith("repair.dropped/"));
  return Object.fromEntries(data.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A tree as `readTree` reads it. */
export function asRead(tree: Tree): Record<string, string> {
  const texts = Object.entries(tree).map(([name, contents]) => [
    name,
    Buffer.from(contents).toString("latin1"),
  ]);
  return Object.fromEntries(texts.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What the decoder would tell of the images. */
export interface ImageClaims {
  readonly identical?: readonly (readonly string[])[];
  readonly near?: readonly (readonly [string, string])[];
  readonly unreadable?: readonly string[];
}

/** An audit of data whose images are no images, with what the decoder would have told of them. */
export async function auditOf(dataYaml: string, claims: ImageClaims = {}): Promise<Audit> {
  const audit = await runAudit(dataYaml, { images: false });
  const images = audit.scan.frames.map(({ name, imagePath: path, patient, video: clip }) => {
    const fault = claims.unreadable?.includes(name) ? "no picture" : null;
    const measured = { width: 8, height: 8, hash: 0n, thumbnail: new Uint8Array(), textAreas: [] };
    const shares = { meanLuminance: 0, colouredShare: 0 };
    return { name, path, patient, clip, facts: { ...measured, ...shares, sha256: sha256File(path), fault } };
  });
  const pairs = (claims.near ?? []).map(([a, b]) => {
    return { a, b, kind: "near" as const, distance: 3, correlation: 0.987 };
  });
  const { identical = [] } = claims;
  const seen = { images, threshold: 5, distances: [], pairs, identical };
  return { ...audit, evidence: { ...audit.evidence, images: seen } };
}
