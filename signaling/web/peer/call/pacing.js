// A later keyframe in small pieces, each sent beside a bundle, as fast as the wire rate's cap leaves room.

/** Bytes of a piece, at least: smaller ones cost too much in headers. */
const PIECE_MIN = 96;
/** Bytes of a piece, at most: larger ones would hold up the sound behind them. */
const PIECE_MAX = 400;
/** Bytes that a piece costs beside its own: the message's fields, SCTP's chunk, padding, and its share of a SACK. */
export const OVERHEAD = 48;
/** Seconds of the cap that may be saved up. */
const DEPTH = 1;
/** Seconds of the cap that may be owed: the first keyframe, which goes at once, is paid back before another goes. */
const OWED = 8;
/** The cap is so many times the rate that the network is known to carry. If that is too much, a growing queue shows it soon. */
const HEADROOM = 1.25;

/** A bucket of bytes that the cap fills and that everything sent empties, whatever it was. */
export class Pacer {
  #most;
  #rate;
  #room = 0;
  #at = 0;
  #sent = 0;
  #unseen = 0; // bytes spent that the count of what was sent, which lags, doesn't hold yet

  /** @param {number} limitKbps cap of the wire rate, in kbit/s */
  constructor(limitKbps) {
    this.#most = limitKbps * 125;
    this.#rate = this.#most;
  }

  /** The network carries about `kbps`, as far as is known: {@link HEADROOM} times it is the cap, where that is below it. @param {number} kbps */
  carried(kbps) {
    this.#rate = Math.min(this.#most, kbps * 125 * HEADROOM);
  }

  /**
   * Bytes that may go out beside what goes out anyway.
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

  /** So many bytes were sent of what {@link room} allowed. @param {number} bytes */
  spent(bytes) {
    this.#unseen += bytes;
  }
}

/**
 * Bytes of the next piece that takes at most `room` on the wire, 0 where that is too little.
 * @param {number} left bytes of the keyframe that were not sent yet
 * @param {number} room
 */
export function pieceOf(left, room) {
  const size = Math.min(left, PIECE_MAX, room - OVERHEAD);
  return left && size >= Math.min(left, PIECE_MIN) ? size : 0;
}
