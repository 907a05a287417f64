// Log-mel spectrogram: 80 bands, 25 ms window, 10 ms hop, 16 kHz (paper section 3.1.2).
//
// Frame `m` covers the samples [160 m − 400, 160 m): it ends at time m / 100 s, so everything up to a tick's end at t seconds
// is known once the sound up to t is.

import { RATE } from "../media/timing.js";

export const HOP = 160;
export const WINDOW = 400;
const FFT = 512;
export const BANDS = 80;
/** Mel frames given to the network for one video frame: 200 ms, as long as the five pictures. */
export const WINDOW_FRAMES = 20;
/** How many of them are after the video frame's own time. */
const LOOKAHEAD_FRAMES = 8;
/** Log-mel of silence. */
const SILENCE = -1;

const HANN = Float64Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (WINDOW - 1)));

/** By band: the first bin, and the weights from there on. */
const FILTERS = filterbank();

function filterbank() {
  const toMel = (/** @type {number} */ hz) => 2595 * Math.log10(1 + hz / 700);
  const [low, high] = [toMel(55), toMel(7600)];
  const edges = Array.from(
    { length: BANDS + 2 },
    (_, i) => 700 * (10 ** ((low + ((high - low) * i) / (BANDS + 1)) / 2595) - 1),
  );
  return Array.from({ length: BANDS }, (_, band) => {
    const [left, middle, right] = edges.slice(band, band + 3);
    const first = Math.ceil((left * FFT) / RATE);
    const weights = [];
    for (let bin = first; bin <= FFT / 2; bin += 1) {
      const hz = (bin * RATE) / FFT;
      const weight = Math.min((hz - left) / (middle - left), (right - hz) / (right - middle));
      if (weight <= 0 && hz >= right) break;
      weights.push(Math.max(0, weight));
    }
    return { first, weights };
  });
}

/** e^(-2πi k / 512), real and imaginary parts: the transform's twiddle factors. */
const COS = Float64Array.from({ length: FFT / 2 }, (_, k) => Math.cos((-2 * Math.PI * k) / FFT));
const SIN = Float64Array.from({ length: FFT / 2 }, (_, k) => Math.sin((-2 * Math.PI * k) / FFT));
/** Each index with its bits reversed. */
const REVERSED = Uint16Array.from({ length: FFT }, (_, i) => {
  let out = 0;
  for (let bit = 1; bit < FFT; bit *= 2) out = 2 * out + (i & bit ? 1 : 0);
  return out;
});

/** In place: the discrete Fourier transform of `re` + i `im`, 512 long, in the order of {@link REVERSED}. @param {Float64Array} re @param {Float64Array} im */
function fft(re, im) {
  for (let half = 1; half < FFT; half *= 2) {
    const stride = FFT / 2 / half;
    for (let k = 0; k < half; k += 1) {
      const c = COS[k * stride];
      const s = SIN[k * stride];
      for (let at = k; at < FFT; at += 2 * half) {
        const other = at + half;
        const r = re[other] * c - im[other] * s;
        const i = re[other] * s + im[other] * c;
        re[other] = re[at] - r;
        im[other] = im[at] - i;
        re[at] += r;
        im[at] += i;
      }
    }
  }
}

/**
 * Mono 16 kHz samples (n) in [-1, 1] → n / 160 + 1 rows of 80, about in [-1, 1]; the first is before the first sample.
 * @param {Float32Array} samples
 * @returns {Float32Array[]}
 */
export function logMel(samples) {
  const [re, im] = [new Float64Array(FFT), new Float64Array(FFT)];
  return Array.from({ length: Math.floor(samples.length / HOP) + 1 }, (_, row) => {
    const start = row * HOP - WINDOW;
    re.fill(0);
    im.fill(0);
    for (let i = Math.max(0, -start); i < WINDOW; i += 1) re[REVERSED[i]] = samples[start + i] * HANN[i];
    fft(re, im);
    return Float32Array.from(FILTERS, ({ first, weights }) => {
      const power = weights.reduce((sum, weight, i) => sum + weight * (re[first + i] ** 2 + im[first + i] ** 2), 0);
      return Math.min(Math.max((10 * Math.log10(Math.max(power, 1e-8)) + 80) / 50 - 1, -1), 2);
    });
  });
}

/**
 * The network's speech input (20, 80) around mel row `row`, when rows up to `newest` are known. Rows past it repeat it; rows
 * before the first are silence.
 * @param {Float32Array[]} mel @param {number} row @param {number} newest
 */
export function windowRows(mel, row, newest) {
  const out = new Float32Array(WINDOW_FRAMES * BANDS).fill(SILENCE);
  const last = Math.min(newest, mel.length - 1);
  for (let i = 0; i < WINDOW_FRAMES; i += 1) {
    const at = row + LOOKAHEAD_FRAMES + 1 - WINDOW_FRAMES + i;
    if (at >= 0 && last >= 0) out.set(mel[Math.min(at, last)], i * BANDS);
  }
  return out;
}
