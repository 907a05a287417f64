// Area-averaged sampling: a face crop → the small picture that is sent (paper section 3: 8×8).

import { SyntaxLimitError } from "../errors.js";
import { rgbToYcbcr } from "./colour.js";

/** Side of the picture that is sent, in pixels. */
export const SIZE = 8;

/**
 * Face crop, RGBA of side × side → picture YCbCr 4:4:4, each pixel the mean of its block, rounded to nearest. Throws
 * {@link SyntaxLimitError} where `side` is not a multiple of `size`.
 * @param {ArrayLike<number>} rgba @param {number} side @param {number} size @returns {import("./planes.js").Picture}
 */
export function sample(rgba, side, size = SIZE) {
  const block = side / size;
  if (!Number.isInteger(block) || block < 1 || rgba.length !== 4 * side * side) {
    throw new SyntaxLimitError(`cannot area-average ${side}x${side} to ${size}x${size}: not a multiple`);
  }
  const sums = new Float64Array(3 * size * size);
  for (let y = 0, i = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1, i += 4) {
      const at = 3 * (Math.floor(y / block) * size + Math.floor(x / block));
      for (let c = 0; c < 3; c += 1) sums[at + c] += rgba[i + c];
    }
  }
  const count = block * block;
  const half = Math.floor(count / 2);
  return { side: size, ycbcr: rgbToYcbcr(sums.map((sum) => Math.floor((sum + half) / count))) };
}
