import { greyOf, type Picture, type Rectangle } from "./picture.js";
import type { Sector } from "./sector.js";

/** Kept around the sector, as a share of the picture's width: its edge, and errors of the estimate. */
const margin = 0.02;
/** Levels by which a mark outshines the background. */
const mark = 12;

/**
 * Erases, in place, what is grey and brighter than the background outside the sector: ruler, text, marks.
 * Coloured pixels stay bit for bit, the colour bar among them, and so does whatever lies in a box.
 */
export function eraseOverlay(picture: Picture, sector: Sector, boxes: readonly Rectangle[]): void {
  const { words, width, content } = picture;
  const background = outsideLevel(picture, sector);
  const grown = Math.round(margin * width);
  const fill = background * 0x010101;
  for (let y = content.y1; y < content.y2; y++) {
    const inRow = boxes.filter((box) => y >= box.y1 && y < box.y2);
    const [start, end] = grownSpan(sector, y, grown, content);
    for (let x = content.x1; x < content.x2; x++) {
      if (x === start) x = end;
      if (x >= content.x2) break;
      const grey = greyOf(words[y * width + x]);
      if (grey < background + mark || inRow.some((box) => x >= box.x1 && x < box.x2)) continue;
      words[y * width + x] = fill;
    }
  }
}

/** The columns of a row that belong to the sector or its margin; beyond the content where there are none. */
function grownSpan({ starts, ends }: Sector, y: number, grown: number, content: Rectangle): [number, number] {
  let start = content.x2;
  let end = content.x2;
  // Rows above and below within the margin count too, as a picture grown by a square would have it.
  for (let row = Math.max(content.y1, y - grown); row <= Math.min(content.y2 - 1, y + grown); row++) {
    if (ends[row] === 0) continue;
    end = start === content.x2 ? ends[row] : Math.max(end, ends[row]);
    start = Math.min(start, starts[row]);
  }
  if (start === content.x2) return [start, end];
  return [Math.max(start - grown, content.x1), Math.min(end + grown, content.x2)];
}

/** The median level of the grey pixels outside the sector. */
function outsideLevel({ words, width, content }: Picture, { starts, ends }: Sector): number {
  const counts = new Int32Array(256);
  let total = 0;
  for (let y = content.y1; y < content.y2; y++) {
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
