import { greyOf, greyStep, isColoured, luminance, type Picture, type Rectangle } from "./picture.js";
import { grown, type Sector } from "./sector.js";

/** Kept around the sector, as a share of the picture's width: the line of its edge. */
const margin = 0.01;
/** Levels by which a mark outshines the background. */
const mark = 12;

/**
 * Erases, in place, what is grey and brighter than the background outside the sector: ruler, text, marks.
 * Coloured pixels stay bit for bit, the colour bar among them, and so does whatever lies in a box.
 */
export function eraseOverlay(picture: Picture, sector: Sector, boxes: readonly Rectangle[]): void {
  const { words, width, content } = picture;
  const background = outsideLevel(picture, sector);
  const { starts, ends } = grown(sector, Math.round(margin * width), content);
  for (let y = content.y1; y < content.y2; y++) {
    const inRow = boxes.filter((box) => y >= box.y1 && y < box.y2);
    for (let x = content.x1; x < content.x2; x++) {
      if (x >= starts[y] && x < ends[y]) continue;
      const word = words[y * width + x];
      if (luminance(word) < background + mark || isColoured(word)) continue;
      if (inRow.some((box) => x >= box.x1 && x < box.x2)) continue;
      words[y * width + x] = background * greyStep;
    }
  }
}

/** The median level of the grey pixels outside the sector. */
function outsideLevel({ words, width, content }: Picture, sector: Sector): number {
  const { starts, ends } = sector.columns;
  const counts = new Int32Array(256);
  let total = 0;
  // Every other row tells the median well enough.
  for (let y = content.y1; y < content.y2; y += 2) {
    for (let x = content.x1; x < content.x2; x++) {
      if (x >= starts[y] && x < ends[y]) continue;
      const grey = greyOf(words[y * width + x]);
      if (grey < 0) continue;
      counts[grey]++;
      total++;
    }
  }
  let level = 0;
  for (let below = counts[0]; below * 2 < total; level++) below += counts[level + 1];
  return level;
}
