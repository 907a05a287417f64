// Bundles that wait for their tick: where the stream is, what comes next, and when it restarts. Stream times are in ms and
// mark the beginning of a tick.

import { TICK_MODES, TIME_UNIT } from "../codec/bundle.js";

/** Ticks that may wait to be played. */
const WAITING_MAX = 100;
/** Seconds after its time beyond which jitter doesn't explain a late bundle. */
const FAR_LATE = 1;
/** Seconds before its time, one tick not counted, beyond which jitter doesn't explain an early bundle. */
const FAR_EARLY = 1.5;
/** So many bundles in a row, each far off its time, mean that the sender paused or restarted. */
const FAR_COUNT = 3;

/** @typedef {import("../codec/bundle.js").Bundle} Bundle */

/** Fed with bundles as they arrive, emptied tick by tick. */
export class TickQueue {
  /** Where the next tick to be played begins; null while no stream has begun. @type {number | null} */
  next = null;
  /** When the newest bundle arrived, in seconds. */
  lastArrival = 0;
  /** Length in seconds of the newest bundle's tick. */
  arriving = 0.2;
  tickMs = 200;
  /** @type {Map<number, Bundle>} */
  #waiting = new Map();
  /** @type {number | null} */
  #last = null;
  #far = 0;

  get length() {
    return this.#waiting.size;
  }

  /** @param {number} at */
  has(at) {
    return this.#waiting.has(at);
  }

  /** Where a bundle's tick begins: its time field, which wraps, unfolded around the expected time. @param {Bundle} bundle */
  position(bundle) {
    if (this.#last === null) return bundle.time * TIME_UNIT;
    const expected = this.#last / TIME_UNIT;
    return (expected + (((bundle.time - expected + 0x8000) & 0xffff) - 0x8000)) * TIME_UNIT;
  }

  /**
   * Whether the last bundles, including this one, `off` seconds after its time, belong to a stream that has paused or
   * restarted.
   * @param {number} off
   * @param {number} tick its length in seconds
   */
  isNewStream(off, tick) {
    this.#far = off > FAR_LATE || off < -FAR_EARLY - tick ? this.#far + 1 : 0;
    return this.#far >= FAR_COUNT;
  }

  /** Take the next bundle as the first of a stream. */
  restart() {
    this.#waiting.clear();
    this.next = null;
    this.#far = 0;
  }

  /**
   * A bundle whose tick begins at `at` arrived; {@link put} keeps it.
   * @param {number} at
   * @param {Bundle} bundle
   * @param {number} now
   */
  arrived(at, bundle, now) {
    this.#last = at;
    this.lastArrival = now;
    this.arriving = TICK_MODES[bundle.tickMode] / 1000;
  }

  /** Let a bundle wait for its tick; false if that has been played already. @param {number} at @param {Bundle} bundle */
  put(at, bundle) {
    if (this.next === null) {
      this.next = at;
      this.tickMs = TICK_MODES[bundle.tickMode];
    }
    if (at < this.next) return false;
    this.#waiting.set(at, bundle);
    while (this.#waiting.size > WAITING_MAX) this.#waiting.delete(Math.max(...this.#waiting.keys()));
    return true;
  }

  /**
   * The bundle of the tick that begins at `at`, null if lost, and the tick's length in ms. A lost one is as long as the last,
   * but ends where the next bundle's begins, which may be of another tick mode.
   * @param {number} at
   */
  take(at) {
    for (const old of this.#waiting.keys()) if (old < at) this.#waiting.delete(old);
    const bundle = this.#waiting.get(at) ?? null;
    this.#waiting.delete(at);
    if (!bundle) return { bundle, length: Math.min(this.tickMs, ...[...this.#waiting.keys()].map((a) => a - at)) };
    this.tickMs = TICK_MODES[bundle.tickMode];
    return { bundle, length: this.tickMs };
  }

  /** The audio of the tick before `at` that the bundle of `at` repeats; empty if that hasn't arrived. @param {number} at */
  redundant(at) {
    return this.#waiting.get(at)?.redundant ?? [];
  }
}
