// Decoded pictures as the network takes them: planes of 8×8, and the additional detail of a larger picture.

import { ycbcrToRgb } from "../codec/pictures/colour.js";
import { SIZE } from "../codec/pictures/sampling.js";

const DETAIL = 64;
/** Side of a frame. */
const FRAME = 256;
/** Pixels a side of a frame's block that becomes one pixel of the 8×8 picture. */
export const BLOCK = FRAME / SIZE;

/**
 * `small`: RGB planes (3, 8, 8) in [0, 1], averaged down as the sender does. `larger`: the picture itself as RGB planes, null
 * if it is 8×8.
 * @typedef {{ small: Float32Array, larger: { side: number, planes: Float32Array } | null }} NetworkPicture
 */

/** @param {import("../codec/pictures/planes.js").Picture} picture @returns {NetworkPicture} */
export function toNetwork({ side, ycbcr }) {
  const rgb = ycbcrToRgb(ycbcr);
  const planes = new Float32Array(rgb.length);
  for (let i = 0; i < side * side; i += 1) for (let c = 0; c < 3; c += 1) planes[c * side * side + i] = rgb[3 * i + c] / 255;
  if (side === SIZE) return { small: planes, larger: null };
  return { small: shrunk(planes, side), larger: { side, planes } };
}

/** Area average at 8×8. @param {Float32Array} planes @param {number} side */
function shrunk(planes, side) {
  const out = new Float32Array(3 * SIZE * SIZE);
  const scale = side / SIZE;
  for (let c = 0; c < 3; c += 1) {
    for (let i = 0; i < SIZE * SIZE; i += 1) {
      const [left, top] = [(i % SIZE) * scale, Math.floor(i / SIZE) * scale];
      let sum = 0;
      for (let y = Math.floor(top); y < top + scale; y += 1) {
        for (let x = Math.floor(left); x < left + scale; x += 1) {
          const wide = Math.min(x + 1, left + scale) - Math.max(x, left);
          const high = Math.min(y + 1, top + scale) - Math.max(y, top);
          sum += wide * high * planes[(c * side + y) * side + x];
        }
      }
      out[c * SIZE * SIZE + i] = sum / scale ** 2;
    }
  }
  return out;
}

/** Bilinear, pixel centres half a pixel in. @param {Float32Array} planes @param {number} side */
function enlarged(planes, side) {
  const out = new Float32Array(3 * DETAIL * DETAIL);
  const places = Array.from({ length: DETAIL }, (_, i) => {
    const place = Math.min(Math.max(((i + 0.5) * side) / DETAIL - 0.5, 0), side - 1);
    const low = Math.floor(place);
    return { low, high: Math.min(low + 1, side - 1), share: place - low };
  });
  for (let c = 0; c < 3; c += 1) {
    const at = (/** @type {number} */ y, /** @type {number} */ x) => planes[(c * side + y) * side + x];
    for (const [y, v] of places.entries()) {
      for (const [x, u] of places.entries()) {
        const top = at(v.low, u.low) * (1 - u.share) + at(v.low, u.high) * u.share;
        const bottom = at(v.high, u.low) * (1 - u.share) + at(v.high, u.high) * u.share;
        out[(c * DETAIL + y) * DETAIL + x] = top * (1 - v.share) + bottom * v.share;
      }
    }
  }
  return out;
}

/**
 * The detail that a larger picture shows beyond the 8×8 one, (3, 64, 64).
 * @param {Float32Array} small
 * @param {Float32Array} planes
 * @param {number} side
 */
export function detailOf(small, planes, side) {
  const plain = enlarged(small, SIZE);
  return enlarged(planes, side).map((value, i) => value - plain[i]);
}

/** @param {Float32Array} a @param {Float32Array} b @param {number} share of the way from `a` to `b` */
export function between(a, b, share) {
  return a.map((value, i) => value + (b[i] - value) * share);
}

/**
 * The sent picture that a frame is rendered from: 64 pixels of red, green, blue.
 * @param {import("./tick_decoder.js").FrameInput} frame
 */
export function smallOf({ driven }) {
  const middle = 2 * 3 * SIZE * SIZE;
  return Uint8ClampedArray.from({ length: 192 }, (_, i) => driven.pictures[middle + (i % 3) * 64 + Math.floor(i / 3)] * 255);
}

/** A frame, RGBA 256×256, averaged to planes (3, 8, 8), in [0, 255]. @param {ArrayLike<number>} rgba */
export function averaged(rgba) {
  const out = new Float32Array(3 * SIZE * SIZE);
  for (let y = 0; y < FRAME; y += 1) {
    for (let column = 0; column < SIZE; column += 1) {
      let red = 0;
      let green = 0;
      let blue = 0;
      const from = 4 * (y * FRAME + column * BLOCK);
      for (let i = from; i < from + 4 * BLOCK; i += 4) {
        red += rgba[i];
        green += rgba[i + 1];
        blue += rgba[i + 2];
      }
      const at = Math.floor(y / BLOCK) * SIZE + column;
      out[at] += red;
      out[SIZE * SIZE + at] += green;
      out[2 * SIZE * SIZE + at] += blue;
    }
  }
  return out.map((sum) => sum / BLOCK ** 2);
}
