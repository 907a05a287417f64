// AV1 still pictures without the file around them: a keyframe's picture as it is sent.
//
// An AVIF file of one picture wraps the units of an AV1 stream in 275 bytes of boxes, the same for every keyframe. Only the
// units are sent; the receiver puts them into the same boxes again (ISO/IEC 23008-12, AVIF 1.1).

import { joined } from "./wirebytes.js";

const SIDE = 256;
/** What the units begin with: a temporal delimiter (AV1 specification, section 5.6). */
export const MARK = [0x12, 0x00];

/** @param {number} value */
const big = (value) => new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);

/** @param {string} digits */
const hex = (digits) => Uint8Array.from(digits.replaceAll(" ", "").match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/** @param {string} letters */
const ascii = (letters) => Uint8Array.from(letters, (letter) => letter.charCodeAt(0));

/** @param {string} kind @param {...Uint8Array} parts */
function box(kind, ...parts) {
  const size = parts.reduce((sum, part) => sum + part.length, 8);
  return joined(big(size), ascii(kind), ...parts);
}

/** The boxes before `mdat`; the units are `length` bytes from `at` on. @param {number} at @param {number} length */
function head(at, length) {
  const properties = [
    box("ispe", new Uint8Array(4), big(SIDE), big(SIDE)),
    box("pixi", hex("00000000 03 080808")), // three components of 8 bits
    box("av1C", hex("81000c00")), // main profile, 4:2:0
    box("colr", ascii("nclx"), hex("0001 000d 0006 80")), // BT.709's primaries, sRGB, BT.601's matrix, full range
  ];
  const meta = [
    box("hdlr", new Uint8Array(8), ascii("pict"), new Uint8Array(13)),
    box("pitm", hex("00000000 0001")),
    box("iloc", hex("00000000 4400 0001 0001 0000 0001"), big(at), big(length)),
    box("iinf", hex("00000000 0001"), box("infe", hex("02000000 0001 0000"), ascii("av01Color\0"))),
    box("iprp", box("ipco", ...properties), box("ipma", hex("00000000 00000001 0001 04 01028304"))),
  ];
  return joined(
    box("ftyp", ascii("avif"), new Uint8Array(4), ascii("avifmif1miafMA1B")),
    box("meta", new Uint8Array(4), ...meta),
  );
}

/** The units of a picture of 256×256, 8 bits and 4:2:0 → an AVIF file. @param {Uint8Array} units */
export function withFile(units) {
  const begin = head(0, 0).length + 8;
  return joined(head(begin, units.length), box("mdat", units));
}
