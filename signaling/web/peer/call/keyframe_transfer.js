// Keyframes between two sides: offered by digest, asked for, sent in pieces, confirmed; and those that were received.

import { KeyframeAssembler, packMessage, same, Verb } from "../codec/control.js";
import { nameOf } from "../codec/keyframe.js";
import { sleep } from "../media/clock.js";
import { OVERHEAD, pieceOf } from "./pacing.js";

/** Bytes of a piece, which with its headers is one packet: bundles go between two of them. */
const PIECE = 1100;
/** Seconds between two of the first pieces. Each that finds the way free halves it: nobody knows the link's rate yet. */
const SPACING = 0.12;
const SPACING_MIN = 0.005;
/** Times that one is sent at once on one connection; asked for more often, it goes in pieces. */
const SENT_MAX = 3;
/** Received ones that are remembered. */
const CACHED = 16;
/** Seconds until it is looked again whether there is room. */
const FULL_WAIT = 0.02;

/** @typedef {import("../codec/control.js").KeyframeNotice} KeyframeNotice */
/** @typedef {import("../codec/control.js").KeyframeChunk} KeyframeChunk */
/** @typedef {import("../codec/keyframe.js").Keyframe} Keyframe */
/** @typedef {{ sendControl(data: Uint8Array): boolean, controlFree: boolean }} Way */

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
  }

  /** Tell of the keyframes that this connection wasn't told of, the newest first. */
  #offer() {
    if (this.#withheld) return;
    for (const [slot, { digest }] of [...this.#keyframes].reverse()) {
      const name = `${slot} ${nameOf(digest)}`;
      if (this.#offered.has(name)) continue;
      if (this.#way.sendControl(packMessage({ kind: "notice", verb: Verb.OFFER, slot, digest }))) this.#offered.add(name);
    }
  }

  /** The other side holds one; whether that is new and one of ours. @param {KeyframeNotice} notice */
  confirmed({ slot, digest }) {
    const own = this.#keyframes.get(slot);
    const name = `${slot} ${nameOf(digest)}`;
    if (!own || !same(own.digest, digest) || this.#held.has(name)) return false;
    this.#held.add(name);
    return true;
  }

  /** The other side wants one. @param {KeyframeNotice} notice */
  requested({ slot, digest }) {
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

  /** @param {number} slot */
  async #sendOne(slot) {
    const wanted = this.#keyframes.get(slot);
    const stops = this.#stops;
    let spacing = SPACING;
    for (let offset = 0; wanted && offset < wanted.data.length; ) {
      if (!this.#way.controlFree) {
        await sleep(FULL_WAIT);
        spacing = SPACING;
      } else {
        if (!this.#sendPart(slot, wanted, offset, PIECE)) return;
        offset += PIECE;
        await sleep(spacing);
        spacing = Math.max(SPACING_MIN, spacing / 2);
      }
      if (stops !== this.#stops) return;
    }
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
