// The small picture, 8×8 as a rule: header, prediction, differences. See docs/format.md for the bytes.
//
// A picture is predicted from one that the peer is known to hold (the keyframe's own picture, or one it has acknowledged),
// never from one that may be lost. Encoder and decoder run the same code, so they cannot disagree.

import { PictureTooLongError, ReferenceMissingError, SyntaxLimitError } from "../errors.js";
import { MAX_LENGTH, unsigned } from "../wirebytes.js";
import { checkHeader, codeDistance, codeRest, DISTANCE_MAX, STEPS, sideOf, stepsOf, USUAL } from "./header.js";
import { expectedBits, MODES, walk } from "./planes.js";
import { Decoder, Encoder } from "./rangecoder.js";
import { References, resized } from "./references.js";

/** @typedef {import("./planes.js").Picture} Picture */
/** @typedef {import("./header.js").PictureHeader} PictureHeader */

/** No picture is longer, because a bundle's length field cannot hold more. An 8×8 one never comes near (about 400 bytes of
 * noise at step 1); a 32×32 one of much detail at a fine step would exceed it, and is coded more coarsely. */
export const MAX_BYTES = MAX_LENGTH;
/** Steps by which the quantiser may become coarser than requested to meet a limit: the quality's floor. */
const COARSER = 6;
/** @type {Picture} */
const GREY = { side: 8, ycbcr: new Uint8Array(3 * 64).fill(128) };

/**
 * Code `picture` once, predicted from `reference` → its bytes and the decoded picture. `own`: the keyframe's own picture; it
 * and `reference` are resized to the header's size. `before`: the reference's header. Throws {@link SyntaxLimitError} for
 * another size or mode, and {@link PictureTooLongError} if the result is over {@link MAX_BYTES}.
 * @param {Picture} picture @param {Picture} reference @param {Picture} own @param {PictureHeader} header
 * @param {PictureHeader} before @param {number} mode
 */
export function encodePicture(picture, reference, own, header, before, mode) {
  checkHeader(header);
  const side = sideOf(header);
  if (picture.side !== side || picture.ycbcr.length !== 3 * side * side || !(mode >= 0 && mode < MODES)) {
    throw new SyntaxLimitError(`picture of side ${picture.side}, ${JSON.stringify(header)} and mode ${mode} do not match`);
  }
  const coder = new Encoder();
  codeDistance(coder, header.distance);
  codeRest(coder, header, before);
  const known = { reference: resized(reference, side), thumbnail: resized(own, side), steps: stepsOf(header) };
  const decoded = walk(coder, picture, known, mode);
  const data = coder.finish();
  if (data.length > MAX_BYTES)
    throw new PictureTooLongError(`picture of ${data.length} bytes is over ${MAX_BYTES}; a coarser step is needed`);
  return { data, decoded };
}

/** @param {Uint8Array} data */
function checked(data) {
  if (data.length > MAX_BYTES) throw new SyntaxLimitError(`picture of ${data.length} bytes is over ${MAX_BYTES}`);
  return new Decoder(data);
}

/** Code an 8×8 picture losslessly, predicted only from grey: a keyframe's own. @param {Picture} picture */
export function encodeAlone(picture) {
  const alone = { ...USUAL, luma: 0, chroma: 0 };
  const tries = Array.from({ length: MODES }, (_, mode) => encodePicture(picture, GREY, GREY, alone, USUAL, mode).data);
  return tries.reduce((best, data) => (data.length < best.length ? data : best));
}

/** Inverse of {@link encodeAlone}. Throws only {@link CodecError} and its subclasses. @param {Uint8Array} data */
export function decodeAlone(data) {
  const coder = checked(data);
  const header = codeRest(coder, { ...USUAL, distance: codeDistance(coder, 0) }, USUAL);
  if (header.distance || header.size) throw new SyntaxLimitError("a keyframe's own picture rests on another");
  return walk(coder, null, { reference: GREY, thumbnail: GREY, steps: stepsOf(header) }, 0);
}

/** A stream of pictures on the sending side; picks reference and prediction by their estimated cost. */
export class PictureEncoder {
  /** Quantiser numbers, indexes of STEPS; `size` and `rate` of SIZES and RATES. All four may be changed from one picture to the
   * next. Throws {@link SyntaxLimitError}. */
  constructor(luma = 3, chroma = 3, size = 0, rate = 0) {
    this.luma = luma;
    this.chroma = chroma;
    this.size = size;
    this.rate = rate;
    checkHeader({ ...USUAL, luma, chroma, size, rate });
    this.references = new References();
    /** @type {number | null} */
    this.acknowledged = null;
    /** @type {number | null} */
    this.slot = null;
    /** The newest picture's. @type {PictureHeader} */
    this.header = USUAL;
  }

