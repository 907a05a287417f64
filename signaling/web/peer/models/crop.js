// The square part of the camera's picture that is sent.

import { resize, square } from "../media/image.js";
import { centreOf } from "./detector.js";

export const SIDE = 256;
/** Crop side over detected face height, the median of the clips that the networks were trained on. */
export const SCALE = 1.97;
/** Height of the face's centre in the crop, from its top, as a share of the side: the median of the same clips. */
export const ABOVE = 0.567;

/** @typedef {import("../media/image.js").Rgba} Rgba */

/** In pixels of the picture; may reach outside it. */
export class Crop {
  /** @param {number} x @param {number} y @param {number} side */
  constructor(x, y, side) {
    this.x = x;
    this.y = y;
    this.side = side;
  }

  /** The crop that frames a face as the training clips do. @param {import("./detector.js").Detection} face */
  static around(face) {
    const side = face.height * SCALE;
    const [x, y] = centreOf(face);
    return new Crop(x - side / 2, y - side * ABOVE, side);
  }

  /** The largest centred square, shown until a face is first seen. @param {Rgba} image */
  static whole({ width, height }) {
    const side = Math.min(width, height);
    return new Crop((width - side) / 2, (height - side) / 2, side);
  }

  /** Pixels of the picture in one of the crop's. */
  get scale() {
    return this.#whole / SIDE;
  }

  get #whole() {
    return Math.max(2, Math.round(this.side));
  }

  /** The crop at 256×256; outside the picture its border is repeated. @param {Rgba} image */
  cut(image) {
    return resize(square(image, Math.round(this.x), Math.round(this.y), this.#whole), SIDE, SIDE);
  }

  /** Points of the picture, in pixels → where {@link cut} puts them. @param {Float32Array} points */
  inside(points) {
    const corner = [Math.round(this.x), Math.round(this.y)];
    return points.map((place, i) => (place + 0.5 - corner[i & 1]) / this.scale - 0.5);
  }

  /** Inverse of {@link inside}. @param {Float32Array} points */
  outside(points) {
    const corner = [Math.round(this.x), Math.round(this.y)];
    return points.map((place, i) => (place + 0.5) * this.scale + corner[i & 1] - 0.5);
  }

  /** @param {Crop} other @param {number} share of the way */
  towards(other, share) {
    const way = (/** @type {number} */ a, /** @type {number} */ b) => a + (b - a) * share;
    return new Crop(way(this.x, other.x), way(this.y, other.y), way(this.side, other.side));
  }
}
