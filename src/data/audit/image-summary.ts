import type { ImageAudit } from "./image-audit.js";
import { groupBy } from "./order.js";
import { quantiles } from "./quantiles.js";
import type { ImageSummary } from "./types.js";

/** What the images say, counted. */
export function summariseImages({ images, threshold, distances, pairs }: ImageAudit): ImageSummary {
  const readable = images.filter(({ facts }) => facts.fault === null);
  const sizes = [...groupBy(readable, ({ facts }) => `${facts.width}x${facts.height}`).values()];
  return {
    measured: images.length,
    unreadable: images.length - readable.length,
    sizes: sizes
      .map((group) => ({
        width: group[0].facts.width,
        height: group[0].facts.height,
        frames: group.length,
      }))
      .sort((a, b) => b.frames - a.frames || a.width - b.width || a.height - b.height),
    luminance: quantiles(readable.map(({ facts }) => facts.meanLuminance)),
    coloured: quantiles(readable.map(({ facts }) => facts.colouredShare)),
    nearDuplicates: { threshold, distances, pairs },
    text: readable.flatMap(({ name, facts }) =>
      facts.textAreas.length === 0 ? [] : [{ file: name, areas: facts.textAreas }],
    ),
  };
}
