/** A range from which a number is drawn uniformly. */
export type Range = readonly [low: number, high: number];
export type Rgb = readonly [red: number, green: number, blue: number];

/** Colours of flow by speed: anchors at equal steps from the slowest shown to the Nyquist velocity. */
export interface VelocityMap {
  readonly towards: readonly Rgb[];
  readonly away: readonly Rgb[];
  /** Green added to turbulent flow, 0..255; 0 where the machine shows no variance. */
  readonly variance: number;
}

/**
 * One make of scanner: where its pictures have the sector, how its grey scale and colours look, and what it
 * draws around them. Positions and lengths are shares of the picture's width (x) or height (y, depth).
 */
export interface Machine {
  readonly name: string;
  /** Share of the patients. */
  readonly share: number;
  /** Size of its pictures, pixels. */
  readonly native: { readonly width: number; readonly height: number };
  readonly apexX: Range;
  readonly apexY: Range;
  /** Imaging depth; above 1 the sector is cut by the picture's lower edge. */
  readonly depth: Range;
  /** Half the opening angle of the sector, radians. */
  readonly halfAngle: Range;
  /** Radius at which the picture starts, depth units. */
  readonly nearRadius: Range;
  readonly dynamicRange: Range;
  readonly gain: Range;
  /** Passes of the scanner's smoothing along the beams' axis. */
  readonly smoothing: number;
  /** Factors of the red, green and blue channels of the grey picture. */
  readonly tint: Rgb;
  readonly map: VelocityMap;
  /** Grey of the colour box's outline, and its thickness in 1/320 of the height. */
  readonly outline: { readonly grey: number; readonly thickness: number };
  readonly overlay: "cropped" | "caliper" | "trace" | "plain";
}

const DARK: VelocityMap = {
  towards: [
    [62, 0, 0],
    [104, 6, 0],
    [142, 20, 2],
    [196, 72, 8],
    [236, 140, 14],
    [250, 196, 30],
    [255, 240, 70],
  ],
  away: [
    [0, 0, 72],
    [0, 0, 112],
    [2, 20, 158],
    [12, 74, 208],
    [30, 134, 240],
    [70, 192, 252],
    [150, 242, 255],
  ],
  variance: 0,
};

const BRIGHT: VelocityMap = {
  towards: [
    [60, 2, 0],
    [104, 5, 4],
    [150, 10, 4],
    [186, 74, 2],
    [210, 136, 2],
    [236, 206, 2],
    [253, 246, 10],
  ],
  away: [
    [0, 0, 92],
    [2, 10, 140],
    [3, 46, 205],
    [24, 96, 232],
    [48, 150, 241],
    [80, 210, 252],
    [137, 245, 255],
  ],
  variance: 0,
};

const SOFT: VelocityMap = {
  towards: [
    [50, 10, 8],
    [96, 16, 16],
    [160, 30, 24],
    [188, 74, 24],
    [222, 146, 30],
    [242, 210, 26],
    [255, 242, 49],
  ],
  away: [
    [2, 6, 50],
    [6, 14, 104],
    [4, 24, 160],
    [20, 94, 198],
    [54, 156, 215],
    [70, 212, 237],
    [104, 240, 250],
  ],
  variance: 0,
};

/** The makes of scanner. Their measures were read off real frames; `plain` adds a variance map to them. */
export const MACHINES: readonly Machine[] = [
  {
    name: "cropped",
    share: 0.5,
    native: { width: 430, height: 320 },
    apexX: [0.5, 0.512],
    apexY: [-0.04, 0.03],
    depth: [0.96, 1.1],
    halfAngle: [0.7, 0.9],
    nearRadius: [0.005, 0.03],
    dynamicRange: [44, 58],
    gain: [-11, 2],
    smoothing: 0,
    tint: [0.985, 0.95, 1.067],
    map: DARK,
    outline: { grey: 150, thickness: 1 },
    overlay: "cropped",
  },
  {
    name: "caliper",
    share: 0.25,
    native: { width: 700, height: 495 },
    apexX: [0.462, 0.47],
    apexY: [0.06, 0.09],
    depth: [0.84, 0.9],
    halfAngle: [0.68, 0.8],
    nearRadius: [0.01, 0.04],
    dynamicRange: [50, 62],
    gain: [-10, 1],
    smoothing: 1,
    tint: [1, 1, 1],
    map: BRIGHT,
    outline: { grey: 245, thickness: 1.3 },
    overlay: "caliper",
  },
  {
    name: "trace",
    share: 0.15,
    native: { width: 800, height: 556 },
    apexX: [0.495, 0.505],
    apexY: [0.02, 0.045],
    depth: [0.93, 0.98],
    halfAngle: [0.6, 0.72],
    nearRadius: [0.01, 0.03],
    dynamicRange: [50, 60],
    gain: [-9, -1],
    smoothing: 2,
    tint: [0.983, 0.95, 1.067],
    map: SOFT,
    outline: { grey: 165, thickness: 0.7 },
    overlay: "trace",
  },
  {
    name: "plain",
    share: 0.1,
    native: { width: 640, height: 480 },
    apexX: [0.48, 0.52],
    apexY: [0.02, 0.06],
    depth: [0.88, 0.97],
    halfAngle: [0.62, 0.84],
    nearRadius: [0.015, 0.05],
    dynamicRange: [48, 62],
    gain: [-8, 1],
    smoothing: 1,
    tint: [1.04, 0.99, 0.92],
    map: { ...BRIGHT, variance: 150 },
    outline: { grey: 190, thickness: 1 },
    overlay: "plain",
  },
];

/** Entries of a direction in `colourTable`. */
export const SPEEDS = 128;

/** RGB of velocities -1..1 (towards the transducer positive): entry round((v + 1) * SPEEDS), uint8 [2 SPEEDS + 1, 3]. */
export function colourTable(map: VelocityMap): Uint8Array {
  const table = new Uint8Array((2 * SPEEDS + 1) * 3);
  for (let i = 0; i <= 2 * SPEEDS; i++) {
    const anchors = i >= SPEEDS ? map.towards : map.away;
    const at = (Math.abs(i - SPEEDS) / SPEEDS) * (anchors.length - 1);
    const low = Math.min(anchors.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) {
      table[i * 3 + c] = anchors[low]![c]! + (anchors[low + 1]![c]! - anchors[low]![c]!) * (at - low);
    }
  }
  return table;
}
