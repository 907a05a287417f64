// The first keyframe's way over a link whose rate nobody knows yet. A piece goes, and an answer is waited for. Where that comes
// soon the link is fast, and the rest follows at once; else the next piece goes when a link of 12 kbit/s has carried the last:
// what came faster would be lost in a short queue, with all that comes after it. signaling/call/slow_start.py knows SCTP's
// acknowledgements, which no browser tells a page, and so finds the link's own rate. Times in seconds.

import { now, sleep } from "../media/clock.js";

/** Bytes of a piece on a link that may be slow: SCTP sends again what isn't acknowledged within half a second at first. */
const PIECE = 600;
/** Bytes of a piece on a fast link, which with its headers is one packet: bundles go between two of them. */
const PACKET = 1100;
/** Seconds that the slowest link takes for a piece with its headers, and for SACKs of what comes the other way. */
const SPACING = 0.65;
/**
 * First pieces after which an answer is asked for in any case: a question costs 105 bytes, and a lost one is made up for by the
 * next. Afterwards every so many, where those before were answered.
 */
const ASKED = 3;
/** Seconds until it is looked again whether there is room. */
const FULL_WAIT = 0.02;
/** How much longer than the network's round trip an answer may take on a fast link: a piece takes as long at 25 kbit/s. */
const SOON = 0.25;

/**
 * What a transfer needs: bytes that are left; whether more may be sent without holding up the bundles; the network's fastest round
 * trip, 0 while not known; sending the next so many, false where it is over; whether all of it arrives within some seconds;
 * whether every question was answered.
 * @typedef {{
 *   left: number, free: boolean, fastest: number, take(size: number): boolean, arrived(seconds: number): Promise<boolean>,
 *   answered(): boolean,
 * }} Transfer
 */

/** One keyframe's transfer. */
export class SlowStart {
  /** Once the link is known to be fast: then holding bundles back gains nothing. */
  bundlesAllowed = false;
  /** Once no question was answered soon. */
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
