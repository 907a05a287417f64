// Syntax elements of the shape and their contexts: which trained probability each bit has.
//
// A residual is coded as zero or not, its sign, and how much larger than one it is. How likely each is depends on the
// coefficient, on how much has changed before it in the same frame, and between ticks on the frame before.

import { SyntaxLimitError } from "../errors.js";
import { COEFFICIENTS } from "./basis.js";
import { ZERO } from "./probabilities.js";

/** Quantiser steps by the number in the header. */
export const STEPS = [4, 6, 8, 10, 12, 14, 16, 20];
export const USUAL_STEP = 2;
/** Frames between two ticks of 200 ms at 25 FPS. */
export const BETWEEN = 4;
/** No coefficient is larger, either way. */
export const LARGEST = 4095;
/** Classes of how much has changed: the sum of the sizes of the coefficients before, at most 3. */
const ACTIVE = 4;
/** Contexts for "larger still"; the last serves for all further steps. */
const TAIL = 6;
/** Sizes from here on are coded in Exp-Golomb. */
const ESCAPE = 20;
const MAX_PREFIX = 12;
export const STEP_AT = 0;
export const FULL_AT = 1;
const EMPTY_AT = 2;
const TICK_ZERO_AT = EMPTY_AT + 2;
const TICK_TAIL_AT = TICK_ZERO_AT + COEFFICIENTS * ACTIVE;
const ZERO_AT = TICK_TAIL_AT + COEFFICIENTS * TAIL;
const SIGN_AT = ZERO_AT + COEFFICIENTS * ACTIVE * 2;
const TAIL_AT = SIGN_AT + 3;

/** @typedef {import("../pictures/rangecoder.js").Coder} Coder */

/** Code a size of 1 or more; `at` is the first of its contexts. @param {Coder} coder @param {number} size @param {number} at */
function tail(coder, size, at) {
  let found = 1;
  while (found < ESCAPE && coder.code(ZERO[at + Math.min(found, TAIL) - 1], size > found ? 1 : 0)) found += 1;
  if (found < ESCAPE) return found;
  const rest = Math.max(size - ESCAPE, 0) + 1;
  let width = 0;
  while (coder.codeEqual(width < 31 - Math.clz32(rest) ? 1 : 0, 1)) {
    width += 1;
    if (width > MAX_PREFIX) throw new SyntaxLimitError("residual in a shape is out of range");
  }
  return ESCAPE - 1 + (1 << width) + coder.codeEqual(rest - (1 << width), width);
}

/** @param {number[]} row @param {number} at @param {number} back */
function active(row, at, back) {
  const sum = row.slice(Math.max(0, at - back), at).reduce((total, value) => total + Math.abs(value), 0);
  return Math.min(sum, ACTIVE - 1);
}

/**
 * Code the residuals at a tick's end. `wanted`: what to write; a decoder passes zeros. Throws {@link SyntaxLimitError}.
 * @param {Coder} coder
 * @param {ArrayLike<number>} wanted
 */
export function codeTick(coder, wanted) {
  /** @type {number[]} */
  const out = [];
  for (let i = 0; i < COEFFICIENTS; i += 1) {
    const value = wanted[i];
    if (!coder.code(ZERO[TICK_ZERO_AT + i * ACTIVE + active(out, i, 3)], value ? 1 : 0)) {
      out.push(0);
      continue;
    }
    const negative = coder.codeEqual(value < 0 ? 1 : 0, 1);
    const size = tail(coder, Math.abs(value), TICK_TAIL_AT + i * TAIL);
    out.push(negative ? -size : size);
  }
  return out;
}

/**
 * Code the residuals of a frame between two ticks; `before`: those of the frame before it, zeros for the first.
 * @param {Coder} coder @param {ArrayLike<number>} wanted @param {number[]} before
 */
export function codeBetween(coder, wanted, before) {
  /** @type {number[]} */
  const out = [];
  const moved = Array.from(wanted).some(Boolean);
  if (!coder.code(ZERO[EMPTY_AT + (before.some(Boolean) ? 1 : 0)], moved ? 1 : 0)) return new Array(COEFFICIENTS).fill(0);
  for (let i = 0; i < COEFFICIENTS; i += 1) {
    const [value, last] = [wanted[i], before[i]];
    if (!coder.code(ZERO[ZERO_AT + (i * ACTIVE + active(out, i, 2)) * 2 + (last ? 1 : 0)], value ? 1 : 0)) {
      out.push(0);
      continue;
    }
    const negative = coder.code(ZERO[SIGN_AT + Math.sign(last) + 1], value < 0 ? 1 : 0);
    const size = tail(coder, Math.abs(value), TAIL_AT);
    out.push(negative ? -size : size);
  }
  return out;
}
