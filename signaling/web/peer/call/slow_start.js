// Sends the first keyframe over a link of unknown rate. A piece is sent, and an answer awaited. If it comes soon the link is
// fast, and the rest follows at once. Otherwise the next piece is sent when a link of 12 kbit/s has carried the last one:
// anything faster would be lost in a short queue, together with all that comes after it. signaling/call/slow_start.py sees
// SCTP's acknowledgements, which browsers hide from pages, and so finds the link's own rate. Times in seconds.

import { now, sleep } from "../media/clock.js";

/** Bytes of a piece on a link that may be slow: at first SCTP resends what isn't acknowledged within half a second. */
const PIECE = 600;
/** Bytes of a piece on a fast link, with its headers one packet: bundles are sent between two of them. */
const PACKET = 1100;
/** Seconds that the slowest link takes for a piece with its headers, and for SACKs of the data received. */
const SPACING = 0.65;
/**
 * An answer is requested after each of the first so many pieces: a request costs 105 bytes, and the next one makes up for a
 * lost one. Later one is requested after every so many pieces, if the earlier ones were answered.
 */
const ASKED = 3;
/** Seconds between two checks whether there is room. */
const FULL_WAIT = 0.02;
/** Seconds beyond the network's round trip that an answer may take on a fast link: a piece takes as long at 25 kbit/s. */
const SOON = 0.25;

/**
 * What a transfer needs. `left`: bytes not sent yet. `free`: whether more may be sent without holding up the bundles.
 * `fastest`: the network's fastest round trip, 0 while unknown. `take`: send the next `size` bytes; false if the transfer is
 * over. `arrived`: whether all that was sent arrives within `seconds`. `answered`: whether every request was answered.
 * @typedef {{
 *   left: number, free: boolean, fastest: number, take(size: number): boolean, arrived(seconds: number): Promise<boolean>,
 *   answered(): boolean,
 * }} Transfer
 */

/** One keyframe's transfer. */
export class SlowStart {
  /** Set once the link is known to be fast: then holding bundles back gains nothing. */
  bundlesAllowed = false;
  /** Set if no request was answered soon. */
  slow = false;

  /** Send what is left of a keyframe. @param {Transfer} transfer */
  async send(transfer) {
    for (let sent = 0; transfer.left > 0; sent += 1) {
      while (!transfer.free) await sleep(FULL_WAIT);
      const began = now();
      if (!transfer.take(this.bundlesAllowed ? PACKET : PIECE)) return;
      if (this.bundlesAllowed || transfer.left <= 0) continue;
      if (sent < ASKED || (sent % ASKED === 0 && transfer.answered()))
        this.bundlesAllowed = await transfer.arrived(transfer.fastest + SOON);
      this.slow = !this.bundlesAllowed && sent >= ASKED - 1;
      if (!this.bundlesAllowed) await sleep(Math.max(0, began + SPACING - now()));
    }
  }
}
