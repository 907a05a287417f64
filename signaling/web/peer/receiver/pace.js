// Which frames are rendered: as many a second as this machine can sustain.

/** Frames of the 25 FPS grid for each rendered one: 25, 20, 16.7, 14.3, 12.5, 11.1, 10, 9.1, 8.3, 7.1, 6.3 and 5 FPS. */
const STRIDES = [1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.5, 4, 5];
/** Share of a rate's time for a frame that rendering may take before the rate is given up. */
const SHARE = 1.05;
/** The same for a rate that is clearly sustained. */
const CLEARLY = 0.75;
/** Seconds between two frames of that grid. */
const FRAME = 0.04;
/** Seconds before a higher frame rate is tried again; doubled each time that it cannot be sustained. */
const PATIENCE = 2;
const PATIENCE_MAX = 32;

/**
 * Chooses the frame rate that rendering can sustain. When a frame takes longer than the rate leaves for it, smoothed over some
 * ten frames, the best rate that leaves enough replaces it. After {@link PATIENCE} the next better rate is tried, or a still
 * better one that leaves a third more than is needed. Only a trial can tell: a processor that rests between frames renders
 * each more slowly. Times in seconds.
 */
export class Pace {
  stride = STRIDES[0];
  /** Seconds that a frame takes, smoothed. */
  seconds = 0;
  #patience = PATIENCE;
  #changed = 0;
  #rose = false;

  /** A frame took `seconds`. @param {number} seconds @param {number} now */
  rendered(seconds, now) {
    this.seconds = this.seconds ? this.seconds * 0.9 + seconds * 0.1 : seconds;
    const at = STRIDES.indexOf(this.stride);
    const since = now - this.#changed;
    if (at + 1 < STRIDES.length && this.seconds > SHARE * FRAME * this.stride && since > 0.5) {
      // Failing soon after a rise: be slower to try again.
      this.#patience = this.#rose && since < 3 ? Math.min(PATIENCE_MAX, this.#patience * 2) : PATIENCE;
      this.#turn(this.#held(SHARE), now);
      this.#rose = false;
    } else if (at && since > this.#patience && this.seconds < SHARE * FRAME * STRIDES[at - 1]) {
      this.#turn(Math.min(STRIDES[at - 1], this.#held(CLEARLY)), now);
      this.#rose = true;
    }
  }

  /** The best rate at which a frame takes at most the share `part` of its time. @param {number} part */
  #held(part) {
    return STRIDES.find((stride) => this.seconds <= part * FRAME * stride) ?? STRIDES[STRIDES.length - 1];
  }

  /** @param {number} stride @param {number} now */
  #turn(stride, now) {
    this.stride = stride;
    this.#changed = now;
  }

  /** Whether frame `number` is rendered. @param {number} number */
  draws(number) {
    return Math.floor(number / this.stride) !== Math.floor((number - 1) / this.stride);
  }
}
