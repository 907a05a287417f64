// How unlike two pictures of a face look: cheap enough to be computed every second of a call.
//
// Gradient magnitude similarity (Xue et al., "Gradient Magnitude Similarity Deviation", IEEE TIP 2014, equation 4), its mean,
// at three scales.

const SIDE = 256;
const SCALES = [128, 64, 32];
/** Keeps flat areas from counting. */
const STABLE = 680;

/** @typedef {import("../media/image.js").Rgba} Rgba */

/** Whole levels of grey, as OpenCV rounds them. @param {Rgba} image 256×256 */
function greyOf({ data }) {
  const grey = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < grey.length; i += 1) {
    grey[i] = (data[4 * i] * 4899 + data[4 * i + 1] * 9617 + data[4 * i + 2] * 1868 + 8192) >> 14;
  }
  return grey;
}

/** Area average. @param {Float32Array} grey 256×256 @param {number} side a divisor of 256 */
function shrunk(grey, side) {
  const out = new Float32Array(side * side);
  const scale = SIDE / side;
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) out[Math.floor(y / scale) * side + Math.floor(x / scale)] += grey[y * SIDE + x];
  }
  return out.map((sum) => sum / scale ** 2);
}

/** Length of the gradient (Sobel, 3×3); beyond the border the picture is mirrored. @param {Float32Array} grey @param {number} side */
function slope(grey, side) {
  const inside = (/** @type {number} */ place) => (place < 0 ? 1 : place < side ? place : side - 2);
  const edge = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ c) => grey[a] + 2 * grey[b] + grey[c];
  return grey.map((_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    const [left, right] = [inside(x - 1), inside(x + 1)];
    const [above, here, below] = [inside(y - 1) * side, y * side, inside(y + 1) * side];
    const across = edge(above + right, here + right, below + right) - edge(above + left, here + left, below + left);
    const down = edge(below + left, below + x, below + right) - edge(above + left, above + x, above + right);
    return Math.hypot(across, down);
  });
}

/** 0 for the same picture, towards 1 for nothing alike. @param {Rgba} a 256×256 @param {Rgba} b 256×256 */
export function distance(a, b) {
  const greys = [greyOf(a), greyOf(b)];
  let total = 0;
  for (const side of SCALES) {
    const [x, y] = greys.map((grey) => slope(shrunk(grey, side), side));
    const alike = x.reduce((sum, u, i) => sum + (2 * u * y[i] + STABLE) / (u * u + y[i] * y[i] + STABLE), 0);
    total += 1 - alike / x.length;
  }
  return total / SCALES.length;
}
