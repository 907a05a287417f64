// Still pictures: a crop as WebP in its plain form, and back.

const SIDE = 256;
/** WebP quality, 0..1: about as sharp as AVIF at quality 70. */
const QUALITY = 0.8;

/** @typedef {import("./image.js").Rgba} Rgba */

/** @param {Uint8Array} data @param {number} at */
const name = (data, at) => String.fromCharCode(...data.subarray(at, at + 4));

/**
 * A lossy WebP that may carry a colour profile → the plain form, the only one that a receiver accepts; null if it is none.
 * @param {Uint8Array} data
 */
export function plainWebp(data) {
  if (name(data, 0) !== "RIFF" || name(data, 8) !== "WEBP") return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 12; at + 8 <= data.length; ) {
    const size = view.getUint32(at + 4, true);
    if (name(data, at) === "VP8 ") return riff(data.subarray(at + 8, at + 8 + size));
    at += 8 + size + (size & 1);
  }
  return null;
}

/** A VP8 key frame as a WebP file (RFC 9649 section 2.4). @param {Uint8Array} frame */
function riff(frame) {
  const padded = frame.length + (frame.length & 1);
  const out = new Uint8Array(20 + padded);
  const view = new DataView(out.buffer);
  for (const [at, text] of /** @type {[number, string][]} */ ([
    [0, "RIFF"],
    [8, "WEBP"],
    [12, "VP8 "],
  ])) {
    for (let i = 0; i < 4; i += 1) out[at + i] = text.charCodeAt(i);
  }
  view.setUint32(4, 12 + padded, true);
  view.setUint32(16, frame.length, true);
  out.set(frame, 20);
  return out;
}

/** A picture of 256×256 as WebP. Throws if the browser can make neither WebP nor VP8. @param {Rgba} image */
export async function encodeStill(image) {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  context.putImageData(new ImageData(new Uint8ClampedArray(image.data), SIDE, SIDE), 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/webp", quality: QUALITY });
  const webp = plainWebp(new Uint8Array(await blob.arrayBuffer()));
  return webp ?? riff(await vp8(canvas));
}

/**
 * For browsers whose canvas makes no WebP: a key frame of their video encoder.
 * @param {OffscreenCanvas} canvas
 * @returns {Promise<Uint8Array>}
 */
async function vp8(canvas) {
  if (typeof VideoEncoder === "undefined") throw new Error("this browser can encode neither WebP nor VP8");
  return new Promise((resolve, reject) => {
    const encoder = new VideoEncoder({
      output: (chunk) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        resolve(data);
      },
      error: reject,
    });
    encoder.configure({ codec: "vp8", width: SIDE, height: SIDE, bitrate: 2_000_000, framerate: 25 });
    const frame = new VideoFrame(canvas, { timestamp: 0 });
    encoder.encode(frame, { keyFrame: true });
    frame.close();
    encoder.flush().then(() => encoder.close(), reject);
  });
}

/**
 * A keyframe's file, whose size has been checked → its pixels. Throws if the browser can't decode it.
 * @param {Uint8Array} file
 * @param {string} form
 * @returns {Promise<Rgba>}
 */
export async function decodeStill(file, form) {
  const blob = new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (file)], { type: `image/${form}` });
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(bitmap, 0, 0, SIDE, SIDE);
  bitmap.close();
  return context.getImageData(0, 0, SIDE, SIDE);
}
