// The safety code: four words that both sides of a call see, the same ones only if there is no man in the middle.
// codec/safety_code.py explains the design.

import { SyntaxLimitError } from "./errors.js";
import { WORDS } from "./safety_words.js";
import { joined } from "./wirebytes.js";

/** Bytes of a side's random number; of a fingerprint and of a commitment as well. */
export const NONCE = 32;
/** Words in a code: 32 bits. */
const COUNT = 4;
const LABEL = new TextEncoder().encode("facewire safety code 1");
const FINGERPRINT = /^a=fingerprint:sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})\s*$/gim;

/** @param {Uint8Array} data */
const sha256 = async (data) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", /** @type {Uint8Array<ArrayBuffer>} */ (data)));

/** The SHA-256 of a session description's certificate, 32 bytes; null if it has none, or several. @param {string} sdp */
export function fingerprint(sdp) {
  const found = new Set(Array.from(sdp.matchAll(FINGERPRINT), ([, value]) => value.toUpperCase()));
  if (found.size !== 1) return null;
  return Uint8Array.from([...found][0].split(":"), (byte) => Number.parseInt(byte, 16));
}

/**
 * The description without fingerprints of other kinds: the browser must then check the certificate against the one that the
 * code is made of.
 * @param {string} sdp
 */
export function onlySha256(sdp) {
  return sdp.replace(/^a=fingerprint:(?!sha-256 ).*\r?\n/gim, "");
}

/** One connection's code. Send the commitment; pass in what the peer sends. */
export class SafetyCode {
  #own;
  #other;
  #nonce;
  /** @type {Uint8Array | null} */
  #committed = null;
  /** The code, once both numbers are known. @type {string[]} */
  words = [];

  /**
   * @param {Uint8Array} own
   * @param {Uint8Array} other fingerprints of both certificates
   * @param {Uint8Array} nonce given only in tests
   */
  constructor(own, other, nonce = crypto.getRandomValues(new Uint8Array(NONCE))) {
    this.#own = own;
    this.#other = other;
    this.#nonce = nonce;
  }

  /** The commitment, 32 bytes, which is sent first. */
  commitment() {
    return sha256(this.#nonce);
  }

  /**
   * The peer's commitment arrived; returns the number to be sent now. Throws {@link SyntaxLimitError} for a second one.
   * @param {Uint8Array} commitment
   */
  committed(commitment) {
    if (this.#committed) throw new SyntaxLimitError("a second commitment to a safety code");
    this.#committed = commitment;
    return this.#nonce;
  }

  /**
   * The peer's number arrived; returns the words. Throws {@link SyntaxLimitError} if it does not match the commitment.
   * @param {Uint8Array} nonce
   */
  async revealed(nonce) {
    const hash = await sha256(nonce);
    if (!this.#committed?.every((byte, i) => byte === hash[i])) {
      throw new SyntaxLimitError("a number for the safety code that was not committed to");
    }
    const sides = [joined(this.#own, this.#nonce), joined(this.#other, nonce)].sort(order);
    const digest = await sha256(joined(LABEL, ...sides));
    this.words = Array.from(digest.subarray(0, COUNT), (byte) => WORDS[byte]);
    return this.words;
  }
}

/** @param {Uint8Array} a @param {Uint8Array} b */
function order(a, b) {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? 0 : a[at] - b[at];
}
