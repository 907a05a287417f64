// Keyframes between two sides: offered by digest, asked for, sent in pieces, confirmed; and those that were received.

import { KeyframeAssembler, packMessage, same, Verb } from "../codec/control.js";
import { nameOf } from "../codec/keyframe.js";
import { now, sleep } from "../media/clock.js";
import { OVERHEAD, pieceOf } from "./pacing.js";
import { SlowStart } from "./slow_start.js";

/** Seconds for which the first keyframe has the link to itself, at most; and before it is asked for. */
const FIRST = 8;
const ANSWER = 1;
/** Times that one is sent at once on one connection; asked for more often, it goes in pieces. */
const SENT_MAX = 3;
/** Received ones that are remembered. */
const CACHED = 16;
/** Seconds until it is looked again whether an answer has come. */
const LOOK = 0.005;

/** @typedef {import("../codec/control.js").KeyframeNotice} KeyframeNotice */
/** @typedef {import("../codec/control.js").KeyframeChunk} KeyframeChunk */
/** @typedef {import("../codec/keyframe.js").Keyframe} Keyframe */
/** @typedef {{ sendControl(data: Uint8Array): boolean, controlFree: boolean, fastest: number }} Way */

/** A keyframe in its slot, as a name. @param {number} slot @param {Uint8Array} digest */
const placed = (slot, digest) => `${slot} ${nameOf(digest)}`;

/**
 * Our keyframes on their way to the other side, over one connection after the other. That in use goes at once, for nothing can be
 * drawn without it; the newest in pieces beside the bundles; an older one that was lost over there isn't sent again.
 */
export class KeyframesOut {
  #way;
  /** The slot that our pictures refer to, null before the first. @type {number | null} */
  using = null;
  #newest = -1;
  /** How often each slot's keyframe went out at once. @type {Map<number, number>} */
  #sent = new Map();
  /** The newest one's way, once it was asked for: bytes that are sent already. @type {{ slot: number, offset: number } | null} */
  #pieces = null;
  /** @type {Map<number, { data: Uint8Array, digest: Uint8Array }>} */
  #keyframes = new Map();
  /** @type {Set<string>} */
  #offered = new Set();
  /** Those that the other side has said it holds. @type {Set<string>} */
  #held = new Set();
  /** Slots that were asked for, the one to be sent first at the front. @type {number[]} */
  #wanted = [];
  #sending = false;
  #slowStart = new SlowStart();
  /** When the first was begun to be sent. */
  #began = Number.NEGATIVE_INFINITY;
  /** When the first was offered. */
  #told = Number.POSITIVE_INFINITY;
  /** Whether one was asked for, or was there already. */
  #answered = false;
  /**
   * Of each keyframe the questions whether what was sent has arrived, without an answer yet, and when the last answer came.
   * @type {Map<string, { open: number, answered: number }>}
   */
  #asked = new Map();
  #withheld = false;
  /** Counts the times at which what is under way was given up. */
  #stops = 0;

  /** @param {Way} way */
  constructor(way) {
    this.#way = way;
  }

