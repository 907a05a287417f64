// What to send on this network: the ladder of rates, whether a queue fills, redundant audio. sender/adaptation/ gives the
// figures behind the constants. Times in seconds.

import { TICK_MODES } from "../codec/bundle.js";
import { OVERHEAD } from "../codec/bundle_pair.js";

/** Bytes of a message's headers, with the SACK that travels along. */
const MESSAGE = 85 + 16;
/** Bytes of a bundle without its sound. */
const BUNDLE = 9 + 28;

/**
 * A tick mode and a bit rate of Opus; `paired`: two bundles go in one message.
 * @typedef {{ tickMode: number, bitrate: number, paired: boolean }} Step
 */

/** @type {Step[]} */
const STEPS = [
  { tickMode: 0, bitrate: 6000, paired: true },
  { tickMode: 0, bitrate: 6000, paired: false },
  { tickMode: 0, bitrate: 8000, paired: false },
  { tickMode: 1, bitrate: 8000, paired: false },
  { tickMode: 1, bitrate: 12_000, paired: false },
  { tickMode: 2, bitrate: 16_000, paired: false },
  { tickMode: 2, bitrate: 24_000, paired: false },
];
/** The step at which a call begins. The one below saves a sixth of the bits for one more tick of delay. */
const USUAL = 1;
/** About what a step costs on the wire one way, in kbit/s, while somebody speaks. @param {Step} step */
const kbpsOf = ({ tickMode, bitrate, paired }) =>
  (8 / TICK_MODES[tickMode]) * (BUNDLE + (paired ? (MESSAGE + OVERHEAD) / 2 : MESSAGE)) + bitrate / 1000;

/** By how much a round trip may grow before a queue is assumed to be building. */
const QUEUE = 0.35;

/** Whether a queue fills on the way to the peer: then too much is sent, and we cause the loss ourselves. */
export class QueueWatch {
  #fastest = { way: Number.POSITIVE_INFINITY, at: 0 };
  #trip = { fastest: 0, at: 0 };
  /** @type {number[]} */
  #ways = [];
  #known = 0;
  filling = false;
  /** Whether a queue fills and ICE's round trip is late, too: otherwise the peer's machine may just be busy. */
  confirmed = false;
  /** Whether it is known that no queue fills; without reports ICE's round trip suffices. */
  knownEmpty = false;

