// Rate control of the pictures: what a moving face may cost, so that its mean stays under a target.

/** A bucket of bytes. A picture may cost `target` and what earlier ones left over, up to two pictures' worth; one that could
 * not be made small enough is paid back by the next. */
export class RateControl {
  /** @param {number} target bytes a picture: 44 are 0.00107 bits per pixel at 5 pictures a second */
  constructor(target = 44) {
    this.target = target;
    this.saved = 0;
  }

  /** Bytes that the next picture may cost. */
  get limit() {
    return Math.max(Math.floor(this.target / 4), this.target + this.saved);
  }

  /** A picture cost `size` bytes, its header included. @param {number} size */
  spent(size) {
    this.saved = Math.max(-2 * this.target, Math.min(2 * this.target, this.saved + this.target - size));
  }
}
