// A later keyframe in small pieces, each sent together with a bundle, as fast as the cap on the wire rate allows.

/** Bytes of a piece, at least: smaller ones cost too much in headers. */
const PIECE_MIN = 96;
/** Bytes of a piece, at most: larger ones would hold up the sound behind them. */
const PIECE_MAX = 400;
/** Bytes that a piece costs besides its own: the message's fields, SCTP's chunk, padding, and its share of a SACK. */
export const OVERHEAD = 48;
/** Seconds of the cap that may be saved up. */
const DEPTH = 1;
/** Seconds of the cap that may be owed: the first keyframe, which is sent at once, is paid back before another is sent. */
const OWED = 8;
/** Cap over the rate that the network is known to carry. If that is too much, a growing queue shows it soon. */
const HEADROOM = 1.25;

/** A bucket of bytes: the cap fills it, and everything that is sent empties it. */
export class Pacer {
  #most;
  #rate;
  #room = 0;
  #at = 0;
  #sent = 0;
  #unseen = 0; // bytes spent that the count of sent bytes, which lags, doesn't include yet

  /** @param {number} limitKbps cap of the wire rate, in kbit/s */
  constructor(limitKbps) {
    this.#most = limitKbps * 125;
    this.#rate = this.#most;
  }

  /** The network is known to carry `kbps`: the cap is {@link HEADROOM} times that, at most the limit. @param {number} kbps */
  carried(kbps) {
    this.#rate = Math.min(this.#most, kbps * 125 * HEADROOM);
  }

  /**
   * Bytes that may be sent in addition to the bundles.
   * @param {number} sent bytes on the wire so far
   * @param {number} now seconds
   */
  room(sent, now) {
    if (sent !== this.#sent) this.#unseen = 0;
    const gained = this.#at ? (now - this.#at) * this.#rate - (sent - this.#sent) : 0;
    this.#room = Math.min(DEPTH * this.#rate, Math.max(-OWED * this.#rate, this.#room + gained));
    [this.#at, this.#sent] = [now, sent];
    return Math.trunc(this.#room) - this.#unseen;
  }

  /** So many of the bytes that {@link room} allowed were sent. @param {number} bytes */
  spent(bytes) {
    this.#unseen += bytes;
  }
}

/**
 * Bytes of the next piece that takes at most `room` on the wire, 0 if that is too little.
 * @param {number} left bytes of the keyframe that were not sent yet
 * @param {number} room
 */
export function pieceOf(left, room) {
  const size = Math.min(left, PIECE_MAX, room - OVERHEAD);
  return left && size >= Math.min(left, PIECE_MIN) ? size : 0;
}
