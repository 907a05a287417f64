// A bounded reader for untrusted bytes, and the variable-length number of Opus (RFC 6716 section 3.2.1).

import { SyntaxLimitError, TruncatedError } from "./errors.js";

/** The greatest length that two bytes of the variable-length number can hold: 255 + 4 × 255. */
export const MAX_LENGTH = 1275;

/** Takes fields off the front of `data`; throws {@link TruncatedError} instead of returning short ones. */
export class Reader {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  get left() {
    return this.data.length - this.at;
  }

  /** @param {number} count @returns {Uint8Array} a copy */
  take(count) {
    if (count > this.left) throw new TruncatedError(`${count} bytes wanted at byte ${this.at}, ${this.left} left`);
    this.at += count;
    return this.data.slice(this.at - count, this.at);
  }

  /** An unsigned big-endian number of `size` bytes. @param {number} size */
  number(size) {
    return this.take(size).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** One byte below 252, else two: first + 4 × second (0..1275). */
  length() {
    const first = this.number(1);
    return first < 252 ? first : first + 4 * this.number(1);
  }
}

/** Inverse of {@link Reader.length}; throws {@link SyntaxLimitError} outside 0..1275. @param {number} value */
export function packLength(value) {
  if (!Number.isInteger(value) || value < 0 || value > MAX_LENGTH) {
    throw new SyntaxLimitError(`length ${value} is outside 0..${MAX_LENGTH}`);
  }
  return value < 252 ? [value] : [252 + (value & 3), (value - 252) >> 2];
}

/**
 * `value` as `size` bytes, big-endian; throws {@link SyntaxLimitError} naming the field when it does not fit.
 * @param {number} value @param {number} size @param {string} name
 */
export function unsigned(value, size, name) {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) {
    throw new SyntaxLimitError(`${name} ${value} does not fit in ${size} byte${size > 1 ? "s" : ""}`);
  }
  return Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * (size - 1 - i))) & 255);
}

/** The parts in one array, one after another. @param {ArrayLike<number>[]} parts */
export function joined(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
