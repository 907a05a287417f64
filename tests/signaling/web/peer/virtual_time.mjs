/** A clock that jumps from timer to timer, so that what waits does so in no time. */
export class VirtualTime {
  #timers = [];
  #now = 0;

  now = () => this.#now;

  sleep = (seconds) => new Promise((resolve) => this.at(this.#now + Math.max(0, seconds), resolve));

  /** Nothing is left to do for so long. */
  pass(until) {
    this.#now = Math.max(this.#now, until);
  }

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

/** Do something while some globals are others, and the clock is virtual. */
export async function instead(globals, action) {
  const time = new VirtualTime();
  const all = {
    ...globals,
    setTimeout: (wake, ms = 0) => time.at(time.now() + ms / 1000, wake),
    performance: { now: () => time.now() * 1000, timeOrigin: 0 },
  };
  const before = Object.keys(all).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  for (const [name, value] of Object.entries(all))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  try {
    return await action(time);
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete globalThis[name];
    }
  }
}
