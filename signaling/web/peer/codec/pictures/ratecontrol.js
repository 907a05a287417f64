// Rate control of the pictures: the bytes that each may cost, so that the mean of a moving face stays under a target.

/** A bucket of bytes. A picture may cost `target` and what earlier ones left over, up to two pictures' worth; the next ones pay
 * back for one that could not be made small enough. */
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
