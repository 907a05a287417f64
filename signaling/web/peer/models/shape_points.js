// Which points of the face mesh describe the position of mouth, lids and head.

const OUTER_LIPS = [61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91];
const INNER_LIPS_ABOVE = [78, 81, 13, 311, 308];
const INNER_LIPS_BELOW = [402, 14, 178];
const LIDS_ABOVE = [160, 159, 158, 387, 386, 385];
const LIDS_BELOW = [144, 145, 153, 373, 374, 380];
const EYE_CORNERS = [33, 133, 263, 362];
const BROWS = [70, 105, 107, 300, 334, 336];
const NOSE = [1, 168, 98, 327];
const OUTLINE = [10, 152, 234, 454, 172, 397, 103, 332];

/** Index of each of the points among the mesh's 468. */
export const MESH = [
  OUTER_LIPS,
  INNER_LIPS_ABOVE,
  INNER_LIPS_BELOW,
  LIDS_ABOVE,
  LIDS_BELOW,
  EYE_CORNERS,
  BROWS,
  NOSE,
  OUTLINE,
].flat();

/** Mesh points (468, 2) → the 54 that are coded, (54, 2). @param {Float32Array} mesh */
export function pixelsOf(mesh) {
  return Float32Array.from(MESH.flatMap((i) => [mesh[2 * i], mesh[2 * i + 1]]));
}

/** Points in pixels at 256×256 → in [-1, 1], as the network takes them. @param {ArrayLike<number>} pixels */
export function networkPoints(pixels) {
  return Float32Array.from(pixels, (place) => place / 128 - 1);
}
