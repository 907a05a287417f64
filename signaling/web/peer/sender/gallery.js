// The keyframes that this side has made, by slot, and which of them the peer is known to hold.

import { same } from "../codec/control.js";
import { SLOTS } from "../codec/pictures/header.js";
import { sample } from "../codec/pictures/sampling.js";
import { SIDE } from "../models/crop.js";

/** @typedef {import("../codec/keyframe.js").Keyframe} Keyframe */
/**
 * What a stream knows of keyframes: the keyframes by slot, the slots that the peer holds, the one in use, and whether another
 * may be sent now.
 * @typedef {{ keyframes: Map<number, Keyframe>, slots: Set<number>, current: number | null, maySend: boolean }} Held
 */

/**
 * The slot whose 8×8 picture is most like that of a picture of 256×256; null without keyframes.
 * @param {import("../media/image.js").Rgba} image
 * @param {Iterable<[number, Keyframe]>} keyframes
 */
export function nearest(image, keyframes) {
  const small = sample(image.data, SIDE).ycbcr;
  /** @type {number | null} */
  let best = null;
  let least = Number.POSITIVE_INFINITY;
  for (const [slot, { thumbnail }] of keyframes) {
    const apart = small.reduce((sum, value, i) => sum + Math.abs(value - thumbnail.ycbcr[i]), 0);
    if (apart < least) [best, least] = [slot, apart];
  }
  return best;
}

/** Sixteen slots. A slot is given to a new keyframe when it is free, or else when it was used longest ago. */
export class Gallery {
  /** @type {Map<number, Keyframe>} */
  keyframes = new Map();
  /** Slots whose keyframe the peer has confirmed. @type {Set<number>} */
  held = new Set();
  /** The slot used longest ago first. @type {number[]} */
  #order = [];

  /**
   * Keep a keyframe; returns its slot, never `current`. Until {@link confirm} is called the peer is assumed not to have it.
   * @param {Keyframe} keyframe @param {number | null} current
   */
  add(keyframe, current) {
    let slot = Array.from({ length: SLOTS }, (_, i) => i).find((i) => !this.keyframes.has(i));
    slot ??= /** @type {number} */ (this.#order.find((i) => i !== current));
    this.keyframes.set(slot, keyframe);
    this.held.delete(slot);
    this.used(slot);
    return slot;
  }

  /** A picture refers to the slot: it is the last to be reused. @param {number} slot */
  used(slot) {
    if (this.#order[this.#order.length - 1] !== slot) this.#order = [...this.#order.filter((i) => i !== slot), slot];
  }

  /**
   * The peer holds this keyframe in this slot; false if the slot has another by now, or none.
   * @param {number} slot @param {Uint8Array} digest
   */
  confirm(slot, digest) {
    const keyframe = this.keyframes.get(slot);
    if (!keyframe || !same(keyframe.digest, digest)) return false;
    this.held.add(slot);
    return true;
  }

  /** The peer may have restarted: it has to confirm again what it holds. */
  reconnected() {
    this.held.clear();
  }
}
