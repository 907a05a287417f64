// A frame that the network hasn't rendered, warped from one that it has: the face moves as its points have moved, the light
// changes as the 8×8 picture has. It takes a small part of the network's work, so that a slow machine shows 25 FPS, too.
//
// Warping adds no detail: teeth that weren't visible in the rendered frame aren't visible in the warped one.

import { SIZE } from "../codec/pictures/sampling.js";
import { POINTS } from "../codec/shape/basis.js";
import { averaged, BLOCK } from "./small_pictures.js";

const SIDE = 256;
/** Cells a side in which the flow is found; between them it is interpolated. */
const CELLS = 32;
const CELL = SIDE / CELLS;
/** Pixels of movement that count as none. */
const LEAST = 0.02;
/** Standard deviation of a point's Gaussian weight, in half-sides of the picture. */
const WIDTH = 0.13;
/** Weight of no movement: what is far from all points stays where it is. */
const STILL = 0.6;
/** Seconds between a rendered frame and one warped from it, at most. */
export const FARTHEST = 2;

/** @typedef {import("../models/upsampler.js").Driven} Driven */
/** @typedef {Uint8ClampedArray<ArrayBuffer>} Rgba */

/**
 * For each of 256 pixels the two of `count` values around it, and the second one's share.
 * @param {number} count
 */
function between(count) {
  const [low, high] = [new Uint8Array(SIDE), new Uint8Array(SIDE)];
  const share = new Float32Array(SIDE);
  for (let i = 0; i < SIDE; i += 1) {
    const place = Math.min(Math.max(((i + 0.5) * count) / SIDE - 0.5, 0), count - 1);
    low[i] = Math.floor(place);
    high[i] = Math.min(low[i] + 1, count - 1);
    share[i] = place - low[i];
  }
  return { low, high, share };
}
const OF_CELLS = between(CELLS);
const OF_PICTURE = between(SIZE);

/** What to interpolate between. @typedef {ReturnType<typeof between>} Between */

/**
 * Row `y` of 256 out of a (count, count) grid enlarged to 256×256: its values at the grid's columns.
 * @param {Float32Array} grid
 * @param {Between} places
 * @param {number} y
 * @param {Float32Array} out
 */
function row(grid, { low, high, share }, y, out) {
  const [above, below] = [low[y] * out.length, high[y] * out.length];
  for (let i = 0; i < out.length; i += 1) out[i] = grid[above + i] + (grid[below + i] - grid[above + i]) * share[y];
}

/** Gaussian weights (54, 32) of the points' x (`axis` 0) or y. @param {Float32Array} points @param {number} axis */
function weights(points, axis) {
  const out = new Float32Array(POINTS * CELLS);
  for (let i = 0; i < out.length; i += 1) {
    const apart = (((i % CELLS) + 0.5) * 2) / CELLS - 1 - points[2 * Math.floor(i / CELLS) + axis];
    out[i] = Math.exp((apart * apart) / (-2 * WIDTH * WIDTH));
  }
  return out;
}

/**
 * Where each cell of the new frame comes from in the rendered one: offsets in x and y, (32, 32) each, in pixels.
 * @param {Float32Array} points the face's in the new frame, (54, 2) in [-1, 1]
 * @param {Float32Array} drawn in the rendered one
 */
function flow(points, drawn) {
  const [across, down] = [weights(points, 0), weights(points, 1)];
  const [x, y] = [new Float32Array(CELLS * CELLS), new Float32Array(CELLS * CELLS)];
  const total = new Float32Array(CELLS * CELLS).fill(STILL);
  for (let p = 0; p < POINTS; p += 1) {
    const [dx, dy] = [0, 1].map((axis) => ((drawn[2 * p + axis] - points[2 * p + axis]) * SIDE) / 2);
    for (let i = 0; i < CELLS * CELLS; i += 1) {
      const weight = down[p * CELLS + Math.floor(i / CELLS)] * across[p * CELLS + (i % CELLS)];
      total[i] += weight;
      x[i] += weight * dx;
      y[i] += weight * dy;
    }
  }
  for (let i = 0; i < total.length; i += 1) {
    x[i] /= total[i];
    y[i] /= total[i];
  }
  return { x, y };
}

