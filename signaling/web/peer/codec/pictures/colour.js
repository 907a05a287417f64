// Colour conversion between 8-bit RGB and full-range BT.601 YCbCr (JFIF), in integers only: every machine gives the same
// bytes. Source: ITU-T T.871 (JFIF), section 7.

const HALF = 1 << 15;

/** @param {number} value */
const clip = (value) => (value < 0 ? 0 : Math.min(value, 255));

/** RGB, three bytes a pixel → YCbCr in the same layout, chroma centred on 128. @param {ArrayLike<number>} rgb */
export function rgbToYcbcr(rgb) {
  const out = new Uint8Array(rgb.length);
  for (let i = 0; i < rgb.length; i += 3) {
    const [r, g, b] = [rgb[i], rgb[i + 1], rgb[i + 2]];
    out[i] = clip((19595 * r + 38470 * g + 7471 * b + HALF) >> 16);
    out[i + 1] = clip(((-11059 * r - 21709 * g + 32768 * b + HALF) >> 16) + 128);
    out[i + 2] = clip(((32768 * r - 27439 * g - 5329 * b + HALF) >> 16) + 128);
  }
  return out;
}

/** YCbCr → RGB; the inverse of {@link rgbToYcbcr} to within rounding. @param {ArrayLike<number>} ycbcr */
export function ycbcrToRgb(ycbcr) {
  const out = new Uint8Array(ycbcr.length);
  for (let i = 0; i < ycbcr.length; i += 3) {
    const [y, cb, cr] = [ycbcr[i] << 16, ycbcr[i + 1] - 128, ycbcr[i + 2] - 128];
    out[i] = clip((y + 91881 * cr + HALF) >> 16);
    out[i + 1] = clip((y - 22554 * cb - 46802 * cr + HALF) >> 16);
    out[i + 2] = clip((y + 116130 * cb + HALF) >> 16);
  }
  return out;
}
