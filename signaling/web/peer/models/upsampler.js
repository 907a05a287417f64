// The two networks that render: a keyframe's features once, then a frame for each step; and the one that interpolates pictures.

import { POINTS } from "../codec/shape/basis.js";

/** Frames in a tick of 200 ms, and pictures in the network's window. */
export const FRAMES = 5;
const SIDE = 256;
const NO_DETAIL = new Float32Array(3 * 64 * 64);
const NO_SHAPE = new Float32Array(2 * POINTS * 2);

/** @typedef {import("./onnx_network.js").Network} Network */
/** @typedef {Record<string, Float32Array>} KeyframeFeatures */

/**
 * The inputs of a frame: pictures (5, 3, 8, 8) RGB in [0, 1] around it, log-mel (20, 80), the detail that larger pictures show
 * beyond 8×8 (3, 64, 64), the points of the keyframe's face and of the frame's (2, 54, 2); the last two null if unknown.
 * @typedef {{ pictures: Float32Array, speech: Float32Array, detail: Float32Array | null, shape: Float32Array | null }} Driven
 */

/** Keyframe + pictures + speech → frames. One call at a time. */
export class Upsampler {
  #identity;
  #step;
  /** @type {KeyframeFeatures | null} */
  #fixed = null;

  /** @param {Network} identity @param {Network} step */
  constructor(identity, step) {
    this.#identity = identity;
    this.#step = step;
    /** How little the keyframe explained the newest frame, in [0, 1]; at 1 the frame is soft all over. */
    this.doubt = 0;
  }

  /**
   * The features of a keyframe, planes (3, 256, 256) in [0, 1].
   * @param {Float32Array} keyframe
   * @returns {Promise<KeyframeFeatures>}
   */
  async identity(keyframe) {
    return { keyframe, ...(await this.#identity.run({ keyframe })) };
  }

  /** Render this person from now on. @param {KeyframeFeatures} features */
  use(features) {
    this.#fixed = features;
  }

  /**
   * The frame, RGBA 256×256. Throws before the first {@link use}.
   * @param {Driven} driven
   * @returns {Promise<Uint8ClampedArray<ArrayBuffer>>}
   */
  async step({ pictures, speech, detail, shape }) {
    if (!this.#fixed) throw new Error("no identity is set");
    const found = await this.#step.run({
      ...this.#fixed,
      pictures,
      speech,
      detail: detail ?? NO_DETAIL,
      shape: shape ?? NO_SHAPE,
    });
    this.doubt = found.doubt?.[0] ?? 0;
    const rgba = new Uint8ClampedArray(4 * SIDE * SIDE).fill(255);
    const { frame } = found;
    for (let i = 0; i < SIDE * SIDE; i += 1) {
      rgba[4 * i] = frame[i] * 255;
      rgba[4 * i + 1] = frame[SIDE * SIDE + i] * 255;
      rgba[4 * i + 2] = frame[2 * SIDE * SIDE + i] * 255;
    }
    return rgba;
  }

  /**
   * Run both, so that the first frame of a call isn't the slow one. Returns the milliseconds of a frame after that, and the
   * frame, so that two ways of rendering can be compared.
   */
  async warmup() {
    const wave = (/** @type {number} */ length, /** @type {number} */ period) =>
      Float32Array.from({ length }, (_, i) => 0.5 + 0.3 * Math.sin(i / period));
    this.use(await this.identity(wave(3 * SIDE * SIDE, 37)));
    const driven = { pictures: wave(FRAMES * 192, 5), speech: wave(1600, 11), detail: null, shape: null };
    await this.step(driven);
    const began = performance.now();
    const frame = await this.step(driven);
    this.#fixed = null;
    return { ms: performance.now() - began, frame };
  }
}

/** Pictures at 5 FPS → 25 FPS (paper section 3.2). */
export class Interpolator {
  #network;

  /** @param {Network} network */
  constructor(network) {
    this.#network = network;
  }

  /**
   * The newest five pictures (3, 8, 8), oldest first → the five frames of the newest tick; the last of them is the newest
   * picture itself.
   * @param {Float32Array[]} pictures
   */
  async tick(pictures) {
    const size = pictures[0].length;
    const window = new Float32Array(FRAMES * size);
    for (const [i, picture] of pictures.entries()) window.set(picture, i * size);
    const { frames } = await this.#network.run({ pictures: window });
    return Array.from({ length: FRAMES }, (_, i) => {
      const at = frames.length - (FRAMES - i) * size;
      return frames.slice(at, at + size).map((value) => Math.min(Math.max(value, 0), 1));
    });
  }
}
