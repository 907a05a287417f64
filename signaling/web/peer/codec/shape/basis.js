// The directions in which a face's points move relative to the keyframe's, and what a shape's coefficients mean.
//
// Principal components of such movements, learnt on the training people with lips weighted twice and lids three times. A
// point is x, y within the crop of 256×256 pixels. The table is in 1024ths of a pixel for each unit of a coefficient.

import { TABLE } from "./basis_table.js";

/** Points of the face mesh that are coded; docs/format.md lists them. */
export const POINTS = 54;
export const COEFFICIENTS = 16;
const SCALE = 1024;
/** How many of the points are on the lips; those on the lids follow. */
const LIPS = 20;
const LIDS = 12;
/** How much an error at each point counts. */
const WEIGHTS = Float32Array.from({ length: POINTS }, (_, i) => (i < LIPS ? 2 : i < LIPS + LIDS ? 3 : 1));

/** Movements (54, 2) in pixels → the 16 coefficients that describe them best, not rounded. @param {ArrayLike<number>} moved */
export function coefficients(moved) {
  return Float32Array.from(TABLE, (row) =>
    row.reduce((sum, value, i) => sum + (value / SCALE) * WEIGHTS[i >> 1] ** 2 * moved[i], 0),
  );
}

/**
 * 16 whole coefficients → movements (54, 2) in pixels. Exact in integers before the division.
 * @param {ArrayLike<number>} values
 */
export function movements(values) {
  return Float32Array.from(
    { length: 2 * POINTS },
    (_, i) => TABLE.reduce((sum, row, k) => sum + row[i] * values[k], 0) / SCALE,
  );
}
