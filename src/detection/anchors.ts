/** Strides in pixels of the three detection levels P3, P4, P5. */
export const detectionStrides: readonly number[] = [8, 16, 32];

/**
 * YOLOv5's anchors for COCO: [level][anchor] = [width, height] in pixels of a 640-pixel input, as its
 * release 6 checkpoints hold them.
 */
export const defaultAnchorsPx: readonly (readonly (readonly [number, number])[])[] = [
  [
    [10, 13],
    [16, 30],
    [33, 23],
  ],
  [
    [30, 61],
    [62, 45],
    [59, 119],
  ],
  [
    [116, 90],
    [156, 198],
    [373, 326],
  ],
];

/** Anchors of a level in units of its cells: pixels over the stride. */
export function anchorsInCells(level: number): readonly (readonly [number, number])[] {
  return defaultAnchorsPx[level].map(
    ([w, h]) => [w / detectionStrides[level], h / detectionStrides[level]] as const,
  );
}
