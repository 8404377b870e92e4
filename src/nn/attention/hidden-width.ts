/**
 * Width of the hidden layer between c channels and c channels: max(8, floor(c / 16)). Both papers divide by 16;
 * the 8 is a deviation from them, without which few channels would have to pass through one or two numbers.
 */
export function hiddenWidth(channels: number): number {
  return Math.max(8, Math.floor(channels / 16));
}
