import { velocityColour } from "./doppler.js";
import type { PolarWindow, RgbPicture, SectorMap } from "./sector.js";

/** Draws the outline of the colour box: two radial edges and two arcs, thin and pale. */
export function drawColourBoxOutline(picture: RgbPicture, map: SectorMap, window: PolarWindow): void {
  const steps = Math.ceil(map.pixelsPerDepth);
  for (let i = 0; i <= steps; i++) {
    const t = i / steps;
    const radius = window.radiusFrom + t * (window.radiusTo - window.radiusFrom);
    const angle = window.angleFrom + t * (window.angleTo - window.angleFrom);
    for (const edge of [window.angleFrom, window.angleTo]) pale(picture, map, radius, edge);
    for (const edge of [window.radiusFrom, window.radiusTo]) pale(picture, map, edge, angle);
  }
}

/** Draws the depth marks along the left edge of the sector. */
export function drawTicks(picture: RgbPicture, map: SectorMap): void {
  for (let i = 1; i < 16; i++) {
    for (let k = 0; k < (i % 5 === 0 ? 5 : 2); k++) {
      pale(picture, map, i / 16, -map.halfAngle - (0.03 + k * 0.006));
    }
  }
}

/** Draws the colour map at the right edge (the outer 6 % of the width, the upper third), towards on top. */
export function drawColourBar(picture: RgbPicture): void {
  const { width, height } = picture;
  const top = Math.round(0.04 * height);
  const bottom = Math.round(0.32 * height);
  for (let y = top; y < bottom; y++) {
    const colour = velocityColour(1 - (2 * (y - top)) / (bottom - top));
    for (let x = Math.round(0.955 * width); x < Math.round(0.98 * width); x++) set(picture, x, y, colour);
  }
}

/** A pale grey pixel at polar coordinates; colour that lies there stays, since labels are made from it. */
function pale(picture: RgbPicture, map: SectorMap, radius: number, angle: number): void {
  const x = Math.floor(map.apex[0] + Math.sin(angle) * radius * map.pixelsPerDepth);
  const y = Math.floor(map.apex[1] + Math.cos(angle) * radius * map.pixelsPerDepth);
  if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) return;
  const at = (y * picture.width + x) * 3;
  if (Math.abs(picture.data[at]! - picture.data[at + 2]!) > 35) return;
  set(picture, x, y, [170, 170, 170]);
}

function set(picture: RgbPicture, x: number, y: number, colour: readonly number[]): void {
  picture.data.set(colour, (y * picture.width + x) * 3);
}
