// The keyframe's own points in bytes: the shapes of later pictures are coded relative to them.

import { SyntaxLimitError } from "../errors.js";
import { POINTS } from "./basis.js";

/** Bits of each coordinate, in quarters of a pixel; a point outside the picture is moved to its edge. */
const BITS = 10;
/** Bytes of all points. */
export const SIZE = (2 * POINTS * BITS) / 8;

/** Round to the nearest whole number, halves to the even one. @param {number} value */
function roundHalfEven(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low & 1) : Math.round(value);
}

/**
 * Points (54, 2), x and y in pixels of 256×256 → 135 bytes. Throws {@link SyntaxLimitError} for anything else.
 * @param {ArrayLike<number>} points
 */
export function packPoints(points) {
  if (points.length !== 2 * POINTS || !Array.from(points).every(Number.isFinite)) {
    throw new SyntaxLimitError(`${points.length} coordinates are not ${POINTS} places`);
  }
  const out = new Uint8Array(SIZE);
  Array.from(points).forEach((place, i) => {
    const value = Math.min(Math.max(roundHalfEven(place * 4), 0), (1 << BITS) - 1);
    for (let bit = 0; bit < BITS; bit += 1) {
      const at = i * BITS + bit;
      if ((value >> (BITS - 1 - bit)) & 1) out[at >> 3] |= 128 >> (at & 7);
    }
  });
  return out;
}

/**
 * Inverse of {@link packPoints}, to a quarter of a pixel. Throws {@link SyntaxLimitError} for another length.
 * @param {Uint8Array} data
 */
export function parsePoints(data) {
  if (data.length !== SIZE) throw new SyntaxLimitError(`points of ${data.length} bytes, not ${SIZE}`);
  return Float32Array.from({ length: 2 * POINTS }, (_, i) => {
    let value = 0;
    for (let at = i * BITS; at < (i + 1) * BITS; at += 1) value = value * 2 + ((data[at >> 3] >> (7 - (at & 7))) & 1);
    return value / 4;
  });
}
