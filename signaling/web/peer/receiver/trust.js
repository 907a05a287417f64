// How far a drawn picture is supported by what was sent: made small again, it must be the 8×8 picture.
//
// A network can draw a face that isn't there; the 8×8 picture is what the camera really saw. Where the two part, the viewer
// should know. High consistency doesn't prove the fine detail, of which 8×8 pixels say nothing: that comes from the keyframe.

const SIDE = 256;
const SMALL = 8;
/** Where the scale ends: less than a tenth of a grey level of error. */
const BEST_DB = 68;

/**
 * PSNR in dB, at most 68, of a frame (RGBA 256×256) averaged to 8×8 against the sent picture (64 pixels of red, green, blue).
 * @param {ArrayLike<number>} rgba
 * @param {ArrayLike<number>} small
 */
export function consistency(rgba, small) {
  const block = SIDE / SMALL;
  const sums = new Float64Array(3 * SMALL * SMALL);
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const at = 3 * (Math.floor(y / block) * SMALL + Math.floor(x / block));
      for (let c = 0; c < 3; c += 1) sums[at + c] += rgba[4 * (y * SIDE + x) + c];
    }
  }
  const error = sums.reduce((total, sum, i) => total + (sum / block ** 2 - small[i]) ** 2, 0) / sums.length;
  return Math.min(BEST_DB, 10 * Math.log10(255 ** 2 / Math.max(error, 1e-3)));
}
