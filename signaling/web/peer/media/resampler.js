// Sound at another rate, piece by piece: a windowed sinc, flat in what speech has and 0.5 ms late at most.

/** Samples to either side, at the lower of the two rates, that make up one. */
const HALF = 8;
/** Of the lower rate's half, how much is kept. */
const KEPT = 0.94;

/** One channel's way from one rate to another. */
export class Resampler {
  #step;
  #cut;
  #reach;
  /** @type {Float32Array} */
  #held;
  #at;

  /** @param {number} from @param {number} to both in Hz */
  constructor(from, to) {
    this.#step = from / to;
    this.#cut = KEPT * Math.min(1, to / from);
    this.#reach = Math.ceil(HALF * Math.max(1, from / to));
    this.#held = new Float32Array(this.#reach);
    this.#at = this.#reach;
  }

  /** What can be told once these samples are there. @param {Float32Array} samples */
  push(samples) {
    if (this.#step === 1) return samples;
    const all = new Float32Array(this.#held.length + samples.length);
    all.set(this.#held);
    all.set(samples, this.#held.length);
    const out = [];
    while (Math.ceil(this.#at) + this.#reach <= all.length) {
      let [sum, total] = [0, 0];
      const first = Math.ceil(this.#at) - this.#reach;
      for (let i = first; i < first + 2 * this.#reach; i += 1) {
        const far = i - this.#at;
        const x = Math.PI * far * this.#cut;
        const window = 0.5 + 0.5 * Math.cos((Math.PI * far) / (this.#reach + 1));
        const weight = window * (Math.abs(x) < 1e-9 ? 1 : Math.sin(x) / x);
        sum += weight * all[i];
        total += weight;
      }
      out.push(sum / total);
      this.#at += this.#step;
    }
    const done = Math.max(0, Math.ceil(this.#at) - this.#reach);
    this.#held = all.slice(done);
    this.#at -= done;
    return Float32Array.from(out);
  }
}
