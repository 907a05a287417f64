// Finds faces down to a twentieth of the picture's height, and keeps the one it has: where to look, and how closely.
//
// BlazeFace sees 128×128 pixels. In a whole picture of 1280×720 it misses faces below a quarter of the height; in parts of it
// it finds far smaller ones. The finder goes through the parts in turn while nobody is seen, and afterwards looks closely
// where the face was. models/face/finder.py gives the figures behind the constants.

import { part } from "../media/image.js";
import { centreOf } from "./detector.js";
import { regionAround } from "./landmarks.js";

/** Height of the smallest face that is looked for, as a share of the picture's shorter side. */
const SMALLEST = 0.05;
/** Side of a tile over the height of the smallest face in it. */
const TILE = 7;
/** Tiles searched in one picture; fewer than Python's eight, because a browser is slower. */
const TURN = 3;
/** Side of the square searched around a face that was seen before, over the face's height. */
const AROUND = 3.6;
/** The same for the second look, which confirms and measures a detection. */
const FRAMED = 2;
/** Height of a face over the longer side of the part searched, under which a second look confirms and measures it. */
const SURE = 1 / 4;
/** Probability that the face mesh must give a new face that is small, or that the detector is not certain of. */
const PROBABLE = 0.5;
/** The detector's score from which a large face needs no confirmation. */
const CERTAIN = 0.8;
/** Two detections that overlap by more than this share of the smaller one are one face. */
const SAME = 0.4;

/** @typedef {import("./detector.js").Detection} Detection */
/** @typedef {import("../media/image.js").Rgba} Rgba */

/** Intersection over union, and over the smaller one. @param {Detection} a @param {Detection} b */
function overlap(a, b) {
  const w = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (w <= 0 || h <= 0) return { union: 0, smaller: 0 };
  const sizes = [a.width * a.height, b.width * b.height];
  return { union: (w * h) / (sizes[0] + sizes[1] - w * h), smaller: (w * h) / Math.min(...sizes) };
}

/** @param {Detection} face @param {Detection | null} near */
const isSame = (face, near) => near !== null && overlap(face, near).smaller > SAME;

/**
 * Where tiles begin so that they cover `length` and neighbours share at least `shared`.
 * @param {number} length
 * @param {number} tile
 * @param {number} shared
 */
function starts(length, tile, shared) {
  if (length <= tile) return [0];
  const count = Math.ceil((length - shared) / (tile - shared));
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - tile)) / (count - 1)));
}

/**
 * Square parts such that every face of at least `smallest` pixels is whole in one of them. The largest come first; among equal
 * ones the middle, where people sit.
 * @param {number} width
 * @param {number} height
 * @param {number} smallest
 */
export function tiles(width, height, smallest) {
  /** @type {number[][]} */
  const out = [];
  let side = Math.max(width, height);
  while (side > 1.25 * TILE * smallest) {
    const seen = side / TILE; // the smallest face that is surely seen in parts of the previous size
    side = Math.max(Math.round(side / 2), Math.round(TILE * smallest));
    const shared = Math.min(Math.round(1.3 * seen), Math.floor(side / 2));
    const size = side;
    const level = starts(height, size, shared).flatMap((y) => starts(width, size, shared).map((x) => [x, y, size]));
    const off = (/** @type {number[]} */ [x, y]) => Math.abs(x + size / 2 - width / 2) + Math.abs(y + size / 2 - height / 2);
    out.push(...level.sort((a, b) => off(a) - off(b)));
  }
  return out;
}

/** The faces, each once, tallest first: of two detections of one face the larger is whole. @param {Detection[]} faces */
function distinct(faces) {
  /** @type {Detection[]} */
  const kept = [];
  for (const face of faces.sort((a, b) => b.height - a.height)) {
    if (kept.every((other) => overlap(face, other).smaller <= SAME)) kept.push(face);
  }
  return kept;
}

/** Looks for faces in the pictures of one stream, in order, about five times a second. */
export class FaceFinder {
  #detector;
  #mesh;
  /** @type {number[][]} */
  #turn = [];
  #size = "";

  /** @param {import("./detector.js").BlazeFace} detector @param {import("./landmarks.js").FaceMesh} mesh */
  constructor(detector, mesh) {
    this.#detector = detector;
    this.#mesh = mesh;
  }

  /**
   * Faces found in the whole picture, and the one at `near`, where a face was before; if there are none, those in the next few
   * tiles.
   * @param {Rgba} image
   * @param {Detection | null} near
   */
  async find(image, near) {
    /** @type {Detection[]} */
    let found = [];
    for (const face of await this.#whole(image)) {
      if (face.score >= CERTAIN || isSame(face, near) || (await this.#isFace(image, face))) found.push(face);
    }
    if (near && !found.some((face) => isSame(face, near))) {
      const again = await this.#closer(image, near, AROUND);
      if (again) found = distinct([...found, again]);
    }
    return found.length ? found : this.#search(image);
  }

  /** @param {Rgba} image */
  async #whole(image) {
    const least = Math.max(image.width, image.height) * SURE;
    const found = [];
    for (const face of await this.#detector.detect(image)) {
      const sure = face.height >= least ? face : await this.#closer(image, face, FRAMED);
      if (sure) found.push(sure);
    }
    return found;
  }

  /** @param {Rgba} image */
  async #search(image) {
    const { width, height } = image;
    if (!this.#turn.length || this.#size !== `${width}x${height}`) {
      this.#size = `${width}x${height}`;
      this.#turn = tiles(width, height, Math.min(width, height) * SMALLEST);
    }
    const seen = [];
    for (const [x, y, side] of this.#turn.splice(0, TURN)) seen.push(...(await this.#look(image, x, y, side)));
    const found = [];
    for (const face of distinct(seen)) {
      const closer = await this.#closer(image, face, FRAMED);
      if (closer && (await this.#isFace(image, closer))) found.push(closer);
    }
    return found;
  }

  /**
   * Faces in a part of the picture.
   * @param {Rgba} image
   * @param {number} x
   * @param {number} y
   * @param {number} side
   * @returns {Promise<Detection[]>}
   */
  async #look(image, x, y, side) {
    const [left, top] = [Math.max(x, 0), Math.max(y, 0)];
    const [width, height] = [Math.min(x + side, image.width) - left, Math.min(y + side, image.height) - top];
    if (width < 2 || height < 2) return [];
    const faces = await this.#detector.detect(part(image, left, top, width, height));
    return faces.map((face) => ({ ...face, x: face.x + left, y: face.y + top }));
  }

  /**
   * `face` as it is found in a square around it, `share` times as high; null if it is not found there.
   * @param {Rgba} image
   * @param {Detection} face
   * @param {number} share
   */
  async #closer(image, face, share) {
    const side = Math.max(2, Math.round(face.height * share));
    const [x, y] = centreOf(face);
    const found = await this.#look(image, Math.round(x - side / 2), Math.round(y - side / 2), side);
    const same = found.filter((other) => overlap(other, face).smaller > SAME);
    return same.sort((a, b) => overlap(b, face).union - overlap(a, face).union)[0] ?? null;
  }

  /** @param {Rgba} image @param {Detection} face */
  async #isFace(image, face) {
    return (await this.#mesh.within(image, regionAround(face))).probability >= PROBABLE;
  }
}
