// The safety code of the connection that is up (codec/safety_code.js), exchanged over its control channel.

import { packMessage } from "../codec/control.js";
import { SafetyCode } from "../codec/safety_code.js";

/** Holds one connection's code; a new connection has a new one, because the peer's certificate may have changed. */
export class Safety {
  #send;
  #told;
  /** @type {SafetyCode | null} */
  #code = null;

  /**
   * @param {(data: Uint8Array) => void} send on the control channel
   * @param {(words: string[]) => void} told called with the code, [] while it is unknown
   */
  constructor(send, told) {
    this.#send = send;
    this.#told = told;
  }

  /** A connection is up: send this side's commitment. @param {{ own: Uint8Array, other: Uint8Array } | null} fingerprints */
  async begin(fingerprints) {
    this.#code = fingerprints && new SafetyCode(fingerprints.own, fingerprints.other);
    this.#told([]);
    if (this.#code) this.#send(packMessage({ kind: "commitment", data: await this.#code.commitment() }));
  }

  /** A message of the exchange came. Throws {@link SyntaxLimitError}. @param {import("../codec/control.js").Safety} message */
  async received({ kind, data }) {
    if (!this.#code) return;
    if (kind === "number") this.#told(await this.#code.revealed(data));
    else this.#send(packMessage({ kind: "number", data: this.#code.committed(data) }));
  }
}
