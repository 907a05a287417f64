// Which worker renders which frame. Between the player and the workers there is a slot for the newest frame, not a queue, so
// that lag cannot grow.
//
// Two frames on one processor core each cost less than one frame on two: threads that share a frame wait for each other in
// every layer. A frame may therefore finish after a newer one.

import { Pace } from "./pace.js";

/** @typedef {import("./tick_decoder.js").FrameInput} FrameInput */
/** @typedef {{ frame: FrameInput, due: number }} Order */
/** What a worker's port must do. @typedef {{ postMessage(order: Order): void }} Port */

export class RenderScheduler {
  #now;
  /** @type {Port[]} */
  #all = [];
  /** @type {Port[]} */
  #free = [];
  /** What each is rendering. @type {Map<Port, Order>} */
  #drawing = new Map();
  /** @type {Order | null} */
  #slot = null;
  #pace = new Pace();
  /** Render one frame in this many, however fast the machine is; 0: as many as it can. */
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

  /** The workers have been ended. What they may still render is ignored. */
  clear() {
    [this.#all, this.#free, this.#pace] = [[], [], new Pace()];
    this.reset();
  }

  /** The frames requested until now aren't wanted any more. */
  reset() {
    this.#drawing.clear();
    this.#slot = null;
  }

  /** Whether there is any worker. */
  get ready() {
    return this.#all.length > 0;
  }

  /** Seconds that a worker takes for a frame. */
  get seconds() {
    return this.#pace.seconds * Math.max(1, this.#all.length) || 0.05;
  }

  /**
   * Request a frame, to be shown at `due`; one that still waits is dropped. Returns whether it is accepted: a machine may be
   * able to render only some of the frames.
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
   * A worker has rendered its frame in so many seconds, or couldn't (null). Returns the order it was given, null if that isn't
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
