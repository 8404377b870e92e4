/**
 * Strengths of the augmentations, all 0 by default. Those outside `unsafe` keep the diagnosis: in colour
 * Doppler the hue is the direction of flow and the image's sides are anatomy.
 */
export interface AugmentOptions {
  /** Largest rotation, in degrees either way. */
  readonly rotate: number;
  /** Largest change of scale s: a factor between 1 - s and 1 + s. */
  readonly scale: number;
  /** Largest shift, as a share of the input's width and height. */
  readonly translate: number;
  /** Largest change of the grey tissue's brightness g: a factor between 1 - g and 1 + g. */
  readonly gain: number;
  /** Largest change c of the grey tissue's gamma: an exponent between 1 - c and 1 + c; black and white stay. */
  readonly contrast: number;
  /** Largest standard deviation of the speckle, as a share of the tissue's grey. */
  readonly speckle: number;
  /** Largest slope g of the gain over the depth: factors from 1 - g at one end to 1 + g at the other. */
  readonly timeGain: number;
  /** Largest standard deviation of the blur of the grey tissue, in pixels of the input. */
  readonly blur: number;
  /** Largest share of the sector's angle or depth that is erased at one of its edges. */
  readonly sectorEdge: number;
  /** Share of images whose ruler, marks and text outside the sector are erased. */
  readonly overlay: number;
  /** Share of images that become a mosaic of four; a mosaic has no view. */
  readonly mosaic: number;
  /** Those that change what a frame shows. */
  readonly unsafe: {
    /** Largest turn of the hue, as a share of the colour circle: swaps the directions of flow. */
    readonly hue: number;
    /** Share of images mirrored left to right: swaps the sides of the heart. */
    readonly flipHorizontal: number;
    /** Share of images mirrored top to bottom: puts the probe on the far side. */
    readonly flipVertical: number;
  };
}

/** Every strength at 0. */
export const noAugmentation: AugmentOptions = {
  rotate: 0,
  scale: 0,
  translate: 0,
  gain: 0,
  contrast: 0,
  speckle: 0,
  timeGain: 0,
  blur: 0,
  sectorEdge: 0,
  overlay: 0,
  mosaic: 0,
  unsafe: { hue: 0, flipHorizontal: 0, flipVertical: 0 },
};

/** Why each unsafe augmentation is unsafe. */
const harm: Readonly<Record<keyof AugmentOptions["unsafe"], string>> = {
  hue: "in colour Doppler the hue is the direction of flow",
  flipHorizontal: "left and right of the image are anatomy",
  flipVertical: "top and bottom of the image are near and far from the probe",
};

/** Whether any augmentation is switched on. */
export function augments({ unsafe, ...safe }: AugmentOptions): boolean {
  return [...Object.values(safe), ...Object.values(unsafe)].some((strength) => strength > 0);
}

/** One warning for each unsafe augmentation that is switched on. */
export function augmentWarnings({ unsafe }: AugmentOptions): string[] {
  return (Object.keys(harm) as (keyof typeof harm)[])
    .filter((name) => unsafe[name] > 0)
    .map((name) => `augment.unsafe.${name} ${unsafe[name]}: ${harm[name]}; labels may no longer hold`);
}
