// Pictures in memory: cropped, resized, rotated. Without a canvas, so that every browser gives the same result.

/**
 * `data`: red, green, blue, alpha of each pixel, row by row.
 * @typedef {{ width: number, height: number, data: Uint8ClampedArray | Uint8Array }} Rgba
 */

/** OpenCV's cubic kernel has this slope at 1. */
const SLOPE = -0.75;

/** Weights are whole numbers, in 2048ths: sums of pixels, weighted twice, fit into 32 bits. */
const BITS = 11;
/** Added to such a sum to round it. */
const HALF = 1 << (2 * BITS - 1);

/**
 * The input pixels of each output place, and their weights: those of place `i` are at `starts[i]` to `starts[i + 1]`.
 * @typedef {{ starts: Int32Array, from: Int32Array, weights: Int32Array }} Taps
 */

/** @type {Map<string, Taps>} */
const known = new Map();

/**
 * For each of `size` output places the contributing ones of `length` input pixels, and their weights: a mean for shrinking, a
 * cubic through four for enlarging. Places are those of OpenCV's INTER_AREA and INTER_CUBIC.
 * @param {number} length @param {number} size
 */
function taps(length, size) {
  const name = `${length} ${size}`;
  const found = known.get(name);
  if (found) return found;
  const scale = length / size;
  const starts = [0];
  /** @type {number[]} */
  const from = [];
  /** @type {number[]} */
  const weights = [];
  for (let i = 0; i < size; i += 1) {
    if (scale >= 1) {
      const [low, high] = [i * scale, (i + 1) * scale];
      for (let at = Math.floor(low); at < Math.min(Math.ceil(high - 1e-9), length); at += 1) {
        from.push(at);
        weights.push((Math.min(at + 1, high) - Math.max(at, low)) / scale);
      }
    } else {
      const place = (i + 0.5) * scale - 0.5;
      const first = Math.floor(place) - 1;
      for (let k = 0; k < 4; k += 1) {
        const far = Math.abs(place - first - k);
        const near = (SLOPE + 2) * far ** 3 - (SLOPE + 3) * far ** 2 + 1;
        const outer = SLOPE * (far ** 3 - 5 * far ** 2 + 8 * far - 4);
        from.push(Math.min(Math.max(first + k, 0), length - 1));
        weights.push(far <= 1 ? near : outer);
      }
    }
    starts.push(from.length);
  }
  const whole = Int32Array.from(weights, (weight) => Math.round(weight * 2 ** BITS));
  const made = { starts: Int32Array.from(starts), from: Int32Array.from(from), weights: whole };
  if (known.size > 64) known.clear(); // a crop's side changes slowly
  known.set(name, made);
  return made;
}

/** The whole picture at another size. @param {Rgba} image @param {number} width @param {number} height @returns {Rgba} */
export function resize(image, width, height) {
  if (width === image.width && height === image.height) return image;
  const times = image.width / width;
  if (Number.isInteger(times) && times === image.height / height) return shrunk(image, times);
  const [across, down] = [taps(image.width, width), taps(image.height, height)];
  const row = 4 * image.width;
  const sums = new Int32Array(row);
  const out = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y += 1) {
    sums.fill(0);
    for (let i = down.starts[y]; i < down.starts[y + 1]; i += 1)
      addTimes(sums, image.data, down.from[i] * row, down.weights[i]);
    resizedRow(sums, across, out, 4 * y * width);
  }
  return { width, height, data: out };
}

/**
 * Add a row of pixels, which begins at `first`, times `weight`.
 * @param {Int32Array} sums @param {Rgba["data"]} pixels @param {number} first @param {number} weight
 */
function addTimes(sums, pixels, first, weight) {
  for (let i = 0; i < sums.length; i += 1) sums[i] += Math.imul(weight, pixels[first + i]);
}

/**
 * Resize a row of weighted sums of pixels into `out`, from `at` on.
 * @param {Int32Array} sums @param {Taps} taps @param {Uint8ClampedArray} out @param {number} at
 */
function resizedRow(sums, { starts, from, weights }, out, at) {
  for (let i = 0, place = 1; place < starts.length; place += 1, at += 4) {
    let [r, g, b] = [HALF, HALF, HALF];
    for (; i < starts[place]; i += 1) {
      const pixel = 4 * from[i];
      r += Math.imul(weights[i], sums[pixel]);
      g += Math.imul(weights[i], sums[pixel + 1]);
      b += Math.imul(weights[i], sums[pixel + 2]);
    }
    out[at] = r >> (2 * BITS);
    out[at + 1] = g >> (2 * BITS);
    out[at + 2] = b >> (2 * BITS);
  }
}

