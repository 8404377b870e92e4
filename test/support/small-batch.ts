import type { FrameBatch, FrameRecord } from "../../src/data/index.js";
import { hostTensor, randomStream } from "../../src/tensor/index.js";

export interface SmallBatchOptions {
  /** Side of the square images in pixels. */
  readonly size: number;
  /** One view an image, -1 for none. */
  readonly views: readonly number[];
  readonly seed?: number;
}

/** A batch of noise, each image with one box of the class that is its index modulo 4. */
export function smallBatch({ size, views, seed = 0 }: SmallBatchOptions): FrameBatch {
  const count = views.length;
  const random = randomStream(seed, "small batch");
  const images = Uint8Array.from({ length: count * 3 * size * size }, () => random.integer(256));
  return {
    images: hostTensor("uint8", [count, 3, size, size], images),
    letterboxes: views.map(() => ({
      width: size,
      height: size,
      sourceWidth: size,
      sourceHeight: size,
      scale: 1,
      padX: 0,
      padY: 0,
      newWidth: size,
      newHeight: size,
    })),
    targets: Float32Array.from(views.flatMap((_, i) => [i, i % 4, 0.4 + 0.05 * (i % 4), 0.55, 0.5, 0.35])),
    views: Int32Array.from(views),
    detectionMask: new Uint8Array(count).fill(1),
    frames: views.map((view, i) => smallFrame(`images/${i}.png`, { view, classes: [i % 4] })),
  };
}

/** A frame that is on no disk. */
export function smallFrame(
  name: string,
  labels: { readonly view: number; readonly classes: readonly number[]; readonly patient?: string },
): FrameRecord {
  return {
    name,
    imagePath: name,
    labelPath: null,
    boxes: Float32Array.from(labels.classes.flatMap((label) => [label, 0.5, 0.5, 0.2, 0.2])),
    view: labels.view,
    patient: labels.patient ?? null,
    video: null,
    detectionMasked: false,
  };
}
