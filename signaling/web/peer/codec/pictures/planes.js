// One picture's planes, Y then Cb then Cr: prediction, contexts, differences. Encoder and decoder run the same code.
//
// Every pixel is predicted from the reference and, in mode 1, from how its neighbours have changed since the reference. The
// quantised difference is coded in a context that estimates its size. Everything is in integers; weights are in 64ths.

import { BIN_OF, BINS, codeSize, EMPTY_AT, LARGEST, MODE_AT, MOST, SIGN_AT, SIZE_AT, STEPS_OF_SIZE } from "./contexts.js";
import { ZERO } from "./probabilities.js";

export const MODES = 2;
/** Mode 1, by channel: weights of the changes to the left, above, above left, above right. */
const NEIGHBOUR_WEIGHTS = [
  [9, 12, -3, -1],
  [6, 14, 2, 3],
  [7, 9, 2, 3],
];
/** Mode 1: weights of the thumbnail's pixel minus the reference's, and of this pixel's changes in the channels before. */
const CROSS_WEIGHTS = [[2], [4, -3], [5, 3, -21]];
/** Weights of the sizes to the left, above, above left, above right, two above. */
const SIZE_NEIGHBOUR_WEIGHTS = [
  [11, 17, 4, 6, 4],
  [5, 11, 3, 3, 3],
  [2, 5, 1, 1, 2],
];
/** Weights of |thumbnail − reference| in steps, and of this pixel's sizes in the channels before. */
const SIZE_CROSS_WEIGHTS = [[5], [5, 2], [3, 2, 10]];

/** A small picture: `ycbcr` has three bytes a pixel, row by row. @typedef {{ side: number, ycbcr: Uint8Array }} Picture */
/**
 * What encoder and decoder share: the reference and the keyframe's thumbnail, both at the picture's side; steps by channel.
 * @typedef {{ reference: Picture, thumbnail: Picture, steps: number[] }} Shared
 */

/**
 * Number of steps nearest to `difference`, rounded slightly towards zero: it costs fewer bits and little more error.
 * @param {number} difference
 * @param {number} step
 */
export function quantise(difference, step) {
  const size = Math.floor((Math.abs(difference) * 20 + 9 * step) / (20 * step));
  return difference < 0 ? -size : size;
}

/** @param {number} value */
const clip = (value) => (value < 0 ? 0 : Math.min(value, 255));

/** One channel's values. @param {Picture} picture @param {number} c */
const plane = ({ ycbcr, side }, c) => Int32Array.from({ length: side * side }, (_, i) => ycbcr[3 * i + c]);

/**
 * About how many bits a mode would cost, estimated from the sizes of its differences without coding.
 * @param {Picture} wanted
 * @param {Shared} known
 * @param {number} mode
 */
export function expectedBits(wanted, known, mode) {
  const { side } = wanted;
  const width = side + 2;
  /** @type {Int32Array[]} */
  const changes = [];
  let bits = 0;
  for (let c = 0; c < 3; c += 1) {
    const [target, reference, thumbnail] = [wanted, known.reference, known.thumbnail].map((p) => plane(p, c));
    const change = new Int32Array((side + 1) * width);
    for (let y = 0; y < side; y += 1)
      for (let x = 0; x < side; x += 1) change[(y + 1) * width + x + 1] = target[y * side + x] - reference[y * side + x];
    changes.push(change);
    for (let i = 0; i < side * side; i += 1) {
      const at = (Math.floor(i / side) + 1) * width + (i % side) + 1;
      let left = change[at];
      if (mode) {
        const [wl, wa, wc, wr] = NEIGHBOUR_WEIGHTS[c];
        let guess = wl * change[at - 1] + wa * change[at - width] + wc * change[at - width - 1] + wr * change[at - width + 1];
        guess += CROSS_WEIGHTS[c][0] * (thumbnail[i] - reference[i]);
        for (let other = 0; other < c; other += 1) guess += CROSS_WEIGHTS[c][other + 1] * changes[other][at];
        left -= guess / 64;
      }
      bits += Math.log2(1 + Math.abs(left) / known.steps[c]);
    }
  }
  return bits;
}

/** What has been coded of a channel, padded by two rows above and a column on each side, so that no pixel is special. */
class Coded {
  /** @param {number} room */
  constructor(room) {
    this.change = new Int32Array(room);
    this.size = new Int32Array(room);
    this.sign = new Int32Array(room);
  }
}

/**
 * Code a picture; returns the one that the decoder will have. `wanted` null: decode.
 * @param {import("./rangecoder.js").Coder} coder @param {Picture | null} wanted @param {Shared} known @param {number} mode
 * @returns {Picture}
 */