/**
 * Each pixel is the mean of `times` × `times`: faster than {@link resize}.
 * @param {Rgba} image @param {number} times @returns {Rgba}
 */
function shrunk(image, times) {
  const [width, height] = [image.width / times, image.height / times];
  const out = new Uint8ClampedArray(width * height * 4).fill(255);
  const sums = new Uint32Array(3 * width);
  const { data } = image;
  for (let y = 0; y < height; y += 1) {
    sums.fill(0);
    let from = 4 * y * times * image.width;
    for (let row = 0; row < times; row += 1) {
      for (let at = 0; at < sums.length; at += 3) {
        let [r, g, b] = [0, 0, 0];
        for (let i = 0; i < times; i += 1, from += 4) {
          r += data[from];
          g += data[from + 1];
          b += data[from + 2];
        }
        sums[at] += r;
        sums[at + 1] += g;
        sums[at + 2] += b;
      }
    }
    const line = 4 * y * width;
    for (let i = 0; i < sums.length; i += 1) out[line + i + Math.floor(i / 3)] = sums[i] / (times * times);
  }
  return { width, height, data: out };
}

/**
 * A square part, which may reach outside: the picture's border is repeated there.
 * @param {Rgba} image @param {number} x @param {number} y @param {number} side in whole pixels @returns {Rgba}
 */
export function square(image, x, y, side) {
  const data = new Uint8ClampedArray(side * side * 4);
  const pixels = new Uint32Array(data.buffer);
  const from = new Uint32Array(image.data.buffer, image.data.byteOffset, image.width * image.height);
  const [left, right] = [Math.min(Math.max(-x, 0), side), Math.min(Math.max(image.width - x, 0), side)];
  for (let row = 0; row < side; row += 1) {
    const line = Math.min(Math.max(y + row, 0), image.height - 1) * image.width;
    const to = row * side;
    if (left < right) pixels.set(from.subarray(line + x + left, line + x + right), to + left);
    pixels.fill(from[line], to, to + left);
    pixels.fill(from[line + image.width - 1], to + right, to + side);
  }
  return { width: side, height: side, data };
}

/**
 * A part that lies within the picture.
 * @param {Rgba} image
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @returns {Rgba}
 */
export function part(image, x, y, width, height) {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let row = 0; row < height; row += 1) {
    const from = 4 * ((y + row) * image.width + x);
    data.set(image.data.subarray(from, from + 4 * width), 4 * row * width);
  }
  return { width, height, data };
}

/**
 * A rotated square, sampled at `size` × `size` pixels, as planes of red, green and blue in [0, 1]; bilinear, with the border
 * repeated outside. The square's corner is `x`, `y`; its rows run along (`ax`, `ay`), its columns along (`bx`, `by`).
 * @param {Rgba} image @param {{ x: number, y: number, ax: number, ay: number, bx: number, by: number }} square @param {number} size
 */
export function sampleSquare(image, { x, y, ax, ay, bx, by }, size) {
  const { width, height, data } = image;
  const out = new Float32Array(3 * size * size);
  const plane = size * size;
  for (let v = 0; v < size; v += 1) {
    for (let u = 0; u < size; u += 1) {
      const px = Math.min(Math.max(x + (u * ax + v * bx) / size, 0), width - 1);
      const py = Math.min(Math.max(y + (u * ay + v * by) / size, 0), height - 1);
      const [x0, y0] = [Math.floor(px), Math.floor(py)];
      const [fx, fy] = [px - x0, py - y0];
      const right = x0 + 1 < width ? 4 : 0;
      const below = y0 + 1 < height ? 4 * width : 0;
      const at = 4 * (y0 * width + x0);
      for (let c = 0; c < 3; c += 1) {
        const i = at + c;
        const top = data[i] + (data[i + right] - data[i]) * fx;
        const bottom = data[i + below] + (data[i + below + right] - data[i + below]) * fx;
        out[c * plane + v * size + u] = (top + (bottom - top) * fy) / 255;
      }
    }
  }
  return out;
}

/** Planes of red, green and blue in [0, 1]. @param {Rgba} image */
export function planes({ width, height, data }) {
  const count = width * height;
  const out = new Float32Array(3 * count);
  for (let i = 0; i < count; i += 1) {
    for (let c = 0; c < 3; c += 1) out[c * count + i] = data[4 * i + c] / 255;
  }
  return out;
}
