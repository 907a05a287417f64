// Bundles held back until the next one, so that two share a message. Mirrors signaling/call/pairing.py.

import { joinBundles } from "../codec/bundle_pair.js";

/** Bytes of a message that fits into one packet (MTU 1200) with its headers. */
const ROOM = 1024;

/** A packed bundle. @typedef {{ data: Uint8Array, number: number, pausing: boolean }} Packed */

/** Holds at most one bundle. */
export class Pairing {
  /** @type {Packed[]} */
  #held = [];

  get holding() {
    return this.#held.length > 0;
  }

  /**
   * What is sent at the end of a tick: nothing, this bundle, or the held one and this. `bundle` null: this tick has none. A
   * `pausing` bundle is not held back, because the next tick may have none.
   * @param {Packed | null} bundle
   * @param {boolean} paired
   */
  put(bundle, paired) {
    const going = bundle ? [...this.#held, bundle] : this.#held;
    this.#held = [];
    if (!paired || !bundle || going.length > 1 || bundle.pausing) return going;
    this.#held = going;
    return [];
  }

  /** Drop the held bundle: its connection is gone. */
  drop() {
    this.#held = [];
  }
}

/** One or two bundles in as few messages as one packet each allows. @param {Packed[]} bundles */
export function messages(bundles) {
  const [first, second] = bundles.map(({ data }) => data);
  if (second && first.length + second.length <= ROOM) return [joinBundles(first, second)];
  return second ? [first, second] : [first];
}
