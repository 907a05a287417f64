// A queue of samples: put in pieces of any length, taken as many at a time as needed.

/** First in, first out. */
export class SoundQueue {
  /** @type {Float32Array[]} */
  #pieces = [];
  length = 0;

  /** @param {Float32Array} samples */
  put(samples) {
    this.#pieces.push(samples);
    this.length += samples.length;
  }

  /** The next `count` samples, padded with silence at the end. @param {number} count */
  taken(count) {
    const out = new Float32Array(count);
    let at = 0;
    while (at < count && this.#pieces.length) {
      const [piece] = this.#pieces;
      const part = piece.subarray(0, count - at);
      out.set(part, at);
      at += part.length;
      if (part.length === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(part.length);
    }
    this.length -= at;
    return out;
  }

  /** Drop the oldest, so that at most `count` samples stay. @param {number} count */
  limit(count) {
    if (this.length > count) this.taken(this.length - count);
  }
}
