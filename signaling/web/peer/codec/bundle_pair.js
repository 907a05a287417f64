// Two bundles in one message of the media channel save a packet and its acknowledgement. See docs/format.md for the bytes.

import { MAX_BUNDLE, TICK_MODES } from "./bundle.js";
import { SyntaxLimitError } from "./errors.js";
import { joined, Reader, unsigned } from "./wirebytes.js";

/** The first byte of a pair: flags with a tick mode that no bundle has. */
const MARK = TICK_MODES.length << 5;
/** Bytes of a pair besides its bundles. */
export const OVERHEAD = 3;

/**
 * One message of two packed bundles. Throws {@link SyntaxLimitError} if it has over `MAX_BUNDLE` bytes.
 * @param {Uint8Array} first @param {Uint8Array} second
 */
export function joinBundles(first, second) {
  const message = joined([MARK], unsigned(first.length, 2, "length of a pair's first bundle"), first, second);
  if (message.length > MAX_BUNDLE) throw new SyntaxLimitError(`pair of ${message.length} bytes is over ${MAX_BUNDLE}`);
  return message;
}

/**
 * The bundles of a message, still packed: two of a pair, else the message itself. Throws {@link TruncatedError} and
 * {@link SyntaxLimitError}. The results are not checked: the bundle parser does that.
 * @param {Uint8Array} message
 */
export function splitBundles(message) {
  if (message[0] !== MARK) return [message];
  if (message.length > MAX_BUNDLE) throw new SyntaxLimitError(`pair of ${message.length} bytes is over ${MAX_BUNDLE}`);
  const reader = new Reader(message);
  reader.number(1);
  return [reader.take(reader.number(2)), reader.take(reader.left)];
}
