// The picture's header: what the picture is predicted from, and how it is coded. Range-coded like the rest; usually two or
// three bits.
//
// A picture is predicted from an earlier one or from a keyframe's own picture. The other fields mostly equal those of that
// reference, which one bit signals. Both sides hold the reference, so nothing depends on a picture that may be lost.

import { SyntaxLimitError } from "../errors.js";
import { DISTANCE_AT, PLAIN_AT } from "./contexts.js";
import { ZERO } from "./probabilities.js";

/** Sides of a picture in pixels, by the number in the header. */
export const SIZES = [8, 12, 16, 32];
/** Milliseconds from one picture to the next, by the number in the header: 5 to 25 pictures a second. */
export const RATES = [200, 100, 60, 40, 120, 80];
/** Quantiser steps by the number in the header, luma and chroma alike. */
export const STEPS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32];
/** How many pictures back a reference may be; 0 means the keyframe. */
export const DISTANCE_MAX = 15;
export const SLOTS = 16;

/**
 * `distance` of the reference in pictures (0 = the keyframe in `slot`, 0..15), quantiser numbers of luma and chroma (indexes
 * of STEPS), `size` (index of SIZES), `rate` (index of RATES).
 * @typedef {{ distance: number, slot: number, luma: number, chroma: number, size: number, rate: number }} PictureHeader
 */

/** @type {Readonly<PictureHeader>} */
export const USUAL = Object.freeze({ distance: 0, slot: 0, luma: 3, chroma: 3, size: 0, rate: 0 });

/** @param {PictureHeader} header */
export const sideOf = (header) => SIZES[header.size];

/** Quantiser steps of Y, Cb, Cr. @param {PictureHeader} header */
export const stepsOf = (header) => [STEPS[header.luma], STEPS[header.chroma], STEPS[header.chroma]];

/** @type {Record<keyof PictureHeader, number>} */
const LIMITS = {
  distance: DISTANCE_MAX,
  slot: SLOTS - 1,
  luma: STEPS.length - 1,
  chroma: STEPS.length - 1,
  size: SIZES.length - 1,
  rate: RATES.length - 1,
};
const FIELDS = /** @type {(keyof PictureHeader)[]} */ (Object.keys(LIMITS));

/** Throws {@link SyntaxLimitError} if a field is out of range. @param {PictureHeader} header */
export function checkHeader(header) {
  if (FIELDS.some((name) => !Number.isInteger(header[name]) || header[name] < 0 || header[name] > LIMITS[name])) {
    throw new SyntaxLimitError(`${JSON.stringify(header)} has a field out of range`);
  }
}

/** @param {PictureHeader} a @param {PictureHeader} b */
const same = (a, b) => FIELDS.every((name) => a[name] === b[name]);

/**
 * Code how many pictures back the reference is, in unary.
 * @param {import("./rangecoder.js").Coder} coder
 * @param {number} distance
 */
export function codeDistance(coder, distance) {
  for (let i = 0; i < DISTANCE_MAX; i += 1) {
    if (!coder.code(ZERO[DISTANCE_AT + i], distance > i ? 1 : 0)) return i;
  }
  return DISTANCE_MAX;
}

/**
 * Code the fields other than the distance, unless they equal those of `before`, the reference's header. `header`: what to
 * write; a decoder passes one that has the distance. Throws {@link SyntaxLimitError}.
 * @param {import("./rangecoder.js").Coder} coder @param {PictureHeader} header @param {PictureHeader} before
 * @returns {PictureHeader}
 */
export function codeRest(coder, header, before) {
  const like = { ...before, distance: header.distance };
  if (!coder.code(ZERO[PLAIN_AT], same(header, like) ? 0 : 1)) return like;
  let coarser = header.luma - like.luma;
  const moved = { ...like, luma: like.luma + coarser, chroma: like.chroma + coarser };
  /** @type {PictureHeader} */
  let found;
  if (coder.codeEqual(!same(header, moved) || coarser < -8 || coarser >= 8 ? 1 : 0, 1)) {
    const [slot, luma, chroma] = [header.slot, header.luma, header.chroma].map((value) => coder.codeEqual(value, 4));
    found = {
      distance: header.distance,
      slot,
      luma,
      chroma,
      size: coder.codeEqual(header.size, 2),
      rate: coder.codeEqual(header.rate, 3),
    };
  } else {
    coarser = coder.codeEqual(coarser + 8, 4) - 8;
    found = { ...like, luma: like.luma + coarser, chroma: like.chroma + coarser };
  }
  checkHeader(found);
  return found;
}
