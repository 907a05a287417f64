// How far a rendered frame is supported by what was sent: scaled down to 8×8, it should match the sent picture.
//
// A network can render a face that isn't there; the 8×8 picture is what the camera really saw. If the two differ, the viewer
// should know. High consistency doesn't prove the fine detail, which 8×8 pixels cannot show: that comes from the keyframe.

import { averaged } from "./small_pictures.js";

/** The end of the scale: less than a tenth of a grey level of error. */
const BEST_DB = 68;

/**
 * PSNR in dB, at most 68, of a frame (RGBA 256×256) averaged to 8×8 against the sent picture (64 pixels of red, green, blue).
 * @param {ArrayLike<number>} rgba
 * @param {ArrayLike<number>} small
 */
export function consistency(rgba, small) {
  const drawn = averaged(rgba);
  const pixels = drawn.length / 3;
  const error =
    drawn.reduce((sum, value, i) => sum + (value - small[3 * (i % pixels) + Math.floor(i / pixels)]) ** 2, 0) / drawn.length;
  return Math.min(BEST_DB, 10 * Math.log10(255 ** 2 / Math.max(error, 1e-3)));
}
