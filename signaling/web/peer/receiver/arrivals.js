// Which bundles arrived, and the report on them to the sender.

/** Bundles from which the loss is computed: ten seconds at the 200 ms tick mode. */
const WINDOW = 50;
/** A number this far behind the newest isn't old: the count has wrapped or restarted. */
const FAR = 32;

/** Bundle numbers modulo 2^16, in the order in which they arrived. */
export class Arrivals {
  /** @type {number | null} */
  #newest = null;
  /** @type {number[]} */
  #heard = [];

  /** A bundle arrived; `picture`: with one that could be decoded. @param {number} number @param {boolean} picture */
  add(number, picture) {
    const behind = this.#newest === null ? 0 : (this.#newest - number) & 0xffff;
    if (picture && !(behind >= 1 && behind < FAR)) this.#newest = number;
    this.#heard = [...this.#heard, number].slice(-WINDOW);
  }

  /**
   * The report to the sender: the newest decoded picture and the share of recent bundles that never arrived.
   * @returns {import("../codec/bundle.js").Report | null}
   */
  report() {
    return this.#newest === null ? null : { newest: this.#newest, loss: Math.min(255, Math.round(this.loss * 255)) };
  }

  /** Share of the last bundles that never arrived, 0..1. */
  get loss() {
    if (this.#heard.length < 2) return 0;
    const newest = this.#heard[this.#heard.length - 1];
    const back = [...new Set(this.#heard)].map((number) => (newest - number) & 0xffff);
    const span = Math.max(0, ...back.filter((b) => b < 4 * WINDOW)) + 1;
    return Math.max(0, 1 - back.filter((b) => b < span).length / span);
  }
}
