import { blurredGrey } from "./blur.js";
import type { Draws } from "./draws.js";
import type { AugmentOptions } from "./options.js";
import { extremes, greyOf, greyStep, type Picture } from "./picture.js";
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
  const grains = deviation > 0 ? speckleBank() : new Float32Array(speckleSide * speckleSide);
  const random = draws.random("speckle-offset");
  const [offsetX, offsetY] = [random.integer(speckleSide), random.integer(speckleSide)];
  for (let y = content.y1; y < content.y2; y++) {
    const depth = (y + 0.5 - content.y1) / (content.y2 - content.y1);
    const rowGain = 1 + slope * (2 * depth - 1);
    const grainRow = ((y + offsetY) & (speckleSide - 1)) * speckleSide;
    for (let x = content.x1; x < content.x2; x++) {
      const at = y * width + x;
      // Black stays black, and much of a picture is.
      if (words[at] === 0 && smooth === null) continue;
      const grey = greyOf(words[at]);
      if (grey < 0) continue;
      const grain = 1 + deviation * grains[grainRow + ((x + offsetX) & (speckleSide - 1))];
      const wanted = tone[smooth === null ? grey : smooth[at]] * rowGain * (grain > 0 ? grain : 0);
      words[at] = shifted(words[at], ((wanted + 0.5) | 0) - grey);
    }
  }
}

/** 255 (v / 255)^gamma gain for each level v. */
function toneTable(gain: number, gamma: number): Float64Array {
  return Float64Array.from({ length: 256 }, (_, value) =>
    gamma === 1 ? value * gain : 255 * (value / 255) ** gamma * gain,
  );
}

/** A pixel with all channels moved by as much of `change` as leaves them between 0 and 255. */
function shifted(word: number, change: number): number {
  const ends = extremes(word);
  const most = 255 - (ends >> 8);
  const least = -(ends & 255);
  return word + (change > most ? most : change < least ? least : change) * greyStep;
}
