// Binary range coder in integers: the arithmetic of LZMA's coder, with a probability passed for every bit.
//
// The encoder emits whole bytes, drops the byte that is always zero at the start and the trailing bytes that the decoder can
// supply as zeros, so that a nearly empty picture costs one or two bytes. Carry handling after Schindler / Pavlov (LZMA SDK).

const TOP = 2 ** 24;
const MASK = 0xffffffff;
/** A probability is that of a 0, in units of 2^-15: 1 to 32767. */
const BITS = 15;

/**
 * What the picture syntax needs of encoder and decoder: both methods return the bit or the value, written or read.
 * @typedef {{ code(zero: number, bit: number): number, codeEqual(value: number, count: number): number }} Coder
 */

/** Bits in, bytes out. @implements {Coder} */
export class Encoder {
  #low = 0; // up to 2^33: more than bit operations can hold
  #span = MASK;
  #cache = 0;
  #pending = 0;
  #first = true;
  /** @type {number[]} */
  #out = [];

  #shift() {
    if (this.#low < 0xff000000 || this.#low > MASK) {
      const carry = this.#low > MASK ? 1 : 0;
      if (!this.#first) this.#out.push((this.#cache + carry) & 255);
      this.#first = false;
      for (; this.#pending; this.#pending -= 1) this.#out.push((255 + carry) & 255);
      this.#cache = Math.floor(this.#low / TOP) & 255;
    } else {
      this.#pending += 1;
    }
    this.#low = (this.#low % TOP) * 256;
  }

  #normalise() {
    while (this.#span < TOP) {
      this.#span = (this.#span << 8) >>> 0;
      this.#shift();
    }
  }

  /** Write `bit`, which is 0 with probability `zero`. @param {number} zero @param {number} bit */
  code(zero, bit) {
    const bound = (this.#span >>> BITS) * zero;
    if (bit) {
      this.#low += bound;
      this.#span -= bound;
    } else {
      this.#span = bound;
    }
    this.#normalise();
    return bit;
  }

  /** `count` bits of `value`, most significant first, each as likely 0 as 1. @param {number} value @param {number} count */
  codeEqual(value, count) {
    for (let i = count - 1; i >= 0; i -= 1) {
      this.#span >>>= 1;
      if ((value >> i) & 1) this.#low += this.#span;
      this.#normalise();
    }
    return value;
  }

  /** The bytes, as few as let the decoder read the same bits when zeros follow. */
  finish() {
    const high = this.#low + this.#span - 1;
    for (const unit of [2 ** 32, 2 ** 24, 2 ** 16, 2 ** 8, 1]) {
      const value = Math.floor(high / unit) * unit;
      if (value >= this.#low) {
        this.#low = value;
        break;
      }
    }
    for (let i = 0; i < 5; i += 1) this.#shift();
    let end = this.#out.length;
    while (end && !this.#out[end - 1]) end -= 1;
    return Uint8Array.from(this.#out.slice(0, end));
  }
}

/** Bytes in, bits out; zeros are read past the end, so no input is too short to decode. @implements {Coder} */
export class Decoder {
  #data;
  #at = 4;
  #span = MASK;
  #code = 0;

  /** @param {Uint8Array} data */
  constructor(data) {
    this.#data = data;
    for (let i = 0; i < 4; i += 1) this.#code = this.#code * 256 + (data[i] ?? 0);
  }

  #normalise() {
    while (this.#span < TOP) {
      this.#code = ((this.#code << 8) | (this.#data[this.#at] ?? 0)) >>> 0;
      this.#at += 1;
      this.#span = (this.#span << 8) >>> 0;
    }
  }

  /** The next bit, which is 0 with probability `zero`. @param {number} zero */
  code(zero) {
    const bound = (this.#span >>> BITS) * zero;
    let bit = 0;
    if (this.#code < bound) {
      this.#span = bound;
    } else {
      this.#code -= bound;
      this.#span -= bound;
      bit = 1;
    }
    this.#normalise();
    return bit;
  }

  /** The next `count` equally likely bits. @param {number} _ @param {number} count */
  codeEqual(_, count) {
    let value = 0;
    for (let i = 0; i < count; i += 1) {
      this.#span >>>= 1;
      const bit = this.#code >= this.#span ? 1 : 0;
      if (bit) this.#code -= this.#span;
      value = value * 2 + bit;
      this.#normalise();
    }
    return value;
  }
}
