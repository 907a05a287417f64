// The keyframe: one sharp 256×256 picture of the person, as AV1 or WebP, with its own 8×8 picture and, if they are known, the
// positions of its face's points. Layout in docs/format.md.
//
// Its bytes carry the 8×8 picture explicitly (coded against grey at step 1), so that the prediction of later pictures does
// not depend on the version of an image library. Decoding the image itself is left to the browser: code that shows it calls
// createImageBitmap on `image`, whose size has been checked here.

import { withFile } from "./av1_still.js";
import { CodecError, KeyframeError } from "./errors.js";
import { imageSize } from "./imagesize.js";
import { decodeAlone, encodeAlone } from "./pictures/picture.js";
import { packPoints, parsePoints } from "./shape/keyframe_points.js";
import { joined, packLength, Reader } from "./wirebytes.js";

export const SIDE = 256;
export const MAX_KEYFRAME = 65_536;
/** Bytes of SHA-256 that name a keyframe in the cache. */
export const HASH = 8;
const MAGIC = [0x46, 0x4b, 0x32]; // "FK2"

/**
 * A parsed keyframe: `data` is what is sent, hashed and compared; `image` the picture's file (AV1 units are put into an AVIF
 * file again); `thumbnail` (8, 8, 3) YCbCr; `points` (54, 2) of its face in pixels, null if unknown.
 * @typedef {{
 *   data: Uint8Array, digest: Uint8Array, image: Uint8Array, form: "avif" | "webp",
 *   thumbnail: import("./pictures/planes.js").Picture, points: Float32Array | null,
 * }} Keyframe
 */

/** A digest as a key of maps. @param {Uint8Array} digest */
export const nameOf = (digest) => digest.join(".");

/** The name of a keyframe: the first bytes of its SHA-256. @param {Uint8Array} data @returns {Promise<Uint8Array>} */
export async function digestOf(data) {
  const hash = await crypto.subtle.digest("SHA-256", /** @type {Uint8Array<ArrayBuffer>} */ (data));
  return new Uint8Array(hash).slice(0, HASH);
}

/**
 * A picture as it is sent (AV1, AVIF or WebP of 256×256), its 8×8 picture and its face's points → keyframe. Throws {@link KeyframeError}.
 * @param {Uint8Array} image @param {import("./pictures/planes.js").Picture} thumbnail @param {Float32Array | null} points
 */
export async function makeKeyframe(image, thumbnail, points) {
  const parts = [encodeAlone(thumbnail), points ? packPoints(points) : new Uint8Array()];
  return parseKeyframe(joined(MAGIC, ...parts.flatMap((part) => [packLength(part.length), part]), image));
}

/**
 * Untrusted bytes → keyframe. The image's size and format are checked; its pixels are not decoded. Throws
 * {@link KeyframeError} only.
 * @param {Uint8Array} data @returns {Promise<Keyframe>}
 */
export async function parseKeyframe(data) {
  if (data.length > MAX_KEYFRAME) throw new KeyframeError(`keyframe of ${data.length} bytes is over ${MAX_KEYFRAME}`);
  let thumbnail, points, image;
  try {
    const reader = new Reader(data);
    if (reader.take(MAGIC.length).some((byte, i) => byte !== MAGIC[i])) throw new KeyframeError("not a keyframe");
    thumbnail = decodeAlone(reader.take(reader.length()));
    const told = reader.take(reader.length());
    points = told.length ? parsePoints(told) : null;
    image = reader.take(reader.left);
  } catch (error) {
    if (error instanceof KeyframeError || !(error instanceof CodecError)) throw error;
    throw new KeyframeError(`keyframe: ${error.message}`);
  }
  const { form, width, height } = imageSize(image);
  if (width !== SIDE || height !== SIDE) throw new KeyframeError(`keyframe image is ${width}x${height}, not ${SIDE}x${SIDE}`);
  const file = form === "av1" ? { image: withFile(image), form: /** @type {const} */ ("avif") } : { image, form };
  return { data, digest: await digestOf(data), ...file, thumbnail, points };
}
