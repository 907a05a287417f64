// Messages of the reliable control channel: one byte of type, then the payload. See docs/format.md for the bytes.
//
// A message of a type that this version does not know parses as null, so that versions can differ. Keyframes are sent here in
// chunks. One is offered by its digest first: a peer that has it in its cache answers "have", and the bytes are not sent.

import { KeyframeError, SyntaxLimitError } from "./errors.js";
import { digestOf, HASH, MAX_KEYFRAME, parseKeyframe } from "./keyframe.js";
import { SIZES, SLOTS } from "./pictures/header.js";
import { NONCE } from "./safety_code.js";
import { joined, Reader, unsigned } from "./wirebytes.js";

export const VERSION = 4;
export const MAX_CHUNK = 16_384;
const MAX_HELLO = 1024;
const MAX_TICK_MODES = 8;
const NAME = /^[A-Za-z0-9._+-]{0,64}$/;
const HELLO = 1;
const CHUNK = 2;
const NOTICE = 3;
const BYE = 5;
const COMMITMENT = 6;
const NUMBER = 7;
// 4 is reserved.

/** OFFER: I have this for you. HAVE: I hold it, use it. REQUEST: send it (digest of zeros: whatever is in the slot). */
export const Verb = Object.freeze({ OFFER: 0, HAVE: 1, REQUEST: 2 });

/**
 * What a peer supports: protocol version, picture side, ticks in milliseconds, network's name, pairs of bundles.
 * @typedef {{ kind: "hello", version: number, size: number, tickModes: number[], model: string, pairs: boolean }} Hello
 */
/**
 * `data` at `offset` of the keyframe of `total` bytes named `digest`, which goes into `slot`.
 * @typedef {{ kind: "chunk", slot: number, digest: Uint8Array, total: number, offset: number, data: Uint8Array }} KeyframeChunk
 */
/**
 * A notice about the keyframe `digest` in `slot`.
 * @typedef {{ kind: "notice", verb: number, slot: number, digest: Uint8Array }} KeyframeNotice
 */
/** The sender hangs up. @typedef {{ kind: "bye" }} Bye */
/**
 * The hash of this side's random number for the safety code, or the number itself.
 * @typedef {{ kind: "commitment" | "number", data: Uint8Array }} Safety
 */
/** @typedef {Hello | KeyframeChunk | KeyframeNotice | Bye | Safety} Message */

/** A message → its bytes. Throws {@link SyntaxLimitError} if a field is out of range. @param {Message} message */
export function packMessage(message) {
  check(message);
  switch (message.kind) {
    case "hello": {
      const { version, size, tickModes: rungs, model, pairs } = message;
      const fields = { version, size, rungs, model, ...(pairs && { pairs }) };
      return joined([HELLO], new TextEncoder().encode(JSON.stringify(fields)));
    }
    case "chunk": {
      const place = [...unsigned(message.total, 4, "total"), ...unsigned(message.offset, 4, "offset")];
      return joined([CHUNK, message.slot], message.digest, place, message.data);
    }
    case "notice":
      return joined([NOTICE, message.verb, message.slot], message.digest);
    case "bye":
      return new Uint8Array([BYE]);
    case "commitment":
    case "number":
      return joined([message.kind === "number" ? NUMBER : COMMITMENT], message.data);
  }
}

/**
 * One message; null for a type that is not known. Throws {@link TruncatedError} or {@link SyntaxLimitError}.
 * @param {Uint8Array} data
 * @returns {Message | null}
 */
export function parseMessage(data) {
  const reader = new Reader(data);
  /** @type {Message} */
  let message;
  switch (reader.number(1)) {
    case HELLO:
      return parseHello(reader.take(reader.left));
    case CHUNK: {
      const [slot, digest, total, offset] = [reader.number(1), reader.take(HASH), reader.number(4), reader.number(4)];
      message = { kind: "chunk", slot, digest, total, offset, data: reader.take(reader.left) };
      break;
    }
    case NOTICE: {
      const [verb, slot] = [reader.number(1), reader.number(1)];
      if (verb > Verb.REQUEST) throw new SyntaxLimitError(`keyframe notice ${verb} is not known`);
      message = { kind: "notice", verb, slot, digest: reader.take(HASH) };
      break;
    }
    case BYE:
      message = { kind: "bye" };
      break;
    case COMMITMENT:
      message = { kind: "commitment", data: reader.take(NONCE) };
      break;
    case NUMBER:
      message = { kind: "number", data: reader.take(NONCE) };
      break;
    default:
      return null;
  }
  check(message);
  if (reader.left) throw new SyntaxLimitError(`${reader.left} bytes left over after the message`);
  return message;
}

