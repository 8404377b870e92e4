import { extname, posix, relative, sep } from "node:path";

/**
 * The path that an image has below the output's images folder: what follows the last folder `images` of its
 * path below `root`, else what follows the first of `folders` that holds it, else its path below `root`.
 * Forward slashes.
 */
export function nameInOutput(imagePath: string, root: string, folders: readonly string[]): string {
  const parts = relative(root, imagePath).split(sep);
  const marker = parts.lastIndexOf("images", parts.length - 2);
  if (marker >= 0) return parts.slice(marker + 1).join("/");
  const folder = folders.find((entry) => imagePath.startsWith(entry + sep));
  return folder ? relative(folder, imagePath).split(sep).join("/") : parts.join("/");
}

/**
 * Names for the images of one split, each with a label file of its own: a name whose stem is taken (by an
 * image of another folder, or of another extension) gets `-2`, `-3`, ... before its extension, the first free
 * one, in the order given. Names that differ in case alone count as the same, as they are on some disks.
 */
export function distinctNames(names: readonly string[]): string[] {
  const stems = names.map(stemOf);
  // A suffix must not take the name that a later image has of its own.
  const own = new Set(stems.map(fold));
  const taken = new Set<string>();
  const next = new Map<string, number>();
  return names.map((name, index) => {
    const stem = stems[index];
    let chosen = stem;
    if (taken.has(fold(stem))) {
      let suffix = next.get(fold(stem)) ?? 2;
      while (taken.has(fold(`${stem}-${suffix}`)) || own.has(fold(`${stem}-${suffix}`))) suffix++;
      next.set(fold(stem), suffix + 1);
      chosen = `${stem}-${suffix}`;
    }
    taken.add(fold(chosen));
    return chosen + extname(name);
  });
}

/** The label file of an output image's name. */
export function labelNameOf(name: string): string {
  return `${stemOf(name)}.txt`;
}

function stemOf(name: string): string {
  return posix.join(posix.dirname(name), posix.basename(name, extname(name)));
}

const fold = (name: string): string => name.normalize("NFC").toLowerCase();
