// Which of the pictures seen becomes the keyframe: the one most like all of them, and sharp, frontal, eyes open.

import { sample } from "../codec/pictures/sampling.js";
import { SIDE } from "../models/crop.js";
import { eyeOpening, frontality, regionAround } from "../models/landmarks.js";
import { pixelsOf } from "../models/shape_points.js";

const NO_FACE = 0.1;
/** Candidates that are kept: five seconds of ticks of 200 ms. */
const KEPT = 25;
/** Side of the small pictures by which light and place are compared. */
const SMALL = 16;
/** Unlikeness added for a candidate without a face, in pixels: more than a head moves within a scene. */
const FAR = 60;
/** Exponent of the quality, as in sender/keyframes/choice.py. */
const WEIGHT = 0.25;

/** @typedef {import("../media/image.js").Rgba} Rgba */
/**
 * A crop that was examined. Sharpness and eyes are compared within one choice. `small`: its picture, 16×16; `points`: its
 * face's 54, in pixels, null without a face.
 * @typedef {{
 *   image: Rgba, sharpness: number, frontal: number, eyes: number, face: number, small: ArrayLike<number>,
 *   points: Float32Array | null,
 * }} Candidate
 */

/** Root mean square of the Laplacian of the picture's middle. @param {Rgba} image 256×256 */
function sharpnessOf({ data, width }) {
  const grey = (/** @type {number} */ x, /** @type {number} */ y) => {
    const at = 4 * (y * width + x);
    return 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
  };
  let [sum, squares, count] = [0, 0, 0];
  for (let y = 49; y < 223; y += 1) {
    for (let x = 49; x < 207; x += 1) {
      const value = grey(x - 1, y) + grey(x + 1, y) + grey(x, y - 1) + grey(x, y + 1) - 4 * grey(x, y);
      sum += value;
      squares += value * value;
      count += 1;
    }
  }
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
}

/** @param {number} count @param {(i: number) => number} value */
function mean(count, value) {
  let sum = 0;
  for (let i = 0; i < count; i += 1) sum += value(i);
  return sum / count;
}

/**
 * How badly `a` would show `b`: how far the face's points are apart, in pixels, plus the small pictures, in levels, on average.
 * @param {Candidate} a @param {Candidate} b
 */
function unlike(a, b) {
  const apart = mean(a.small.length, (i) => Math.abs(a.small[i] - b.small[i]));
  const [p, q] = [a.points, b.points];
  if (!p) return apart + FAR;
  return q ? apart + mean(p.length / 2, (i) => Math.hypot(p[2 * i] - q[2 * i], p[2 * i + 1] - q[2 * i + 1])) : apart;
}

/**
 * Collects candidate crops and names the best; the oldest are forgotten. One without a face is used only when there is no other.
 */
export class KeyframeChoice {
  #detector;
  #mesh;
  /** @type {Candidate[]} */
  #candidates = [];
  tried = 0;

  /** @param {import("../models/detector.js").BlazeFace} detector @param {import("../models/landmarks.js").FaceMesh} mesh */
  constructor(detector, mesh) {
    this.#detector = detector;
    this.#mesh = mesh;
  }

  /** Examine a crop of 256×256, and remember it. @param {Rgba} image */
  async add(image) {
    const [face] = await this.#detector.detect(image);
    /** @type {Candidate} */
    const candidate = {
      image,
      sharpness: sharpnessOf(image),
      frontal: 0,
      eyes: 0,
      face: NO_FACE,
      small: sample(image.data, SIDE, SMALL).ycbcr,
      points: null,
    };
    if (face) {
      const { points, probability } = await this.#mesh.within(image, regionAround(face));
      candidate.frontal = frontality(points);
      candidate.eyes = eyeOpening(points);
      candidate.face = 0.3 + 0.7 * probability;
      candidate.points = pixelsOf(points);
    }
    this.#candidates = [...this.#candidates, candidate].slice(-KEPT);
    this.tried += 1;
  }

  /** Whether any candidate shows a face. */
  get hasFace() {
    return this.#candidates.some(({ face }) => face > NO_FACE);
  }

  get empty() {
    return !this.#candidates.length;
  }

  /** The best crop so far; there must be one. */
  best() {
    const all = this.#candidates;
    const sharpest = Math.max(...all.map(({ sharpness }) => sharpness), 1e-6);
    const widest = Math.max(...all.map(({ eyes }) => eyes), 1e-6);
    const merits = all.map((c) => {
      const eyes = Math.min(Math.max((c.eyes / widest - 0.55) / 0.3, 0.1), 1);
      const quality = (c.sharpness / sharpest) * (0.3 + c.frontal) * eyes * c.face;
      return quality ** WEIGHT / (1 + mean(all.length, (i) => unlike(c, all[i])));
    });
    return all[merits.indexOf(Math.max(...merits))].image;
  }
}