  /**
   * `way`: seconds from sending a bundle to the report about it; null if unknown, which adds nothing new. `trip`: the
   * network's own round trip, as ICE last measured it; 0 if unknown.
   * @param {number | null} way
   * @param {number} now
   */
  report(way, now, trip = 0) {
    const { fastest: before, at } = this.#trip;
    if (trip && (!before || trip <= before || now - at > 120)) this.#trip = { fastest: trip, at: now };
    const bare = this.#trip.fastest;
    if (way === null) {
      if (now - this.#known > 5) this.#ways = [];
    } else {
      this.#known = now;
      if (way <= this.#fastest.way || now - this.#fastest.at > 60) this.#fastest = { way, at: now };
      this.#ways = [...this.#ways, way].slice(-3);
    }
    const fastest = bare ? Math.min(this.#fastest.way, bare + 0.5) : this.#fastest.way;
    const known = this.#ways.length === 3;
    this.filling = known && Math.min(...this.#ways) - fastest > QUEUE;
    const late = trip - bare > QUEUE;
    this.confirmed = this.filling && late;
    this.knownEmpty = !this.filling && !late && (known || now - this.#known > 5);
    return this.filling;
  }

  /** A new connection. `trip`: the network's own round trip at its fastest so far, 0 if unknown. @param {number} now */
  restarted(now = 0, trip = 0) {
    this.#fastest = { way: Number.POSITIVE_INFINITY, at: 0 };
    this.#trip = { fastest: trip, at: now };
    this.#known = now;
    this.#ways = [];
    this.filling = this.confirmed = this.knownEmpty = false;
  }
}

/**
 * What a call sends when there is room, and how it steps down when there is none. A step up is tried after some good seconds,
 * and after a failed one only after four times as many.
 */
export class Ladder {
  #steps;
  #at = USUAL;
  /** Whether the peer takes two bundles in one message. */
  pairs = false;
  #patience = 5;
  #changed = 0;
  #goodSince = 0;
  #climbed = false;

  /** @param {number} limitKbps what a step may cost on the wire, by its own estimate; the usual one is always allowed */
  constructor(limitKbps) {
    this.#steps = STEPS.slice(0, Math.max(USUAL + 1, STEPS.filter((step) => kbpsOf(step) <= limitKbps).length));
  }

  get step() {
    if (!this.pairs) this.#at = Math.max(this.#at, USUAL);
    return this.#steps[this.#at];
  }

  /**
   * Kbit/s of the highest step that the network is known to carry: this one, or for some seconds after a step up the one
   * before.
   * @param {number} now
   */
  proven(now) {
    return kbpsOf(this.#steps[this.#at - (this.#climbed && now - this.#changed < 5 ? 1 : 0)]);
  }

  /**
   * The peer recently lost the share `loss` (0..1) of bundles; `filling`, `confirmed`, `knownEmpty`: as in {@link QueueWatch}.
   * @param {number} loss
   * @param {boolean} filling
   * @param {number} now
   * @param {boolean} confirmed
   * @param {boolean} knownEmpty
   */
  report(loss, filling, now, confirmed = false, knownEmpty = true) {
    const usual = this.#at >= USUAL;
    if (now - this.#changed < 2) {
      this.#goodSince = now;
    } else if (filling || (loss > 0.1 && usual)) {
      this.#goodSince = now;
      this.#down(filling, now, confirmed);
    } else {
      if (usual ? loss > 0.03 : !knownEmpty) this.#goodSince = now;
      if (this.#at + 1 < this.#steps.length && now - this.#goodSince >= this.#patience) {
        this.#at += 1;
        [this.#changed, this.#climbed, this.#goodSince] = [now, true, now];
      } else if (this.#climbed && now - this.#changed > 60) {
        [this.#patience, this.#climbed] = [5, false];
      }
    }
  }

  /** @param {boolean} filling @param {number} now @param {boolean} confirmed */
  #down(filling, now, confirmed) {
    if (this.#climbed && now - this.#changed <= 60) this.#patience = Math.min(80, this.#patience * 4);
    this.#climbed = false;
    const lowest = confirmed && this.pairs ? 0 : USUAL;
    if (this.#at <= lowest) return;
    const most = kbpsOf(this.step) * (filling ? 0.75 : 1);
    const carried = this.#steps.slice(0, this.#at).flatMap((step, i) => (kbpsOf(step) <= most ? [i] : []));
    this.#at = Math.max(lowest, ...carried);
    this.#changed = now;
  }

  /**
   * The link has turned out slow before it carried anything else: begin below the usual step. A browser's SACKs take more
   * bytes than aiortc's, and even more once its queue has filled.
   * @param {number} now
   */
  slow(now) {
    if (!this.pairs || this.#at !== USUAL) return;
    [this.#at, this.#changed, this.#goodSince, this.#climbed] = [0, now, now, false];
  }

  /** A new connection has another path, and its peer has yet to say whether it takes pairs. @param {number} now */
  restarted(now) {
    [this.#changed, this.#goodSince, this.#climbed, this.#patience] = [now, now, false, 5];
    this.#at = Math.max(this.#at, USUAL);
    this.pairs = false;
  }
}

/** Whether the sound is sent twice: that helps against loss, but not if our own queue causes it, which grows longer by it. */
export class Redundancy {
  #patience = 10;
  #notBefore = -1;
  #since = 0;
  #loss = 0;
  on = false;

  /**
   * Takes what {@link Ladder.report} takes; returns whether the sound is to be sent twice from now on.
   * @param {number} loss
   * @param {boolean} filling
   * @param {number} now
   */
  report(loss, filling, now) {
    if (this.#notBefore < 0) this.#notBefore = now + 5;
    if (this.on) {
      if (filling || loss > this.#loss + 0.15) {
        this.on = false;
        this.#notBefore = now + this.#patience;
        this.#patience = Math.min(80, this.#patience * 2);
      } else if (loss <= 5 / 255) {
        this.on = false;
      } else if (now - this.#since > 20) {
        this.#patience = 10;
      }
    } else if (filling) {
      this.#notBefore = Math.max(this.#notBefore, now + 10);
    } else if (loss > 5 / 255 && now >= this.#notBefore) {
      [this.on, this.#since, this.#loss] = [true, now, loss];
    }
    return this.on;
  }

  restarted() {
    [this.on, this.#patience, this.#notBefore] = [false, 10, -1];
  }
}
