import { extname, sep } from "node:path";

/** What the decoder reads (image.ts). */
export const imageExtensions: readonly string[] = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"];

/**
 * The label file of an image by Ultralytics' rule: the last folder named `images` becomes `labels`, the
 * extension .txt; without such a folder, next to the image.
 */
export function labelPathOf(imagePath: string): string {
  const marker = `${sep}images${sep}`;
  const at = imagePath.lastIndexOf(marker);
  const stem = imagePath.slice(0, imagePath.length - extname(imagePath).length);
  if (at < 0) return `${stem}.txt`;
  return `${stem.slice(0, at)}${sep}labels${sep}${stem.slice(at + marker.length)}.txt`;
}