/** @param {Message} message */
function check(message) {
  if (message.kind === "hello") return checkHello(message);
  if (message.kind === "bye") return;
  if (message.kind === "chunk" || message.kind === "notice") return checkKeyframe(message);
  if (message.data.length !== NONCE) {
    throw new SyntaxLimitError(`${message.data.length} bytes for the safety code, not ${NONCE}`);
  }
}

/** @param {KeyframeChunk | KeyframeNotice} message */
function checkKeyframe(message) {
  const { slot, digest } = message;
  if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS || digest.length !== HASH) {
    throw new SyntaxLimitError(`slot ${slot} with a digest of ${digest.length} bytes does not name a keyframe`);
  }
  if (message.kind !== "chunk") return;
  const { total, offset, data } = message;
  if (total <= 0 || total > MAX_KEYFRAME)
    throw new SyntaxLimitError(`keyframe of ${total} bytes is outside 1..${MAX_KEYFRAME}`);
  if (!data.length || data.length > MAX_CHUNK || offset < 0 || offset + data.length > total) {
    throw new SyntaxLimitError(`keyframe chunk of ${data.length} bytes at ${offset} does not fit`);
  }
}

/** @param {Hello} hello */
function checkHello({ version, size, tickModes, model }) {
  if (![version, size, ...tickModes].every(Number.isInteger) || version < 1 || version > 255) {
    throw new SyntaxLimitError("hello: version, size or rungs are not numbers in range");
  }
  const known = SIZES.includes(size) && tickModes.length && tickModes.length <= MAX_TICK_MODES;
  if (!known || tickModes.some((ms) => ms < 20 || ms > 1000)) throw new SyntaxLimitError("hello: size or rungs are not known");
  if (typeof model !== "string" || !NAME.test(model)) {
    throw new SyntaxLimitError("hello: model is not a name of up to 64 letters, digits and . _ + -");
  }
}

/** @param {Uint8Array} data @returns {Hello} */
function parseHello(data) {
  if (data.length > MAX_HELLO) throw new SyntaxLimitError(`hello of ${data.length} bytes is over ${MAX_HELLO}`);
  let fields;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
  } catch (error) {
    throw new SyntaxLimitError(`hello is not JSON: ${/** @type {Error} */ (error).name}`);
  }
  if (typeof fields !== "object" || fields === null || !Array.isArray(fields.rungs)) {
    throw new SyntaxLimitError("hello is not an object with rungs");
  }
  /** @type {Hello} */
  const hello = {
    kind: "hello",
    version: fields.version ?? 0,
    size: fields.size ?? 0,
    tickModes: fields.rungs,
    model: fields.model === undefined ? "" : fields.model,
    pairs: fields.pairs === true,
  };
  checkHello(hello);
  return hello;
}

/** Assembles one keyframe at a time from its chunks, which arrive in order. Holds at most 64 KiB. */
export class KeyframeAssembler {
  /** @type {KeyframeChunk | null} */
  #first = null;
  #data = new Uint8Array();

  /**
   * The keyframe that this chunk completes, else null. A chunk at offset 0 starts over. Throws {@link KeyframeError} for a
   * chunk that does not follow the one before, a wrong digest or a bad keyframe, and drops what was collected.
   * @param {KeyframeChunk} chunk @returns {Promise<{ slot: number, keyframe: import("./keyframe.js").Keyframe } | null>}
   */
  async add(chunk) {
    if (chunk.offset === 0) {
      this.#first = chunk;
      this.#data = new Uint8Array();
    }
    const first = this.#first;
    this.#first = null; // put back below; any error leaves the assembler empty
    if (!first || chunk.offset !== this.#data.length) {
      throw new KeyframeError(`keyframe chunk at ${chunk.offset} does not follow the one before`);
    }
    if (first.slot !== chunk.slot || first.total !== chunk.total || !same(first.digest, chunk.digest)) {
      throw new KeyframeError("keyframe chunk belongs to another keyframe");
    }
    this.#data = joined(this.#data, chunk.data);
    if (this.#data.length < chunk.total) {
      this.#first = first;
      return null;
    }
    const data = this.#data;
    this.#data = new Uint8Array();
    if (!same(await digestOf(data), chunk.digest)) throw new KeyframeError("keyframe does not match its digest");
    return { slot: chunk.slot, keyframe: await parseKeyframe(data) };
  }
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export function same(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
