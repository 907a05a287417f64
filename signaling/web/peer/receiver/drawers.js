// Which worker draws which frame. Between the player and the workers there is a slot that holds the newest frame, not a queue,
// so that lag cannot grow.
//
// Two frames on one processor core each cost less than one frame on two: threads that share a frame wait for each other in
// every layer. A frame may therefore finish after a newer one; the page then discards it.

import { Pace } from "./pace.js";

/** @typedef {import("./tick_decoder.js").FrameInput} FrameInput */
/** @typedef {{ frame: FrameInput, due: number }} Order */
/** What a worker's port must do. @typedef {{ postMessage(order: Order): void }} Port */

export class Drawers {
  #now;
  /** @type {Port[]} */
  #all = [];
  /** @type {Port[]} */
  #free = [];
  /** @type {Order | null} */
  #slot = null;
  #pace = new Pace();
  /** Draw one frame in so many, however fast the machine is; 0: as many as it can. */
  every = 0;

  /** @param {() => number} now in seconds */
  constructor(now) {
    this.#now = now;
  }

  /** A worker is ready. @param {Port} port */
  add(port) {
    this.#all.push(port);
    this.#free.push(port);
  }

  /** The workers are no more. What they still draw counts no more, either. */
  clear() {
    [this.#all, this.#free, this.#pace] = [[], [], new Pace()];
  }

  /** Whether there is any. */
  get ready() {
    return this.#all.length > 0;
  }

  /** Seconds that a frame takes. */
  get seconds() {
    return this.#pace.seconds * Math.max(1, this.#all.length) || 0.05;
  }

  /** Ask for a frame to be seen at `due`; one that still waits is dropped. @param {FrameInput} frame @param {number} due */
  submit(frame, due) {
    if (this.every ? frame.number % this.every : !this.#pace.draws(frame.number)) return;
    this.#slot = { frame, due };
    this.#hand();
  }

  /** A worker has drawn its frame, or couldn't, in so many seconds. @param {Port} port @param {number | null} seconds */
  done(port, seconds) {
    if (!this.#all.includes(port)) return;
    if (seconds !== null) this.#pace.rendered(seconds / this.#all.length, this.#now());
    this.#free.push(port);
    this.#hand();
  }

  #hand() {
    if (!this.#slot || !this.#free.length) return;
    const port = /** @type {Port} */ (this.#free.shift());
    port.postMessage(this.#slot);
    this.#slot = null;
  }
}
