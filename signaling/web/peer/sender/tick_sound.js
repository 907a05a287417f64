// The sound of each tick. A tick is over when the microphone has delivered its samples; silence replaces what is more than
// half a tick late. The machine's clock thus bounds how late ticks are: a longer wait would make all that follow later, until
// the peer gives them up as lost.

import { now, Signal, sleep } from "../media/clock.js";
import { SoundQueue } from "../media/sound_queue.js";

/** Seconds of sound that may wait; more is dropped, because it would delay all that follows. */
const WAITING = 0.3;
/** Share of a tick by which sound may be late before silence replaces it. */
const LATE = 0.5;
/** Share by which the microphone's clock may be slower than the machine's: more than any real one is. */
const SLOWER = 0.005;
/** Sound may arrive so many seconds before it is due; earlier sound that silence has replaced is dropped. */
const EARLY = 0.03;
/** Seconds after which sound that has not arrived counts as lost. */
const LOST = 1;
/** After a gap of so many seconds, as when the machine slept, ticks are skipped, not caught up. */
const SLEPT = 1;

/** Cuts a microphone's sound into ticks. */
export class TickSound {
  #rate;
  #clock;
  #queue = new SoundQueue();
  #arrival = new Signal();
  /** When the previous tick was due to end. */
  #due = 0;
  /** Samples that silence replaced, and when it last did. */
  #owed = 0;
  #missed = 0;

  /** @param {number} rate samples a second @param {{ now(): number, sleep(seconds: number): Promise<void> }} clock */
  constructor(rate, clock = { now, sleep }) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** The microphone has delivered more. @param {Float32Array} samples @param {number} tick seconds */
  put(samples, tick) {
    this.#queue.put(samples);
    this.#queue.limit(Math.round((WAITING + tick) * this.#rate));
    this.#arrival.set();
  }

  /** The next tick begins now. */
  begin() {
    this.#queue.limit(0);
    this.#due = this.#clock.now();
    this.#owed = 0;
  }

  /**
   * The sound of the next tick, once it is over; silence replaces what has not arrived.
   * @param {number} tick seconds @param {boolean} hears whether there is a microphone
   */
  async take(tick, hears) {
    const count = Math.round(tick * this.#rate);
    const due = this.#due + tick;
    if (hears) await this.#heard(count, due, due + LATE * tick);
    else {
      await this.#clock.sleep(due - this.#clock.now());
      this.#queue.limit(0);
    }
    const at = this.#clock.now();
    const missing = hears ? Math.max(0, count - this.#queue.length) : 0;
    if (missing) [this.#owed, this.#missed] = [this.#owed + missing, at];
    else if (at > this.#missed + LOST) this.#owed = 0;
    const late = at - due;
    const drift = hears && missing < count ? SLOWER * tick : 0; // a microphone that gives nothing is no clock
    this.#due = late > SLEPT ? at : due + Math.min(late, drift);
    return this.#queue.taken(count);
  }

  /**
   * Wait until so many samples are there, or until `end`.
   * @param {number} count @param {number} due when they should be @param {number} end
   */
  async #heard(count, due, end) {
    for (;;) {
      const at = this.#clock.now();
      const early = Math.round((due - EARLY - at) * this.#rate);
      if (this.#queue.length < count) {
        if (at >= end) return;
        await Promise.race([this.#arrival.wait(), this.#clock.sleep(end - at)]);
      } else if (this.#owed > 0 && early > 0) {
        // What silence replaced has arrived after all.
        const extra = Math.min(this.#owed, early);
        this.#queue.taken(extra);
        this.#owed -= extra;
      } else return;
    }
  }
}
