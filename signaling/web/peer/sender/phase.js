// When this side's bundles go out: half way between the other side's, so that each carries the acknowledgement of one of theirs.
//
// Browsers acknowledge a packet within 200 ms (RFC 9260, 6.2), as long as a tick. Bundles of both sides that go out at once reach the other
// side just after its own has left: each acknowledgement then races with the next bundle, and often takes a packet of its own.

import { now, Signal, sleep } from "../media/clock.js";

/** Seconds for which the other side's first bundle is waited for. */
const PATIENCE = 0.6;

/**
 * Seconds from the arrival of one of their bundles to the sending of one of ours, in [tick / 4, 3 / 4 tick): one of theirs then comes
 * as long after each of ours.
 * @param {number} tick seconds @param {number} trip seconds that a packet takes one way
 */
export function lag(tick, trip) {
  const half = tick / 2;
  const beyond = (half - trip - tick / 4) % half;
  return tick / 4 + (beyond < 0 ? beyond + half : beyond);
}

/** Hears the other side's bundles, and tells when the first of ours may begin. */
export class Phase {
  #clock;
  #heard = { at: 0, trip: 0 };
  #arrival = new Signal();

  /** @param {{ now(): number, sleep(seconds: number): Promise<void> }} clock */
  constructor(clock = { now, sleep }) {
    this.#clock = clock;
  }

  /** A bundle has come. @param {number} at seconds @param {number} trip seconds that a packet takes one way; 0 where not known */
  heard(at, trip) {
    this.#heard = { at, trip };
    this.#arrival.set();
  }

  /** Until a tick that begins now ends between two of theirs. Where none is heard within {@link PATIENCE}, no longer. @param {number} tick seconds */
  async wait(tick) {
    if (!this.#heard.at) await Promise.race([this.#arrival.wait(), this.#clock.sleep(PATIENCE)]);
    const { at, trip } = this.#heard;
    if (!at) return;
    const late = (this.#clock.now() - at - lag(tick, trip)) % tick;
    await this.#clock.sleep(late > 0 ? tick - late : -late);
  }
}
