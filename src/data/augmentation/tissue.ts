import { blurredGrey } from "./blur.js";
import type { Draws } from "./draws.js";
import type { AugmentOptions } from "./options.js";
import { extremes, greySpread, greyStep, luminance, type Picture } from "./picture.js";
import { speckleBank, speckleSide } from "./speckle.js";

/**
 * Blur, gain, contrast, time-gain slope and speckle of the grey tissue, in that order and in place. Coloured
 * pixels and the padding stay bit for bit. A grey pixel's channels are all moved by the same number of
 * levels, as far as 0 and 255 allow: its tint stays too, and none becomes coloured.
 */
export function changeTissue(picture: Picture, options: AugmentOptions, draws: Draws): void {
  const { gain, contrast, speckle, timeGain, blur } = options;
  if (Math.max(gain, contrast, speckle, timeGain, blur) === 0) return;
  const { words, width, content } = picture;
  const tone = toneTable(1 + gain * draws.signed("gain"), 1 + contrast * draws.signed("contrast"));
  const slope = timeGain * draws.signed("timeGain");
  const deviation = speckle * draws.amount("speckle");
  const sigma = blur * draws.amount("blur");
  const smooth = sigma > 0 ? blurredGrey(picture, sigma) : null;
  const grains = speckleBank();
  const random = draws.random("speckle-offset");
  const [offsetX, offsetY] = [random.integer(speckleSide), random.integer(speckleSide)];
  for (let y = content.y1; y < content.y2; y++) {
    const depth = (y + 0.5 - content.y1) / (content.y2 - content.y1);
    const rowGain = 1 + slope * (2 * depth - 1);
    const grainRow = ((y + offsetY) & (speckleSide - 1)) * speckleSide;
    for (let x = content.x1; x < content.x2; x++) {
      const at = y * width + x;
      const word = words[at];
      // Black stays black, and much of a picture is.
      if (word === 0 && smooth === null) continue;
      const ends = extremes(word);
      const high = ends >> 8;
      const low = ends & 255;
      if (high - low >= greySpread) continue;
      const grey = luminance(word);
      const grain = 1 + deviation * grains[grainRow + ((x + offsetX) & (speckleSide - 1))];
      const wanted = tone[smooth === null ? grey : smooth[at]] * rowGain * (grain > 0 ? grain : 0);
      const change = ((wanted + 0.5) | 0) - grey;
      const kept = change > 255 - high ? 255 - high : change < -low ? -low : change;
      words[at] = word + kept * greyStep;
    }
  }
}

/** 255 (v / 255)^gamma gain for each level v. */
function toneTable(gain: number, gamma: number): Float64Array {
  return Float64Array.from({ length: 256 }, (_, value) =>
    gamma === 1 ? value * gain : 255 * (value / 255) ** gamma * gain,
  );
}
