// The face's shape from bundles to frames: decoded when it arrives, assigned to frames when its tick is due.

import { movements } from "../codec/shape/basis.js";
import { framesOf, interpolate, ShapeDecoder } from "../codec/shape/shape.js";
import { networkPoints } from "../models/shape_points.js";

/** A shape waits for its tick until its number is further than this from the newest. */
const KEPT = 64;

/** @typedef {import("../codec/shape/shape.js").Shape} Shape */
/**
 * A frame's shape as the network takes it: the keyframe's points and its own (2, 54, 2); null if they are unknown.
 * @typedef {Float32Array | null} FrameShape
 */

/** One stream's shapes on the receiving side. */
export class ShapeTrack {
  #decoder = new ShapeDecoder();
  /** The keyframes' points, in pixels. @type {Map<number, Float32Array | null>} */
  #points = new Map();
  /** @type {Map<number, Shape>} */
  #waiting = new Map();
  /** Where the next tick's movement begins. @type {Shape | null} */
  #before = null;
  /** The shape that a lost tick shows. @type {Shape | null} */
  #held = null;
  /** Where the next tick begins and ends, if it has no bundle. @type {{ middle: number[], shape: Shape } | null} */
  #pending = null;

  /** `points` (54, 2) of the keyframe's face; null if it has none. @param {number} slot @param {Float32Array | null} points */
  setKeyframe(slot, points) {
    this.#points.set(slot, points);
  }

  /** Nothing is shown for a while. */
  reset() {
    this.#before = this.#held = this.#pending = null;
  }

  /**
   * The shape that came with picture `number`, which was decoded. Throws {@link CodecError} or a subclass.
   * @param {number} number
   * @param {import("../codec/pictures/header.js").PictureHeader} header
   * @param {Uint8Array} data
   */
  arrived(number, header, data) {
    this.forget(number);
    this.#waiting.set(number, this.#decoder.decode(number, header, data));
    for (const old of this.#waiting.keys()) {
      const apart = (number - old) & 0xffff;
      if (apart > KEPT && apart < 0x10000 - KEPT) this.#waiting.delete(old);
    }
  }

  /** Picture `number` came without a shape: forget one of an earlier picture of this number. @param {number} number */
  forget(number) {
    this.#waiting.delete(number);
    this.#decoder.forget(number);
  }

  /**
   * The `count` frames of a tick. `bundle` null: lost or omitted; `decoded`: its picture could be decoded.
   * @param {import("../codec/bundle.js").Bundle | null} bundle @param {boolean} decoded @param {number} count @returns {FrameShape[]}
   */
  tick(bundle, decoded, count) {
    const pending = this.#pending;
    this.#pending = null;
    if (!bundle || !decoded) {
      if (bundle && !bundle.shape) this.#before = null;
      return this.#without(bundle ? null : pending, count);
    }
    const shape = this.#waiting.get(bundle.number) ?? null;
    this.#waiting.delete(bundle.number);
    const before = this.#before;
    this.#before = this.#held = shape;
    if (!shape) return new Array(count).fill(null);
    if (!bundle.pausing) return this.#shown(shape.slot, framesOf(shape, before, count));
    const start = before?.slot === shape.slot ? before.end : shape.end;
    const middle = start.map((value, i) => Math.floor((value + shape.end[i]) / 2));
    this.#pending = { middle, shape };
    return this.#shown(shape.slot, interpolate(start, middle, count));
  }

  /**
   * A tick without a bundle. If the previous bundle announced it, the movement continues to its end; otherwise the face stays
   * where it is.
   * @param {{ middle: number[], shape: Shape } | null} pending
   * @param {number} count
   * @returns {FrameShape[]}
   */
  #without(pending, count) {
    if (pending) {
      this.#before = null;
      this.#held = pending.shape; // the sender's interpolation restarts, too
      return this.#shown(pending.shape.slot, interpolate(pending.middle, pending.shape.end, count));
    }
    if (!this.#held) return new Array(count).fill(null);
    return this.#shown(this.#held.slot, new Array(count).fill(this.#held.end));
  }

  /** @param {number} slot @param {number[][]} values @returns {FrameShape[]} */
  #shown(slot, values) {
    const key = this.#points.get(slot);
    if (!key) return values.map(() => null);
    return values.map((row) => {
      const moved = movements(row);
      const out = new Float32Array(2 * key.length);
      out.set(networkPoints(key));
      out.set(networkPoints(key.map((place, i) => place + moved[i])), key.length);
      return out;
    });
  }
}
