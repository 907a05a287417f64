// Keyframes between two peers: offered by digest, requested, sent in pieces, confirmed; and the received ones.

import { KeyframeAssembler, packMessage, same, Verb } from "../codec/control.js";
import { nameOf } from "../codec/keyframe.js";
import { now, sleep } from "../media/clock.js";
import { OVERHEAD, pieceOf } from "./pacing.js";
import { SlowStart } from "./slow_start.js";

/** Seconds for which the first keyframe has the link to itself, at most. */
const FIRST = 8;
/** The same before it is requested. */
const ANSWER = 1;
/** Times that a keyframe is sent at once on one connection; requested more often, it is sent in pieces. */
const SENT_MAX = 3;
/** Received keyframes that are remembered. */
const CACHED = 16;
/** Seconds between two checks for an answer. */
const LOOK = 0.005;

/** @typedef {import("../codec/control.js").KeyframeNotice} KeyframeNotice */
/** @typedef {import("../codec/control.js").KeyframeChunk} KeyframeChunk */
/** @typedef {import("../codec/keyframe.js").Keyframe} Keyframe */
/** @typedef {{ sendControl(data: Uint8Array): boolean, controlFree: boolean, fastest: number }} Way */

/** The name of a keyframe in its slot. @param {number} slot @param {Uint8Array} digest */
const placed = (slot, digest) => `${slot} ${nameOf(digest)}`;

/**
 * Our keyframes on their way to the peer, over one connection after another. The one in use is sent at once, because nothing
 * can be rendered without it. The newest is sent in pieces together with the bundles. An older one that the peer has lost
 * isn't sent again.
 */
export class KeyframesOut {
  #way;
  /** The slot that our pictures refer to, null before the first. @type {number | null} */
  using = null;
  #newest = -1;
  /** How often each slot's keyframe was sent at once. @type {Map<number, number>} */
  #sent = new Map();
  /** The keyframe sent in pieces, once requested, and the bytes sent so far. @type {{ slot: number, offset: number } | null} */
  #pieces = null;
  /** @type {Map<number, { data: Uint8Array, digest: Uint8Array }>} */
  #keyframes = new Map();
  /** @type {Set<string>} */
  #offered = new Set();
  /** Those that the peer has confirmed. @type {Set<string>} */
  #held = new Set();
  /** Slots that were requested, the next to be sent first. @type {number[]} */
  #wanted = [];
  #sending = false;
  #slowStart = new SlowStart();
  /** When the newest transfer at once began. */
  #began = Number.NEGATIVE_INFINITY;
  /** When the first keyframe was offered. */
  #told = Number.POSITIVE_INFINITY;
  /** Whether one was requested, or the peer had it already. */
  #answered = false;
  /**
   * By keyframe. `open`: offers that ask whether the bytes sent have arrived, unanswered yet; `answered`: when one last was.
   * @type {Map<string, { open: number, answered: number }>}
   */
  #asked = new Map();
  #withheld = false;
  /** Counts how often the transfers under way were abandoned. */
  #stops = 0;

  /** @param {Way} way */
  constructor(way) {
    this.#way = way;
  }

  /** Add a new keyframe. @param {number} slot @param {Uint8Array} data @param {Uint8Array} digest */
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

  /** While nobody may be seen no keyframe is sent; what the peer lacks is offered again afterwards. @param {boolean} yes */
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
    this.#began = Number.NEGATIVE_INFINITY; // no transfer delays the bundles
  }

  /** Offer the keyframes that were not offered on this connection yet, the newest first. */
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

  /** Offer one; returns whether the offer could be sent. @param {number} slot @param {Uint8Array} digest */
  #tell(slot, digest) {
    return this.#way.sendControl(packMessage({ kind: "notice", verb: Verb.OFFER, slot, digest }));
  }

  /**
   * Whether bundles should wait: the keyframe in use is being transferred, the link may be slow, and the time limit has not
   * passed. The receiver cannot render without the keyframe.
   */
  get holdBundles() {
    const seconds = now() - (this.#answered ? this.#began : this.#told);
    if (!this.#answered) return seconds >= 0 && seconds < ANSWER;
    return this.#sending && !this.#slowStart.bundlesAllowed && seconds < FIRST;
  }

  /** The peer holds a keyframe; returns whether that is new, and the keyframe is ours. @param {KeyframeNotice} notice */
  confirmed({ slot, digest }) {
    this.#answered = true;
    const own = this.#keyframes.get(slot);
    const name = placed(slot, digest);
    this.#asked.delete(name);
    if (!own || !same(own.digest, digest) || this.#held.has(name)) return false;
    this.#held.add(name);
    return true;
  }

  /** The peer requests a keyframe. @param {KeyframeNotice} notice */
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
      if (this.#pieces) this.#pieces.offset = 0; // the peer assembles one at a time: this one restarts afterwards
      if (!this.#wanted.includes(slot)) this.#wanted.push(slot);
      if (!this.#sending) this.#send();
    } else if (slot === this.using || slot === this.#newest) this.#pieces = { slot, offset: 0 };
  }

  /**
   * Send a piece of at most `room` bytes on the wire, if one waits and no keyframe is sent at once; returns the bytes it takes.
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
   * Send a part of a keyframe; returns whether it could be sent.
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
        if (stops === this.#stops) this.#wanted.shift(); // else the list was replaced meanwhile
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
   * Whether what was sent arrives within so many seconds. Browsers hide SCTP's acknowledgements from pages. So the keyframe is
   * offered once more, behind its pieces: a peer that doesn't have all of it requests it, and that is the answer.
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

/** The peer's keyframes; the newest are remembered by digest, so that none is sent twice. */
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

  /** Confirm a keyframe that is in the cache, or request it. @param {KeyframeNotice} notice */
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

  /** A piece has arrived. Throws {@link KeyframeError}. @param {KeyframeChunk} chunk */
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
