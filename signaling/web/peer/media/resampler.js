// Sound at another rate, piece by piece: a windowed sinc, flat over the band of speech and 0.5 ms late at most.

/** Samples on either side, at the lower of the two rates, that contribute to one. */
const HALF = 8;
/** Share of the lower rate's half that is kept: the cutoff. */
const KEPT = 0.94;

/** Greatest common divisor. @param {number} a @param {number} b @returns {number} */
const divisor = (a, b) => (b ? divisor(b, a % b) : a);

/** Converts one channel from one rate to another. */
export class Resampler {
  #step;
  #parts;
  #cut;
  #reach;
  /** Weights by phase, computed when first needed. @type {Map<number, Float32Array>} */
  #weights = new Map();
  /** @type {Float32Array} */
  #held;
  /** Where the next output sample is among those held, in units of 1 / `#parts` of a sample. */
  #at;

  /** @param {number} from @param {number} to both in Hz, whole numbers */
  constructor(from, to) {
    const common = divisor(from, to);
    this.#step = from / common;
    this.#parts = to / common;
    this.#cut = KEPT * Math.min(1, to / from);
    this.#reach = Math.ceil(HALF * Math.max(1, from / to));
    this.#held = new Float32Array(this.#reach);
    this.#at = this.#reach * this.#parts;
  }

  /** The weights of the samples around a place `phase` parts before a whole sample. @param {number} phase */
  #around(phase) {
    const found = this.#weights.get(phase);
    if (found) return found;
    const made = new Float32Array(2 * this.#reach).map((_, i) => {
      const far = i - this.#reach + phase / this.#parts;
      const x = Math.PI * far * this.#cut;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * far) / (this.#reach + 1));
      return window * (Math.abs(x) < 1e-9 ? 1 : Math.sin(x) / x);
    });
    const total = made.reduce((sum, weight) => sum + weight, 0);
    const weights = made.map((weight) => weight / total);
    this.#weights.set(phase, weights);
    return weights;
  }

  /** The output that is known once these samples have arrived. @param {Float32Array} samples */
  push(samples) {
    if (this.#step === this.#parts) return samples;
    const all = new Float32Array(this.#held.length + samples.length);
    all.set(this.#held);
    all.set(samples, this.#held.length);
    const [reach, parts] = [this.#reach, this.#parts];
    const out = [];
    let next = Math.ceil(this.#at / parts);
    for (; next + reach <= all.length; next = Math.ceil(this.#at / parts)) {
      const weights = this.#around(next * parts - this.#at);
      let sum = 0;
      for (let i = 0; i < weights.length; i += 1) sum += weights[i] * all[next - reach + i];
      out.push(sum);
      this.#at += this.#step;
    }
    const done = Math.max(0, next - reach);
    this.#held = all.slice(done);
    this.#at -= done * parts;
    return Float32Array.from(out);
  }
}