/** `rgba` warped along the flow. @param {Rgba} rgba @param {{ x: Float32Array, y: Float32Array }} way */
function shifted(rgba, way) {
  const out = rgba.slice();
  const [from, to] = [new Uint32Array(rgba.buffer), new Uint32Array(out.buffer)];
  const [dx, dy] = [new Float32Array(CELLS), new Float32Array(CELLS)];
  const { low, high } = OF_CELLS;
  for (let y = 0; y < SIDE; y += 1) {
    row(way.x, OF_CELLS, y, dx);
    row(way.y, OF_CELLS, y, dy);
    // Up to 8 pixels lie between the same two cells.
    for (let x = 0, end = CELL / 2; x < SIDE; x = end, end = Math.min(x + CELL, SIDE)) {
      const a = low[x];
      const b = high[x];
      const most = Math.max(Math.abs(dx[a]), Math.abs(dx[b]), Math.abs(dy[a]), Math.abs(dy[b]));
      if (most > LEAST) piece(from, to, { y, x, end, fromX: dx[a], toX: dx[b], fromY: dy[a], toY: dy[b] });
    }
  }
  return out;
}

/**
 * Warp the pixels of row `y` from `x` up to `end`, over which the offset changes linearly.
 * @param {Uint32Array} from
 * @param {Uint32Array} to
 * @param {{ y: number, x: number, end: number, fromX: number, toX: number, fromY: number, toY: number }} part
 */
function piece(from, to, { y, x: first, end, fromX, toX, fromY, toY }) {
  const last = (SIDE - 1) * 256;
  const { share } = OF_CELLS;
  for (let x = first; x < end; x += 1) {
    // In 256ths of a pixel.
    const placeX = Math.min(Math.max(((x + fromX + (toX - fromX) * share[x]) * 256 + 0.5) | 0, 0), last);
    const placeY = Math.min(Math.max(((y + fromY + (toY - fromY) * share[x]) * 256 + 0.5) | 0, 0), last);
    const here = (placeY >> 8) * SIDE + (placeX >> 8);
    const right = placeX < last ? 1 : 0;
    const below = here + (placeY < last ? SIDE : 0);
    const u = placeX & 255;
    const v = placeY & 255;
    to[y * SIDE + x] = mixed(mixed(from[here], from[here + right], u), mixed(from[below], from[below + right], u), v);
  }
}

/**
 * Mix two pixels, `share` of 256 of the second, two colours at a time.
 * @param {number} a @param {number} b @param {number} share
 */
function mixed(a, b, share) {
  const rest = 256 - share;
  const even = (Math.imul(a & 0xff00ff, rest) + Math.imul(b & 0xff00ff, share) + 0x800080) >>> 8;
  const odd = (Math.imul((a >>> 8) & 0xff00ff, rest) + Math.imul((b >>> 8) & 0xff00ff, share) + 0x800080) | 0;
  return (even & 0xff00ff) | (odd & 0xff00ff00);
}

/** Add planes (3, 8, 8), enlarged, to a picture. @param {Rgba} rgba @param {Float32Array} planes */
function add(rgba, planes) {
  const { low, high, share } = OF_PICTURE;
  const values = new Float32Array(SIZE);
  for (let c = 0; c < 3; c += 1) {
    const plane = planes.subarray(c * SIZE * SIZE, (c + 1) * SIZE * SIZE);
    for (let y = 0; y < SIDE; y += 1) {
      row(plane, OF_PICTURE, y, values);
      // Up to 32 pixels lie between the same two values.
      for (let first = 0, end = BLOCK / 2; first < SIDE; first = end, end = Math.min(first + BLOCK, SIDE)) {
        const from = values[low[first]];
        const to = values[high[first]];
        if (Math.max(Math.abs(from), Math.abs(to)) < 0.5) continue;
        const at = 4 * y * SIDE + c;
        for (let x = first; x < end; x += 1) rgba[at + 4 * x] += from + (to - from) * share[x];
      }
    }
  }
}

/** Whether the face's points are known in both frames. @param {Driven} drawn @param {Driven} frame */
export const canWarp = (drawn, frame) => drawn.shape !== null && frame.shape !== null;

/** The 8×8 means of rendered frames, kept because several frames are warped from each. @type {WeakMap<Rgba, Float32Array>} */
const means = new WeakMap();

/**
 * The frame, RGBA 256×256, warped from `rgba`, which the network rendered from `drawn`. Both must have the face's points.
 * @param {Rgba} rgba
 * @param {Driven} drawn
 * @param {Driven} frame
 */
export function warpedFrame(rgba, drawn, frame) {
  if (!drawn.shape || !frame.shape) throw new Error("the face's points are not known");
  const out = shifted(rgba, flow(frame.shape.subarray(2 * POINTS), drawn.shape.subarray(2 * POINTS)));
  const before = means.get(rgba) ?? averaged(rgba);
  means.set(rgba, before);
  const after = averaged(out);
  const middle = 2 * before.length;
  const change = before.map((value, i) => value - after[i] + 255 * (frame.pictures[middle + i] - drawn.pictures[middle + i]));
  add(out, change);
  return out;
}
