// One clock for the page and all its workers.

/** Seconds, the same in every worker of a page; they never run backwards. */
export const now = () => (performance.timeOrigin + performance.now()) / 1000;

/** @param {number} seconds @returns {Promise<void>} */
export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, Math.max(0, seconds * 1000)));

/** Wakes the functions that wait for it. */
export class Signal {
  #wake = () => {};
  #waiting = this.#renewed();

  #renewed() {
    return new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      this.#wake = resolve;
    });
  }

  set() {
    this.#wake();
    this.#waiting = this.#renewed();
  }

  /** Wait until {@link set} is called, or for so many seconds. @param {number} seconds */
  async wait(seconds = Number.POSITIVE_INFINITY) {
    if (seconds === Number.POSITIVE_INFINITY) await this.#waiting;
    else await Promise.race([this.#waiting, sleep(seconds)]);
  }
}
