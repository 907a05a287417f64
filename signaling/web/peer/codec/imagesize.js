// The size of an AVIF or WebP picture, read from its bytes before any decoder sees them.
//
// A decoder trusts the contents: 60 KB of AV1 can hold a frame of 16384×16384 behind a box that says 256×256, and a WebP
// decoder allocates its canvas when it opens. So only the plain form that an encoder of one still picture writes is accepted:
// no animation, alpha plane, second item, or metadata. For AV1 every sequence header is read, because it bounds every frame.

import { MARK } from "./av1_still.js";
import { KeyframeError } from "./errors.js";

const OBU_SEQUENCE_HEADER = 1;

/**
 * `form` "av1": the units of an AVIF file, without its boxes.
 * @typedef {{ form: "avif" | "av1" | "webp", width: number, height: number }} ImageSize
 */

/** Throws {@link KeyframeError} for anything but one plain picture. @param {Uint8Array} data @returns {ImageSize} */
export function imageSize(data) {
  if (text(data, 0, 4) === "RIFF" && text(data, 8, 12) === "WEBP") return { form: "webp", ...webpSize(data) };
  if (text(data, 4, 12) === "ftypavif") return { form: "avif", ...avifSize(data) };
  if (MARK.every((byte, i) => data[i] === byte)) return { form: "av1", ...av1Size(data) };
  throw new KeyframeError("keyframe image is neither AVIF, AV1 nor WebP");
}

/** @param {Uint8Array} data @param {number} start @param {number} end */
const text = (data, start, end) => String.fromCharCode(...data.subarray(start, end));

/** @param {Uint8Array} data @param {number} at @param {number} size */
const big = (data, at, size) => data.subarray(at, at + size).reduce((sum, byte) => sum * 256 + byte, 0);

/** @param {Uint8Array} data */
function webpSize(data) {
  // WebP container specification: "Simple File Format". Lossy: RFC 6386 section 9.1; lossless: RFC 9649 section 3.4.
  if (text(data, 12, 16) === "VP8 " && text(data, 23, 26) === "\x9d\x01\x2a" && data.length >= 30) {
    return { width: (data[26] | (data[27] << 8)) & 0x3fff, height: (data[28] | (data[29] << 8)) & 0x3fff };
  }
  if (text(data, 12, 16) === "VP8L" && data[20] === 0x2f && data.length >= 25) {
    const bits = (data[21] | (data[22] << 8) | (data[23] << 16) | (data[24] << 24)) >>> 0;
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  throw new KeyframeError("keyframe image is not a plain WebP picture");
}

/**
 * Type, start of contents and end of the ISO boxes in `data[start:end]`.
 * @param {Uint8Array} data
 * @param {number} start
 * @param {number} end
 */
function boxes(data, start, end) {
  const found = [];
  while (start < end) {
    const size = big(data, start, 4);
    if (start + 8 > end || size < 8 || size > end - start) throw new KeyframeError("keyframe image has a damaged box");
    found.push({ kind: text(data, start + 4, start + 8), start: start + 8, end: start + size });
    start += size;
  }
  return found;
}

/** @param {Uint8Array} data */
function avifSize(data) {
  const outer = boxes(data, 0, data.length);
  if (outer.map(({ kind }) => kind).join() !== "ftyp,meta,mdat")
    throw new KeyframeError("keyframe image is not one plain AVIF picture");
  const [, meta, mdat] = outer;
  const places = boxes(data, meta.start + 4, meta.end)
    .filter(({ kind }) => kind === "iloc")
    .map(({ start, end }) => data.subarray(start, end));
  // Version 0, offsets and lengths of four bytes, no base offset, one item in this file in one piece.
  const [place] = places;
  if (
    places.length !== 1 ||
    place.length !== 22 ||
    big(place, 0, 4) ||
    big(place, 4, 4) !== 0x44000001 ||
    big(place, 10, 4) !== 1
  ) {
    throw new KeyframeError("keyframe image has more than one item, or its item is split");
  }
  const [offset, length] = [big(place, 14, 4), big(place, 18, 4)];
  if (offset < mdat.start || offset + length > data.length) throw new KeyframeError("keyframe image's data is outside its box");
  return av1Size(data.subarray(offset, offset + length));
}

/**
 * Largest frame that the sequence headers among these OBUs allow (AV1 specification, sections 5.3 and 5.5).
 * @param {Uint8Array} data
 */
function av1Size(data) {
  let [at, width, height] = [0, 0, 0];
  while (at < data.length) {
    const header = data[at];
    // Forbidden bit 0, a size field, reserved bit 0.
    if ((header & 0x83) !== 2) throw new KeyframeError("keyframe image has an AV1 unit without a size");
    at += header & 4 ? 2 : 1;
    let [length, shift] = [0, 0];
    do {
      if (at >= data.length || shift > 28) throw new KeyframeError("keyframe image has a damaged AV1 unit");
      length += (data[at] & 127) * 2 ** shift;
      shift += 7;
      at += 1;
    } while (data[at - 1] & 128);
    if (at + length > data.length) throw new KeyframeError("keyframe image has a damaged AV1 unit");
    if (((header >> 3) & 15) === OBU_SEQUENCE_HEADER) {
      const [w, h] = sequenceSize(data.subarray(at, at + length));
      [width, height] = [Math.max(width, w), Math.max(height, h)];
    }
    at += length;
  }
  return { width, height };
}

/**
 * A frame may override the maximum size within the width of its fields, so these must be no wider than the size needs.
 * @param {Uint8Array} data
 */
function sequenceSize(data) {
  if (data.length < 7 || !(data[0] & 8)) throw new KeyframeError("keyframe image is not coded as a still picture");
  let left = 10;
  /** @param {number} count */
  const bits = (count) => {
    let value = 0;
    for (const end = left + count; left < end; left += 1) value = value * 2 + ((data[left >> 3] >> (7 - (left & 7))) & 1);
    return value;
  };
  const counts = [bits(4) + 1, bits(4) + 1];
  return counts.map((count) => {
    const value = bits(count) + 1;
    if (Math.max(1, bitLength(value - 1)) !== count) {
      throw new KeyframeError("keyframe image has a sequence header with needlessly wide size fields");
    }
    return value;
  });
}

/** @param {number} value below 2^32 */
const bitLength = (value) => 32 - Math.clz32(value);
