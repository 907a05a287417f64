// Which frames are drawn: as many a second as this machine can hold.

/** Frames of the grid of 25 FPS for each that is drawn: 25, 16.7, 12.5, 10, 8.3, 6.3 and 5 FPS. */
const STRIDES = [1, 1.5, 2, 2.5, 3, 4, 5];
/** Seconds from one to the next of that grid. */
const FRAME = 0.04;
/** Seconds before a higher frame rate is tried again; doubled each time that it cannot be held. */
const PATIENCE = 2;
const PATIENCE_MAX = 32;

/**
 * Chooses the frame rate that rendering can hold. A rate is left when a frame takes longer than the rate leaves it, smoothed
 * over some ten frames. A better one is tried after {@link PATIENCE}, because only trying tells: a processor that rests
 * between frames renders each more slowly. Times in seconds.
 */
export class Pace {
  stride = STRIDES[0];
  /** Of a frame, smoothed. */
  seconds = 0;
  #patience = PATIENCE;
  #changed = 0;
  #rose = false;

  /** A frame took `seconds`. @param {number} seconds @param {number} now */
  rendered(seconds, now) {
    this.seconds = this.seconds ? this.seconds * 0.9 + seconds * 0.1 : seconds;
    const at = STRIDES.indexOf(this.stride);
    const since = now - this.#changed;
    if (at + 1 < STRIDES.length && this.seconds > 1.05 * FRAME * this.stride && since > 0.5) {
      // Failing soon after a rise: be slower to try again.
      this.#patience = this.#rose && since < 3 ? Math.min(PATIENCE_MAX, this.#patience * 2) : PATIENCE;
      this.stride = STRIDES[at + 1];
      this.#changed = now;
      this.#rose = false;
    } else if (at && since > this.#patience && this.seconds < 1.1 * FRAME * STRIDES[at - 1]) {
      this.stride = STRIDES[at - 1];
      this.#changed = now;
      this.#rose = true;
    }
  }

  /** Whether frame `number` is drawn. @param {number} number */
  draws(number) {
    return Math.floor(number / this.stride) !== Math.floor((number - 1) / this.stride);
  }
}