  /**
   * Use the keyframe in `slot` from now on; `own` is its 8×8 picture. Take the slots in turn: a slot whose keyframe is
   * replaced while pictures that refer to it are under way would make the two sides differ.
   * @param {number} slot @param {Picture} own
   */
  setKeyframe(slot, own) {
    this.references.keepKeyframe(slot, own);
    this.slot = slot;
  }

  /** The peer holds picture `number`. Older acknowledgements that arrive late change nothing. @param {number} number */
  acknowledge(number) {
    if (
      this.references.pictures.has(number) &&
      (this.acknowledged === null || ((number - this.acknowledged) & 0xffff) < 0x8000)
    ) {
      this.acknowledged = number;
    }
  }

  /**
   * Picture number (modulo 2^16, each used once per wrap) and picture → its bytes and the decoded picture. With a `limit` in
   * bytes the quantiser is made coarser, by {@link COARSER} steps at most, until the picture fits; and by as many as it takes
   * until it has no more than {@link MAX_BYTES}. Throws {@link SyntaxLimitError} for a picture of another size,
   * {@link PictureTooLongError} for one of noise from black to white, {@link ReferenceMissingError} without a keyframe.
   * @param {number} number @param {Picture} picture @param {number | null} limit
   */
  encode(number, picture, limit = null) {
    unsigned(number, 2, "picture number");
    if (this.slot === null) throw new ReferenceMissingError("no keyframe is set");
    const last = STEPS.length - 1;
    for (let coarser = 0; ; coarser += 1) {
      const [luma, chroma] = [this.luma, this.chroma].map((q) => Math.min(q + coarser, last));
      const wanted = { distance: 0, slot: this.slot, luma, chroma, size: this.size, rate: this.rate };
      try {
        const found = this.#best(number, picture, wanted);
        if (limit !== null && found.data.length > limit && coarser < COARSER) continue;
        this.references.remember(number, found.decoded, found.header);
        this.header = found.header;
        return { data: found.data, decoded: found.decoded };
      } catch (error) {
        if (!(error instanceof PictureTooLongError) || (luma === last && chroma === last)) throw error;
      }
    }
  }

  /** @param {number} number */
  #distances(number) {
    if (this.acknowledged === null) return [0];
    const distance = (number - this.acknowledged) & 0xffff;
    if (distance > 0 && distance <= DISTANCE_MAX && this.references.pictures.has(this.acknowledged)) return [0, distance];
    // Out of reach for good: forget it, so that after a pause of hours no number stands for two pictures.
    this.acknowledged = null;
    return [0];
  }

  /**
   * Code the picture with the reference and the mode that promise the fewest bits.
   * @param {number} number
   * @param {Picture} picture
   * @param {PictureHeader} wanted
   */
  #best(number, picture, wanted) {
    const side = sideOf(wanted);
    if (picture.side !== side) throw new SyntaxLimitError(`picture is not of side ${side}`);
    const own = this.references.keyframe(wanted);
    let best = { bits: Infinity, distance: 0, mode: 0 };
    for (const distance of this.#distances(number)) {
      const header = { ...wanted, distance };
      const known = { reference: this.references.find(number, header), thumbnail: own, steps: stepsOf(header) };
      for (let mode = 0; mode < MODES; mode += 1) {
        const bits = expectedBits(picture, known, mode);
        if (bits < best.bits) best = { bits, distance, mode };
      }
    }
    const header = { ...wanted, distance: best.distance };
    const before = this.references.headerBefore(number, best.distance);
    return { ...encodePicture(picture, this.references.find(number, header), own, header, before, best.mode), header };
  }
}

/** A stream of pictures on the receiving side. */
export class PictureDecoder {
  constructor() {
    this.references = new References();
  }

  /**
   * Keep `own`, the 8×8 picture of the keyframe in `slot`, for pictures that refer to it.
   * @param {number} slot
   * @param {Picture} own
   */
  setKeyframe(slot, own) {
    this.references.keepKeyframe(slot, own);
  }

  /**
   * The picture and its header. Throws {@link CodecError} or a subclass; the stream continues after one.
   * @param {number} number @param {Uint8Array} data @returns {{ picture: Picture, header: PictureHeader }}
   */
  decode(number, data) {
    const coder = checked(data);
    const distance = codeDistance(coder, 0);
    const header = codeRest(coder, { ...USUAL, distance }, this.references.headerBefore(number, distance));
    const known = {
      reference: this.references.find(number, header),
      thumbnail: this.references.keyframe(header),
      steps: stepsOf(header),
    };
    const picture = walk(coder, null, known, 0);
    this.references.remember(number, picture, header);
    return { picture, header };
  }
}
