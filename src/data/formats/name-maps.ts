import { EchoDuetError } from "../../errors.js";

/** A class or a view of a source: the number that its labels use, and its name where it has one. */
export interface SourceName {
  readonly key: number | string;
  readonly name: string | null;
}

/** What a number of a source means in the output. */
export interface Target {
  readonly kind: "class" | "view";
  readonly name: string;
}

/** From a source's number or name to the name that it means, in the order written. */
export type NameMap = ReadonlyMap<string, string>;

const viewPrefix = "view:";

/**
 * Reads `0=AR,1=MR` (spaces around names do not count). `option` is named in errors.
 * @throws EchoDuetError `config` for a part without `=`, an empty side, or a key given twice
 */
export function parseNameMap(text: string, option: string): NameMap {
  const map = new Map<string, string>();
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    const key = part.slice(0, at).trim();
    const name = part.slice(at + 1).trim();
    if (at < 0 || key === "" || name === "" || name === viewPrefix) {
      const got = `got \`${part.trim()}\` in \`${text}\``;
      throw new EchoDuetError("config", `${option}: expected INDEX=NAME,INDEX=NAME,..., ${got}`);
    }
    if (map.has(key)) {
      throw new EchoDuetError("config", `${option}: expected each key once, got ${key} twice in \`${text}\``);
    }
    map.set(key, name);
  }
  return map;
}

/**
 * What each class of a source means: by `map`, under its number or its name, else the class of its own name.
 * `view:NAME` in the map, and a name among `views`, mean an image's view. Null where nothing names it.
 */
export function classTarget(
  { key, name }: SourceName,
  map: NameMap,
  views: ReadonlySet<string>,
): Target | null {
  const mapped = mappedName({ key, name }, map);
  if (mapped?.startsWith(viewPrefix)) return { kind: "view", name: mapped.slice(viewPrefix.length) };
  const meant = mapped ?? name;
  if (meant === null) return null;
  return { kind: views.has(meant) ? "view" : "class", name: meant };
}

/** The name that a source's class or view has in `map`, under its number or its name. */
export function mappedName({ key, name }: SourceName, map: NameMap): string | undefined {
  return map.get(String(key)) ?? (name === null ? undefined : map.get(name));
}

/**
 * The output's names: those of the source that are still meant, in the source's order, then the new ones in
 * the order in which they were first meant. A map that only permutes names therefore changes the labels and
 * not the list.
 */
export function orderedNames(source: readonly (string | null)[], meant: readonly string[]): string[] {
  const wanted = new Set(meant);
  const kept = source.filter((name): name is string => name !== null && wanted.has(name));
  return [...new Set([...kept, ...meant])];
}

/** @throws EchoDuetError `config` for a key of `map` that no class or view of the source has */
export function checkKeys(map: NameMap, known: readonly SourceName[], option: string): void {
  const keys = new Set(known.flatMap(({ key, name }) => [String(key), name ?? String(key)]));
  const stray = [...map.keys()].find((key) => !keys.has(key));
  if (stray === undefined) return;
  const forms = known.map(({ key, name }) => (name === null ? String(key) : `${key} (${name})`));
  throw new EchoDuetError(
    "config",
    `${option}: expected keys among ${forms.join(", ") || "none, since the source has no such names"}, got ${stray}`,
  );
}
