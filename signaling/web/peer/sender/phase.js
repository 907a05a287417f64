// When this side's bundles are sent: halfway between the peer's, so that each carries the acknowledgement of one of the
// peer's.
//
// Browsers acknowledge a packet within 200 ms (RFC 9260, 6.2), as long as a tick. If both sides send at the same time, a
// bundle arrives just after the peer's own has left: each acknowledgement then races with the next bundle, and often takes a
// packet of its own.

import { now, Signal, sleep } from "../media/clock.js";

/** Seconds to wait for the peer's first bundle. */
const PATIENCE = 0.6;

/**
 * Seconds from the arrival of one of the peer's bundles to the sending of one of ours, in [tick / 4, 3 / 4 tick): the peer
 * then sends one of its own as long after each of ours arrives.
 * @param {number} tick seconds @param {number} trip seconds that a packet takes one way
 */
export function lag(tick, trip) {
  const half = tick / 2;
  const beyond = (half - trip - tick / 4) % half;
  return tick / 4 + (beyond < 0 ? beyond + half : beyond);
}

/** Notes the arrival of the peer's bundles, and determines when our first tick may begin. */
export class Phase {
  #clock;
  #heard = { at: 0, trip: 0 };
  #arrival = new Signal();

  /** @param {{ now(): number, sleep(seconds: number): Promise<void> }} clock */
  constructor(clock = { now, sleep }) {
    this.#clock = clock;
  }

  /** A bundle has arrived. @param {number} at seconds @param {number} trip seconds that a packet takes one way; 0 if unknown */
  heard(at, trip) {
    this.#heard = { at, trip };
    this.#arrival.set();
  }

  /**
   * Wait until a tick that begins now ends between two of the peer's bundles; no longer than {@link PATIENCE} if none arrives.
   * @param {number} tick seconds
   */
  async wait(tick) {
    if (!this.#heard.at) await Promise.race([this.#arrival.wait(), this.#clock.sleep(PATIENCE)]);
    const { at, trip } = this.#heard;
    if (!at) return;
    const late = (this.#clock.now() - at - lag(tick, trip)) % tick;
    await this.#clock.sleep(late > 0 ? tick - late : -late);
  }
}
