// Making a tick's sound shorter or longer without changing its pitch: whole periods of the voice are cut out or repeated, as
// the time-scale modification in WebRTC's NetEq does; silence is cut or lengthened by as much as needed.

import { RATE } from "../media/timing.js";

/** Samples of the shortest and the longest period that is cut or repeated: 2.5 ms and 15 ms. */
const SHORTEST = RATE / 400;
const LONGEST = (RATE * 15) / 1000;
/** Correlation of two neighbouring periods from which one may replace both. */
const ALIKE = 0.8;
/** Root mean square of what counts as silence: −50 dB. */
const QUIET = 0.003;
/** Samples between two places that are tried. */
const HOP = 160;

/**
 * `sound`, longer or shorter by at most `change` samples (negative: shorter), as close to it as is possible inaudibly; the
 * same array if nothing fits. A change is made in several steps, each of one period; the ends stay as they are.
 * @param {Float32Array} sound @param {number} change
 */
export function fit(sound, change) {
  let left = Math.abs(change);
  while (left >= SHORTEST) {
    const found = step(sound, left, change < 0);
    if (!found) break;
    left -= Math.abs(found.length - sound.length);
    sound = found;
  }
  return sound;
}

/**
 * One period of at most `most` samples less or more; null if no two neighbours are alike.
 * @param {Float32Array} sound
 * @param {number} most
 * @param {boolean} shorter
 */
function step(sound, most, shorter) {
  const longest = Math.min(most, LONGEST);
  const overlap = LONGEST;
  const last = sound.length - longest - overlap;
  if (last < overlap) return null;
  let [quiet, least] = [0, Infinity];
  for (let place = 0; place <= last; place += HOP) {
    const energy = product(sound, place, place, overlap + longest);
    if (energy < least) [quiet, least] = [place, energy];
  }
  if (least <= QUIET ** 2 * (overlap + longest)) return splice(sound, quiet, longest, overlap, shorter);
  let [best, at, period] = [ALIKE, -1, 0];
  for (let place = 0; place <= last; place += HOP) {
    const here = product(sound, place, place, overlap);
    let ahead = product(sound, place + SHORTEST, place + SHORTEST, overlap);
    for (let lag = SHORTEST; lag <= longest; lag += 1) {
      const alike = product(sound, place, place + lag, overlap) / (Math.sqrt(here * Math.max(ahead, 0)) + 1e-9);
      if (alike > best) [best, at, period] = [alike, place, lag];
      ahead += sound[place + lag + overlap] ** 2 - sound[place + lag] ** 2;
    }
  }
  return at < 0 ? null : splice(sound, at, period, overlap, shorter);
}

/** @param {Float32Array} sound @param {number} a @param {number} b @param {number} count */
function product(sound, a, b, count) {
  let sum = 0;
  for (let i = 0; i < count; i += 1) sum += sound[a + i] * sound[b + i];
  return sum;
}

/**
 * Cross-fade from the sound at `at` to the sound a period later, or back.
 * @param {Float32Array} sound
 * @param {number} at
 * @param {number} period
 * @param {number} overlap
 * @param {boolean} shorter
 */
function splice(sound, at, period, overlap, shorter) {
  const out = new Float32Array(sound.length + (shorter ? -period : period));
  const begin = shorter ? at : at + period;
  out.set(sound.subarray(0, begin));
  for (let i = 0; i < overlap; i += 1) {
    const share = i / (overlap - 1);
    const [here, later] = [sound[at + i], sound[at + period + i]];
    out[begin + i] = shorter ? here + (later - here) * share : later + (here - later) * share;
  }
  out.set(sound.subarray(shorter ? at + period + overlap : at + overlap), begin + overlap);
  return out;
}
