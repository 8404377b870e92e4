import { type RandomStream, randomStream } from "../../tensor/index.js";

/** Where an image stands in a training: all that its augmentation depends on. */
export interface Place {
  readonly seed: number;
  readonly epoch: number;
  /** Place in the epoch, of the image or of a batch's first one. */
  readonly first: number;
}

/**
 * What is drawn for one image. Every draw has a stream of its own, keyed by its name: to switch one
 * augmentation on leaves the draws of the others as they are.
 */
export interface Draws {
  /** Whether what happens to this share of the images happens. */
  happens(name: string, share: number): boolean;
  /** A share of the strength, from 0 to 1. */
  amount(name: string): number;
  /** A share of the strength with a sign, from -1 to 1. */
  signed(name: string): number;
  /** A stream for everything else. */
  random(name: string): RandomStream;
}

/** The draws of the image at a place. */
export function drawsAt({ seed, epoch, first }: Place): Draws {
  const random = (name: string): RandomStream => randomStream(seed, "augment", name, epoch, first);
  return {
    random,
    happens: (name, share) => share > 0 && random(name).uniform() < share,
    amount: (name) => random(name).uniform(),
    signed: (name) => random(name).uniform(-1, 1),
  };
}

/** Draws that show every augmentation at its full strength; the signs and the rest are those of the place. */
export function fullDrawsAt(place: Place): Draws {
  const drawn = drawsAt(place);
  return {
    random: drawn.random,
    happens: (_, share) => share > 0,
    amount: () => 1,
    signed: (name) => (drawn.signed(name) < 0 ? -1 : 1),
  };
}
