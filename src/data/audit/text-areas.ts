/** Areas of burnt-in text. */
export function findTextAreas(_luminance: Uint8Array, _width: number, _height: number): number[][] {
  return [];
}
