import { isColoured, type Picture } from "./picture.js";

/**
 * Turns the hue of every coloured pixel of a picture, in place, by a share of the colour circle; the largest
 * and the smallest channel keep their values. Unsafe: the hue is the direction of flow.
 */
export function turnHue({ words }: Picture, turn: number): void {
  if (turn === 0) return;
  for (let i = 0; i < words.length; i++) {
    if (isColoured(words[i])) words[i] = turned(words[i], turn);
  }
}

function turned(word: number, turn: number): number {
  const [red, green, blue] = [word & 255, (word >> 8) & 255, word >> 16];
  const high = Math.max(red, green, blue);
  const low = Math.min(red, green, blue);
  const spread = high - low;
  const sixths =
    high === red
      ? (green - blue) / spread
      : high === green
        ? 2 + (blue - red) / spread
        : 4 + (red - green) / spread;
  const hue = (((sixths + 6 * turn) % 6) + 6) % 6;
  // Each channel is at its height within one sixth of its own hue, at its low two sixths away.
  const channel = (own: number): number => {
    const away = Math.abs(hue - own);
    const share = Math.min(Math.max(2 - Math.min(away, 6 - away), 0), 1);
    return Math.round(low + spread * share);
  };
  return channel(0) | (channel(2) << 8) | (channel(4) << 16);
}
