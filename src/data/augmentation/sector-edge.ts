import type { Draws } from "./draws.js";
import { isColoured, type Picture, type Rectangle } from "./picture.js";
import { type Columns, grown, type Sector } from "./sector.js";

/** No box, and not the flow as a whole, loses more than this share of its area. */
const mostLost = 0.1;
/** Erased around the sector, as a share of the picture's width: the line of its edge, where it was dark. */
const margin = 0.02;
/** Points of the hull above this share of its depth say nothing about the angle of its sides. */
const nearField = 0.3;

/**
 * Erases, in place, one edge of the sector to black, as a rib's shadow or a narrower or shallower sector does:
 * a wedge from the apex along its left or right side, or the far end. It takes up to `strength` of the
 * sector's angle or depth; less, or nothing, where it would take more than a tenth of a box or of the flow.
 */
export function eraseSectorEdge(
  picture: Picture,
  sector: Sector,
  { strength, boxes, draws }: { strength: number; boxes: readonly Rectangle[]; draws: Draws },
): void {
  const fan = fanOf(sector);
  const area = grown(sector, Math.round(margin * picture.width), picture.content);
  const side = draws.random("sectorEdge-side").integer(3);
  let amount = strength * draws.amount("sectorEdge");
  for (let attempt = 0; attempt < 3; attempt++, amount /= 2) {
    const kept = keptColumns(picture, fan, side, amount);
    if (!loses(picture, area, kept, boxes)) {
      erase(picture, area, kept);
      return;
    }
  }
}

/** A sector's apex, the angles of its sides from straight down (radians) and its depth in pixels. */
interface Fan {
  readonly x: number;
  readonly y: number;
  readonly left: number;
  readonly right: number;
  readonly depth: number;
}

function fanOf({ hull }: Sector): Fan {
  const top = Math.min(...hull.map(([, y]) => y));
  const bottom = Math.max(...hull.map(([, y]) => y));
  const uppermost = hull.filter(([, y]) => y === top).map(([x]) => x);
  const x = (Math.min(...uppermost) + Math.max(...uppermost)) / 2;
  const deep = hull.filter(([, y]) => y > top + nearField * (bottom - top));
  const angles = deep.map(([px, py]) => Math.atan2(px - x, py - top));
  const depth = Math.max(...deep.map(([px, py]) => Math.hypot(px - x, py - top)));
  return { x, y: top, left: Math.min(...angles), right: Math.max(...angles), depth };
}

/** The columns of each row that stay. */
function keptColumns({ width, height }: Picture, fan: Fan, side: number, amount: number): Columns {
  const starts = new Int32Array(height);
  const ends = new Int32Array(height).fill(width);
  const opening = fan.right - fan.left;
  // A pixel belongs to the side on which its centre lies.
  const column = (x: number): number => Math.min(Math.max(Math.ceil(x - 0.5), 0), width);
  for (let row = Math.max(0, Math.ceil(fan.y)); row < height; row++) {
    const below = row + 0.5 - fan.y;
    if (side === 0) starts[row] = column(fan.x + below * Math.tan(fan.left + amount * opening));
    if (side === 1) ends[row] = column(fan.x + below * Math.tan(fan.right - amount * opening));
    if (side === 2) {
      const reach = Math.sqrt(Math.max((fan.depth * (1 - amount)) ** 2 - below ** 2, 0));
      starts[row] = column(fan.x - reach);
      ends[row] = column(fan.x + reach);
    }
  }
  return { starts, ends };
}

/** Whether a box or the flow would lose too much. */
function loses(picture: Picture, area: Columns, kept: Columns, boxes: readonly Rectangle[]): boolean {
  const { words, width, height } = picture;
  for (const { x1, y1, x2, y2 } of boxes) {
    const [top, bottom] = [Math.max(0, Math.floor(y1)), Math.min(height, Math.ceil(y2))];
    let left = 0;
    for (let y = top; y < bottom; y++) {
      left += Math.max(0, Math.min(x2, kept.ends[y]) - Math.max(x1, kept.starts[y]));
    }
    if (left < (1 - mostLost) * (bottom - top) * (x2 - x1)) return true;
  }
  let flow = 0;
  let lost = 0;
  // Every other row tells the share well enough.
  for (let y = 0; y < height; y += 2) {
    for (let x = area.starts[y]; x < area.ends[y]; x++) {
      if (!isColoured(words[y * width + x])) continue;
      flow++;
      if (x < kept.starts[y] || x >= kept.ends[y]) lost++;
    }
  }
  return lost > mostLost * flow;
}

function erase({ words, width, height }: Picture, area: Columns, kept: Columns): void {
  for (let y = 0; y < height; y++) {
    const row = y * width;
    words.fill(0, row + area.starts[y], row + Math.min(area.ends[y], kept.starts[y]));
    words.fill(0, row + Math.max(area.starts[y], kept.ends[y]), row + area.ends[y]);
  }
}