  /** A keyframe is made. @param {number} slot @param {Uint8Array} data @param {Uint8Array} digest */
  add(slot, data, digest) {
    this.#keyframes.set(slot, { data, digest });
    this.#newest = slot;
    this.#sent.delete(slot);
    if (this.#pieces?.slot === slot) this.#pieces = null;
    this.#offer();
  }

  /** Nothing was offered on the new connection yet. */
  reconnected() {
    this.#offered.clear();
    this.#held.clear();
    this.#sent.clear();
    this.#asked.clear();
    this.#stop();
    this.#offer();
  }

  /** While nobody is to be seen none may be sent; what the other side doesn't have by then is offered again afterwards. @param {boolean} yes */
  withhold(yes) {
    if (yes === this.#withheld) return;
    this.#withheld = yes;
    this.#stop();
    for (const name of this.#offered) if (!this.#held.has(name)) this.#offered.delete(name);
    this.#offer();
  }

  #stop() {
    this.#stops += 1;
    this.#wanted = [];
    this.#pieces = null;
    this.#began = Number.NEGATIVE_INFINITY; // nothing is waited for
  }

  /** Tell of the keyframes that this connection wasn't told of, the newest first. */
  #offer() {
    if (this.#withheld) return;
    for (const [slot, { digest }] of [...this.#keyframes].reverse()) {
      const name = placed(slot, digest);
      if (this.#offered.has(name)) continue;
      if (!this.#tell(slot, digest)) continue;
      this.#offered.add(name);
      this.#told = Math.min(this.#told, now());
    }
  }

  /** Offer one; whether that could be sent. @param {number} slot @param {Uint8Array} digest */
  #tell(slot, digest) {
    return this.#way.sendControl(packMessage({ kind: "notice", verb: Verb.OFFER, slot, digest }));
  }

  /**
   * Whether bundles should wait: the keyframe in use is being transferred, the link may be slow, and the time limit has not
   * passed. The receiver cannot draw without the keyframe.
   */
  get holdBundles() {
    const seconds = now() - (this.#answered ? this.#began : this.#told);
    if (!this.#answered) return seconds >= 0 && seconds < ANSWER;
    return this.#sending && !this.#slowStart.bundlesAllowed && seconds < FIRST;
  }

  /** The other side holds one; whether that is new and one of ours. @param {KeyframeNotice} notice */
  confirmed({ slot, digest }) {
    this.#answered = true;
    const own = this.#keyframes.get(slot);
    const name = placed(slot, digest);
    this.#asked.delete(name);
    if (!own || !same(own.digest, digest) || this.#held.has(name)) return false;
    this.#held.add(name);
    return true;
  }

  /** The other side wants one. @param {KeyframeNotice} notice */
  requested({ slot, digest }) {
    this.#answered = true;
    const asked = this.#asked.get(placed(slot, digest));
    if (asked?.open) {
      asked.open -= 1; // an answer, however late
      asked.answered = now();
      return;
    }
    const wanted = this.#keyframes.get(slot);
    if (!wanted || this.#withheld || !(same(digest, wanted.digest) || digest.every((byte) => !byte))) return;
    const times = this.#sent.get(slot) ?? 0;
    if (slot === this.using && times < SENT_MAX) {
      this.#sent.set(slot, times + Number(!this.#wanted.includes(slot)));
      if (this.#pieces) this.#pieces.offset = 0; // the other side puts one together at a time: that one begins anew afterwards
      if (!this.#wanted.includes(slot)) this.#wanted.push(slot);
      if (!this.#sending) this.#send();
    } else if (slot === this.using || slot === this.#newest) this.#pieces = { slot, offset: 0 };
  }

  /**
   * A piece that takes at most `room` bytes on the wire, where one waits and none is sent at once; gives what it takes.
   * @param {number} room
   */
  sendPiece(room) {
    const wanted = this.#pieces && this.#keyframes.get(this.#pieces.slot);
    if (!this.#pieces || !wanted || this.#sending || !this.#way.controlFree) return 0;
    const size = pieceOf(wanted.data.length - this.#pieces.offset, room);
    if (!size || !this.#sendPart(this.#pieces.slot, wanted, this.#pieces.offset, size)) return 0;
    this.#pieces.offset += size;
    if (this.#pieces.offset >= wanted.data.length) this.#pieces = null;
    return size + OVERHEAD;
  }

  /**
   * Whether it could be sent.
   * @param {number} slot @param {{ data: Uint8Array, digest: Uint8Array }} keyframe @param {number} offset @param {number} size
   */
  #sendPart(slot, { data, digest }, offset, size) {
    const chunk = { slot, digest, total: data.length, offset, data: data.slice(offset, offset + size) };
    return this.#way.sendControl(packMessage({ kind: "chunk", ...chunk }));
  }

  async #send() {
    this.#sending = true;
    try {
      while (this.#wanted.length) {
        const stops = this.#stops;
        await this.#sendOne(this.#wanted[0]);
        if (stops === this.#stops) this.#wanted.shift(); // else it is another's by now
      }
    } finally {
      this.#sending = false;
    }
  }

  /** Whether the link was slow for the first keyframe. */
  get slow() {
    return this.#slowStart.slow;
  }

  /** @param {number} slot */
  async #sendOne(slot) {
    const wanted = this.#keyframes.get(slot);
    if (!wanted) return;
    const way = this.#way;
    const stops = this.#stops;
    let offset = 0;
    this.#slowStart = new SlowStart();
    this.#began = now();
    await this.#slowStart.send({
      get left() {
        return wanted.data.length - offset;
      },
      get free() {
        return way.controlFree;
      },
      get fastest() {
        return way.fastest;
      },
      take: (size) => {
        if (stops !== this.#stops || !this.#sendPart(slot, wanted, offset, size)) return false;
        offset += size;
        return true;
      },
      arrived: (seconds) => this.#arrived(slot, wanted.digest, seconds),
      answered: () => !this.#asked.get(placed(slot, wanted.digest))?.open,
    });
  }

  /**
   * Whether what was sent arrives within so many seconds. A browser tells a page nothing of SCTP's acknowledgements. So the
   * keyframe is offered once more, behind its pieces: who doesn't have all of it asks for it, and that is the answer.
   * @param {number} slot @param {Uint8Array} digest @param {number} seconds
   */
  async #arrived(slot, digest, seconds) {
    const name = placed(slot, digest);
    const asked = this.#asked.get(name) ?? { open: 0, answered: 0 };
    if (!this.#tell(slot, digest)) return false;
    asked.open += 1;
    this.#asked.set(name, asked);
    const until = now() + seconds;
    while (now() < until && asked.open && this.#asked.has(name)) await sleep(LOOK);
    return !asked.open && asked.answered <= until; // in a hidden tab a timer may wake after a second
  }
}

/** The other side's keyframes; the newest are remembered by digest, so that none is sent twice. */
export class KeyframesIn {
  #way;
  #arrived;
  /** @type {Map<string, Keyframe>} */
  #cache = new Map();
  #assembler = new KeyframeAssembler();
  /** What each slot holds. @type {Map<number, string>} */
  #slots = new Map();

  /** @param {Way} way @param {(slot: number, keyframe: Keyframe) => void} arrived */
  constructor(way, arrived) {
    this.#way = way;
    this.#arrived = arrived;
  }

  /** Have it, or ask for it. @param {KeyframeNotice} notice */
  offered({ slot, digest }) {
    const known = this.#cache.get(nameOf(digest));
    if (known && this.#slots.get(slot) !== nameOf(digest)) this.#arrive(slot, known);
    this.#way.sendControl(packMessage({ kind: "notice", verb: known ? Verb.HAVE : Verb.REQUEST, slot, digest }));
  }

  /** @param {number} slot @param {Keyframe} keyframe */
  #arrive(slot, keyframe) {
    this.#slots.set(slot, nameOf(keyframe.digest));
    this.#arrived(slot, keyframe);
  }

  /** A piece came. Throws {@link KeyframeError}. @param {KeyframeChunk} chunk */
  async chunk(chunk) {
    const whole = await this.#assembler.add(chunk);
    if (!whole) return;
    const { slot, keyframe } = whole;
    this.#cache.set(nameOf(keyframe.digest), keyframe);
    while (this.#cache.size > CACHED) this.#cache.delete([...this.#cache.keys()][0]);
    this.#arrive(slot, keyframe);
    this.#way.sendControl(packMessage({ kind: "notice", verb: Verb.HAVE, slot, digest: keyframe.digest }));
  }
}
