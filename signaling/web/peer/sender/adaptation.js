// What to send on this network: the ladder of rates, whether a queue fills, redundant audio. Figures behind the constants are
// told in sender/adaptation/. Times in seconds.

import { TICK_MODES } from "../codec/bundle.js";

/** Bytes of a bundle with its headers, without its sound: what a step costs at each tick. */
const BUNDLE = 85 + 16 + 9 + 28;

/** A tick mode and a bit rate of Opus. @typedef {{ tickMode: number, bitrate: number }} Step */

/** @type {Step[]} */
const STEPS = [
  [0, 6000],
  [0, 8000],
  [1, 8000],
  [1, 12_000],
  [2, 16_000],
  [2, 24_000],
].map(([tickMode, bitrate]) => ({ tickMode, bitrate }));
/** About what a step costs on the wire one way, in kbit/s, while somebody speaks. @param {Step} step */
const kbpsOf = ({ tickMode, bitrate }) => (8 / TICK_MODES[tickMode]) * BUNDLE + bitrate / 1000;

/** Whether a queue fills on the way to the other side: then what is sent is too much, and loss is of our own making. */
export class QueueWatch {
  #fastest = { way: Number.POSITIVE_INFINITY, at: 0 };
  /** @type {number[]} */
  #ways = [];
  #known = 0;
  filling = false;

  /**
   * `way`: seconds from sending a bundle to the report about it; null where not known, which tells nothing new.
   * @param {number | null} way
   * @param {number} now
   */
  report(way, now) {
    if (way === null) {
      if (now - this.#known > 5) this.#ways = [];
    } else {
      this.#known = now;
      if (way <= this.#fastest.way || now - this.#fastest.at > 60) this.#fastest = { way, at: now };
      this.#ways = [...this.#ways, way].slice(-3);
    }
    this.filling = this.#ways.length === 3 && Math.min(...this.#ways) - this.#fastest.way > 0.35;
    return this.filling;
  }

  restarted() {
    this.#fastest = { way: Number.POSITIVE_INFINITY, at: 0 };
    this.#ways = [];
    this.filling = false;
  }
}

/**
 * What a call sends when there is room, and how it climbs down when there is none. A climb is tried after some good seconds,
 * and after one that failed after four times as many.
 */
export class Ladder {
  #steps;
  #at = 0;
  #patience = 5;
  #changed = 0;
  #goodSince = 0;
  #climbed = false;

  /** @param {number} limitKbps what a step may cost on the wire, as it estimates itself; the lowest is always allowed */
  constructor(limitKbps) {
    this.#steps = STEPS.slice(0, Math.max(1, STEPS.filter((step) => kbpsOf(step) <= limitKbps).length));
  }

  get step() {
    return this.#steps[this.#at];
  }

  /**
   * Kbit/s of the highest step that the network is known to carry: this one, or for some seconds after a climb the one before.
   * @param {number} now
   */
  proven(now) {
    return kbpsOf(this.#steps[this.#at - (this.#climbed && now - this.#changed < 5 ? 1 : 0)]);
  }

  /**
   * The other side lost the share `loss` (0..1) of late; `filling`: as {@link QueueWatch} tells.
   * @param {number} loss
   * @param {boolean} filling
   * @param {number} now
   */
  report(loss, filling, now) {
    if (now - this.#changed < 2) {
      this.#goodSince = now;
    } else if (loss > 0.1 || filling) {
      this.#goodSince = now;
      this.#down(filling, now);
    } else {
      if (loss > 0.03) this.#goodSince = now;
      if (this.#at + 1 < this.#steps.length && now - this.#goodSince >= this.#patience) {
        this.#at += 1;
        [this.#changed, this.#climbed, this.#goodSince] = [now, true, now];
      } else if (this.#climbed && now - this.#changed > 60) {
        [this.#patience, this.#climbed] = [5, false];
      }
    }
  }

  /** @param {boolean} filling @param {number} now */
  #down(filling, now) {
    if (this.#climbed && now - this.#changed <= 60) this.#patience = Math.min(80, this.#patience * 4);
    this.#climbed = false;
    if (!this.#at) return;
    const most = kbpsOf(this.step) * (filling ? 0.75 : 1);
    this.#at = Math.max(0, ...this.#steps.slice(0, this.#at).flatMap((step, i) => (kbpsOf(step) <= most ? [i] : [])));
    this.#changed = now;
  }

  /** @param {number} now */
  restarted(now) {
    [this.#changed, this.#goodSince, this.#climbed] = [now, now, false];
  }
}

/** Whether the sound goes twice: it helps against loss, unless the loss is that of our own queue, which it makes longer. */
export class Redundancy {
  #patience = 10;
  #notBefore = -1;
  #since = 0;
  #loss = 0;
  on = false;

  /**
   * As {@link Ladder.report}; whether the next bundle's sound shall go twice.
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
