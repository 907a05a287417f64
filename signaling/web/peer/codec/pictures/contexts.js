// Syntax elements of the picture and their contexts: which trained probability each bit has.
//
// A quantised difference is coded as its size, in unary with contexts and past 14 in Exp-Golomb, then its sign. Its likely
// size is estimated by a weighted sum of the sizes around it, of the thumbnail's difference from the reference, and of the
// sizes in the other components (planes.js). The sum falls into one of twenty bins.

import { SyntaxLimitError } from "../errors.js";
import { ZERO } from "./probabilities.js";

export const BINS = 20;
/** Contexts of the unary size in a bin; the last serves for all further steps. */
export const STEPS_OF_SIZE = 8;
export const SIZE_AT = 0;
export const SIGN_AT = SIZE_AT + 3 * BINS * STEPS_OF_SIZE;
export const EMPTY_AT = SIGN_AT + 2 * 3 * 5 * 3;
export const MODE_AT = EMPTY_AT + 3 * 2;
export const DISTANCE_AT = MODE_AT + 1;
export const PLAIN_AT = DISTANCE_AT + 15;
const ESCAPE = 15;
const MAX_PREFIX = 8;
/** Sizes beyond it count as this in the weighted sum. */
export const LARGEST = 20;
/** Weighted sums from here on fall into the last bin. */
export const MOST = 256;

/** Bin by weighted sum in 64ths: two and a half bins for each doubling, in integers (half of log2 of the fifth power). */
export const BIN_OF = Array.from({ length: MOST }, (_, total) =>
  total ? Math.min(((BigInt(total) ** 5n).toString(2).length - 1) >> 1, BINS - 1) : 0,
);

/** @typedef {import("./rangecoder.js").Coder} Coder */

/**
 * Code a size of 1 or more; `at` is the first of its bin's contexts. Throws {@link SyntaxLimitError}.
 * @param {Coder} coder @param {number} size @param {number} at
 */
export function codeSize(coder, size, at) {
  let found = 1;
  while (found < ESCAPE && coder.code(ZERO[at + Math.min(found, STEPS_OF_SIZE - 1)], size > found ? 1 : 0)) found += 1;
  return found === ESCAPE ? found + golomb(coder, size - ESCAPE) : found;
}

/** @param {Coder} coder @param {number} value below 0 when decoding */
function golomb(coder, value) {
  const width = value >= 0 ? 31 - Math.clz32(value + 1) : 0;
  let prefix = 0;
  while (coder.codeEqual(prefix < width ? 1 : 0, 1)) {
    prefix += 1;
    if (prefix > MAX_PREFIX) throw new SyntaxLimitError("difference in a picture is out of range");
  }
  return (1 << prefix) - 1 + coder.codeEqual(value >= 0 ? value + 1 - (1 << prefix) : 0, prefix);
}
