// The playout clock: one for sound and picture, from the sender's capture time.
//
// Media time t (seconds since the stream began) is presented at t + delay. A tick's bundle arrives when the tick is over at
// the earliest, so the delay is the tick's length + the fastest recent transit + a margin that follows the jitter + the time
// that rendering needs. It grows at once when bundles arrive late; otherwise it follows the wanted delay as fast as the sound
// can be stretched (stretch.js).

/** Arrivals considered: ten seconds at the 200 ms tick mode. */
const HISTORY = 50;
const MARGIN_MIN = 0.01;
const MARGIN_MAX = 0.6;
/** Share of a tick by which the delay may change in it. */
const SHARE = 0.1;
/** Seconds by which the delay may differ from the wanted one before it is changed. */
const STEADY = 0.004;

/**
 * All times in seconds; `now` is a monotonic clock given by the caller. Set `lead` to what rendering needs and `hold` to the
 * least wait for late bundles.
 */
export class PlayoutClock {
  /** @type {number[]} */
  #transits = [];
  #base = 0;
  /** @type {number | null} */
  #delay = null;
  lead = 0.03;
  hold = 0;

  get started() {
    return this.#delay !== null;
  }

  /** Forget everything, as when the sender starts a new stream. */
  reset() {
    this.#transits = [];
    this.#base = 0;
    this.#delay = null;
  }

  /** A bundle arrived whose tick ended at media time `tickEnd`. @param {number} tickEnd @param {number} now */
  arrived(tickEnd, now) {
    this.#transits = [...this.#transits, now - tickEnd].slice(-HISTORY);
    this.#base = Math.min(...this.#transits);
    this.#delay ??= this.wanted(0.2);
  }

  /** The wait beyond the fastest transit: the 95th percentile of the lateness, within limits. */
  get margin() {
    if (!this.#transits.length) return MARGIN_MIN;
    const late = this.#transits.map((transit) => transit - this.#base).sort((a, b) => a - b);
    const high = late[Math.floor((late.length - 1) * 0.95)]; // of a few: without the latest one, which is often the first
    return Math.min(Math.max(high * 1.1, MARGIN_MIN), MARGIN_MAX);
  }

  /** The delay that the last arrivals require, for ticks of `tick` seconds. @param {number} tick */
  wanted(tick) {
    return tick + this.#base + Math.max(this.margin, this.hold + MARGIN_MIN) + this.lead;
  }

  /** When media time `media` is presented. Throws before the first arrival. @param {number} media */
  due(media) {
    if (this.#delay === null) throw new Error("nothing has arrived yet");
    return media + this.#delay;
  }

  /**
   * Seconds by which the delay should change in the next tick of `tick` seconds; {@link move} changes it. `late`: seconds by
   * which a bundle missed its time since the last tick; the delay then has to grow at once, even if that is audible.
   * @param {number} tick @param {number} late
   */
  change(tick, late = 0) {
    if (this.#delay === null) return 0;
    const difference = this.wanted(tick) - this.#delay;
    if (late > 0) return Math.min(Math.max(difference, 0), MARGIN_MAX);
    return Math.abs(difference) < STEADY ? 0 : Math.min(Math.max(difference, -SHARE * tick), SHARE * tick);
  }

  /** The next tick is played this much longer than it was recorded, or shorter if negative. @param {number} seconds */
  move(seconds) {
    if (this.#delay !== null) this.#delay += seconds;
  }

  /** Seconds from the start of a tick's capture to its presentation, without the network's own transit. */
  buffered() {
    return this.#delay === null ? 0 : this.#delay - this.#base;
  }
}
