/** A clock that jumps from timer to timer, so that what waits does so in no time. */
export class VirtualTime {
  #timers = [];
  #now = 0;

  now = () => this.#now;

  sleep = (seconds) => new Promise((resolve) => this.at(this.#now + Math.max(0, seconds), resolve));

  /** Do this at `when`, in seconds. */
  at(when, action) {
    this.#timers.push({ when, action });
  }

  /** Until no timer is left before `until`. */
  async run(until) {
    for (;;) {
      const next = this.#timers.reduce((first, timer) => (timer.when < first.when ? timer : first), { when: until });
      if (!next.action) return;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.#now = next.when;
      next.action();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