export function walk(coder, wanted, known, mode) {
  mode = coder.code(ZERO[MODE_AT], mode);
  const { side } = known.reference;
  const width = side + 2;
  const inner = Int32Array.from({ length: side * side }, (_, i) => (Math.floor(i / side) + 2) * width + (i % side) + 1);
  /** @type {Coded[]} */
  const done = [];
  const ycbcr = new Uint8Array(3 * side * side);
  let blank = 1;
  for (let c = 0; c < 3; c += 1) {
    const [reference, thumbnail] = [plane(known.reference, c), plane(known.thumbnail, c)];
    const step = known.steps[c];
    const lean = new Int32Array(side * side);
    const likely = new Int32Array(side * side);
    for (let i = 0; i < side * side; i += 1) {
      const gap = thumbnail[i] - reference[i];
      lean[i] = CROSS_WEIGHTS[c][0] * gap;
      likely[i] = SIZE_CROSS_WEIGHTS[c][0] * Math.min(Math.floor(Math.abs(gap) / step), LARGEST);
      for (let other = 0; other < c; other += 1) {
        lean[i] += CROSS_WEIGHTS[c][other + 1] * done[other].change[inner[i]];
        likely[i] += SIZE_CROSS_WEIGHTS[c][other + 1] * done[other].size[inner[i]];
      }
    }
    const part = {
      c,
      mode,
      step,
      width,
      inner,
      reference,
      lean,
      likely,
      target: wanted && plane(wanted, c),
      before: done[c - 1] ?? null,
    };
    const empty = coder.code(ZERO[EMPTY_AT + 2 * c + blank], part.target && isEmpty(part, part.target) ? 1 : 0);
    blank &= empty;
    const coded = new Coded((side + 3) * width);
    const pixels = codePlane(coder, part, coded, Boolean(empty));
    done.push(coded);
    for (const [i, value] of pixels.entries()) ycbcr[3 * i + c] = value;
  }
  return { side, ycbcr };
}

/**
 * The state of one channel in {@link walk}.
 * @typedef {{
 *   c: number, mode: number, step: number, width: number, inner: Int32Array, reference: Int32Array, lean: Int32Array,
 *   likely: Int32Array, target: Int32Array | null, before: Coded | null,
 * }} Part
 */

/**
 * The prediction of pixel `i`. Mode 1: the reference's, changed as its neighbours have and by `lean`; mode 0: the reference's.
 * @param {Part} part
 * @param {number} i
 * @param {Int32Array} change
 */
function predicted({ c, mode, width, inner, reference, lean }, i, change) {
  if (!mode) return reference[i];
  const [wl, wa, wc, wr] = NEIGHBOUR_WEIGHTS[c];
  const at = inner[i];
  const up = at - width;
  const shift = lean[i] + wl * change[at - 1] + wa * change[up] + wc * change[up - 1] + wr * change[up + 1];
  return clip(reference[i] + ((shift + 32) >> 6));
}

/** Whether every difference of the plane is quantised to 0. @param {Part} part @param {Int32Array} target */
function isEmpty(part, target) {
  const change = new Int32Array(part.inner[part.inner.length - 1] + part.width);
  for (let i = 0; i < part.inner.length; i += 1) {
    const pixel = predicted(part, i, change);
    if (quantise(target[i] - pixel, part.step)) return false;
    change[part.inner[i]] = pixel - part.reference[i];
  }
  return true;
}

/** @param {import("./rangecoder.js").Coder} coder @param {Part} part @param {Coded} coded @param {boolean} empty */
function codePlane(coder, part, { change, size, sign }, empty) {
  const { c, mode, step, width, inner, reference, likely, target, before } = part;
  if (empty && !mode) return reference;
  const [sl, sa, sc, sr, ss] = SIZE_NEIGHBOUR_WEIGHTS[c];
  const sizeAt = SIZE_AT + c * BINS * STEPS_OF_SIZE;
  const signAt = SIGN_AT + (mode * 3 + c) * 15;
  const out = new Int32Array(inner.length);
  for (let i = 0; i < inner.length; i += 1) {
    const at = inner[i];
    const up = at - width;
    let pixel = predicted(part, i, change);
    if (!empty) {
      const total =
        likely[i] + sl * size[at - 1] + sa * size[up] + sc * size[up - 1] + sr * size[up + 1] + ss * size[up - width];
      const context = sizeAt + STEPS_OF_SIZE * BIN_OF[Math.min(total, MOST - 1)];
      const value = target ? quantise(target[i] - pixel, step) : 0;
      if (coder.code(ZERO[context], value ? 1 : 0)) {
        const much = codeSize(coder, Math.abs(value), context);
        const around = sign[at - 1] + sign[up];
        const negative = coder.code(ZERO[signAt + (around + 2) * 3 + (before ? before.sign[at] : 0) + 1], value < 0 ? 1 : 0);
        size[at] = Math.min(much, LARGEST);
        sign[at] = negative ? -1 : 1;
        pixel = clip(pixel + sign[at] * much * step);
      }
    }
    change[at] = pixel - reference[i];
    out[i] = pixel;
  }
  return out;
}
