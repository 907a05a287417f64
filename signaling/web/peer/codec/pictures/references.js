// What pictures may be predicted from: keyframes' own pictures by slot, and the newest pictures by number.

import { ReferenceMissingError, SyntaxLimitError } from "../errors.js";
import { SIZES, SLOTS, sideOf, USUAL } from "./header.js";

/** Pictures remembered: the 15 that a header reaches back, and as many again for those that arrive out of order. */
export const KEPT = 32;

/** @typedef {import("./planes.js").Picture} Picture */
/** @typedef {import("./header.js").PictureHeader} PictureHeader */

/** Throws {@link SyntaxLimitError} for an invalid picture. @param {Picture} picture */
function check(picture) {
  if (!SIZES.includes(picture.side) || picture.ycbcr.length !== 3 * picture.side ** 2) {
    throw new SyntaxLimitError(
      `${picture.ycbcr.length} values of side ${picture.side} are no picture of side ${SIZES.join(", ")}`,
    );
  }
}

/**
 * The picture resized to another side, each pixel the nearest above and to the left: exact on every machine.
 * @param {Picture} picture @param {number} side @returns {Picture}
 */
export function resized(picture, side) {
  if (side === picture.side) return picture;
  const ycbcr = new Uint8Array(3 * side * side);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const from = Math.floor((y * picture.side) / side) * picture.side + Math.floor((x * picture.side) / side);
      ycbcr.set(picture.ycbcr.subarray(3 * from, 3 * from + 3), 3 * (y * side + x));
    }
  }
  return { side, ycbcr };
}

/** Both sides hold the same ones: what one has acknowledged, the other may refer to. */
export class References {
  constructor() {
    /** @type {Map<number, Picture>} */
    this.keyframes = new Map();
    /** @type {Map<number, { picture: Picture, header: PictureHeader }>} */
    this.pictures = new Map();
    /** @type {number | null} */
    this.newest = null;
  }

  /**
   * Throws {@link SyntaxLimitError} for a slot outside 0..15 or an `own` that is no picture.
   * @param {number} slot
   * @param {Picture} own
   */
  keepKeyframe(slot, own) {
    if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS)
      throw new SyntaxLimitError(`keyframe slot ${slot} is outside 0..${SLOTS - 1}`);
    check(own);
    this.keyframes.set(slot, own);
  }

  /**
   * Keep picture `number`. They may arrive in any order: a late one must not push out newer ones. One further back than those
   * kept counts as the newest, because after a long pause the count has wrapped.
   * @param {number} number @param {Picture} picture @param {PictureHeader} header
   */
  remember(number, picture, header) {
    if (this.newest === null || ((this.newest - number) & 0xffff) >= KEPT) this.newest = number;
    this.pictures.set(number, { picture, header });
    for (const old of this.pictures.keys()) {
      if (((this.newest - old) & 0xffff) >= KEPT) this.pictures.delete(old);
    }
  }

  /**
   * The header relative to which picture `number`'s own is coded. Throws {@link ReferenceMissingError}.
   * @param {number} number
   * @param {number} distance
   */
  headerBefore(number, distance) {
    return distance ? this.#back(number, distance).header : USUAL;
  }

  /**
   * The own picture of the header's keyframe, at its size. Throws {@link ReferenceMissingError}.
   * @param {PictureHeader} header
   */
  keyframe(header) {
    const own = this.keyframes.get(header.slot);
    if (!own) throw new ReferenceMissingError(`keyframe ${header.slot} is missing`);
    return resized(own, sideOf(header));
  }

  /**
   * What picture `number` is predicted from, at its size. Throws {@link ReferenceMissingError}.
   * @param {number} number
   * @param {PictureHeader} header
   */
  find(number, header) {
    const own = this.keyframe(header);
    return header.distance ? resized(this.#back(number, header.distance).picture, sideOf(header)) : own;
  }

  /** @param {number} number @param {number} distance */
  #back(number, distance) {
    const back = (number - distance) & 0xffff;
    const found = this.pictures.get(back);
    if (!found) throw new ReferenceMissingError(`picture ${number} needs picture ${back}`);
    return found;
  }
}
