// Which worker draws which frame. Between the player and the workers there is a slot that holds the newest frame, not a queue,
// so that lag cannot grow.
//
// Two frames on one processor core each cost less than one frame on two: threads that share a frame wait for each other in
// every layer. A frame may therefore finish after a newer one.

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
  /** What each is drawing. @type {Map<Port, Order>} */
  #drawing = new Map();
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
    this.reset();
  }

  /** What was asked for until now isn't wanted any more. */
  reset() {
    this.#drawing.clear();
    this.#slot = null;
  }

  /** Whether there is any. */
  get ready() {
    return this.#all.length > 0;
  }

  /** Seconds that a frame takes. */
  get seconds() {
    return this.#pace.seconds * Math.max(1, this.#all.length) || 0.05;
  }

  /**
   * Ask for a frame to be seen at `due`; one that still waits is dropped. Gives whether it is wanted: between those that this
   * machine can draw there are others.
   * @param {FrameInput} frame
   * @param {number} due
   */
  submit(frame, due) {
    if (!this.ready || (this.every ? frame.number % this.every : !this.#pace.draws(frame.number))) return false;
    this.#slot = { frame, due };
    this.#hand();
    return true;
  }

  /**
   * A worker has drawn its frame in so many seconds, or couldn't (null). Gives what it was asked for, null where that isn't
   * wanted any more.
   * @param {Port} port
   * @param {number | null} seconds
   */
  done(port, seconds) {
    if (!this.#all.includes(port)) return null;
    if (seconds !== null) this.#pace.rendered(seconds / this.#all.length, this.#now());
    const order = this.#drawing.get(port) ?? null;
    this.#drawing.delete(port);
    this.#free.push(port);
    this.#hand();
    return order;
  }

  #hand() {
    if (!this.#slot || !this.#free.length) return;
    const port = /** @type {Port} */ (this.#free.shift());
    this.#drawing.set(port, this.#slot);
    port.postMessage(this.#slot);
    this.#slot = null;
  }
}
