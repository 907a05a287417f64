// Bundles → what must be shown and heard: one tick's frames as network inputs, and its sound.

import { NO_CAMERA } from "../codec/bundle.js";
import { CodecError } from "../codec/errors.js";
import { PictureDecoder } from "../codec/pictures/picture.js";
import { grid, RATE } from "../media/timing.js";
import { HOP, logMel, WINDOW, WINDOW_FRAMES, windowRows } from "../models/mel.js";
import { FRAMES } from "../models/upsampler.js";
import { ShapeTrack } from "./shape_track.js";
import { between, detailOf, toNetwork } from "./small_pictures.js";

const HISTORY = 4;
/** Samples of sound kept, further back than a mel row reaches: a whole number of hops, so that rows align as in training. */
const KEEP = HOP * Math.ceil(WINDOW / HOP);
/** A picture waits for its tick until its number is further than this from the newest. */
const KEPT = 64;

/** @typedef {import("../codec/bundle.js").Bundle} Bundle */
/** @typedef {import("./small_pictures.js").NetworkPicture} NetworkPicture */
/**
 * One frame to render: its number on the 25 FPS grid, the keyframe's slot, and the network's other inputs.
 * @typedef {{ number: number, slot: number, driven: import("../models/upsampler.js").Driven }} FrameInput
 */
/**
 * One tick: its frames (none before the first picture or while the camera is off), mono 16 kHz sound, whether it had to be
 * concealed (neither its bundle nor the copy in the next one arrived), and whether the camera is off.
 * @typedef {{ frames: FrameInput[], sound: Float32Array, concealed: boolean, hidden: boolean }} TickOutput
 */
/**
 * Opus packets → samples; none, or lost ones, are concealed.
 * @typedef {{ decode(packets: Uint8Array[], samples: number): Promise<Float32Array> }} SpeechDecoder
 */

/** The receiving end of one stream. Pictures are decoded when they arrive, ticks are assembled when they are due. */
export class TickDecoder {
  #interpolator;
  #speech;
  #pictures = new PictureDecoder();
  #shapes = new ShapeTrack();
  /** @type {Map<number, { shown: NetworkPicture, slot: number }>} */
  #decoded = new Map();
  /** Pictures as sent, newest last. @type {NetworkPicture[]} */
  #sent = [];
  /** The same on the 25 FPS grid. @type {Float32Array[]} */
  #shown = [];
  /** The picture at the end of the next tick, in case its bundle is left out. @type {NetworkPicture | null} */
  #pending = null;
  #slot = 0;
  #hidden = false;
  #tickMs = 0;
  #samples = new Float32Array(KEEP);
  /** Mel rows of the newest sound, the newest last. @type {Float32Array[]} */
  #mel = logMel(new Float32Array(HOP * (2 * WINDOW_FRAMES - 1)));
  /** Whether the next tick may have no bundle: the one before announced that. */
  pausing = false;
  errors = 0;

  /** @param {import("../models/upsampler.js").Interpolator} interpolator @param {SpeechDecoder} speech */
  constructor(interpolator, speech) {
    this.#interpolator = interpolator;
    this.#speech = speech;
  }

  /**
   * A keyframe arrived; its 8×8 picture is used as the previous picture until the first one arrives.
   * @param {number} slot
   * @param {import("../codec/keyframe.js").Keyframe} keyframe
   */
  setKeyframe(slot, keyframe) {
    this.#pictures.setKeyframe(slot, keyframe.thumbnail);
    this.#shapes.setKeyframe(slot, keyframe.points);
    if (this.#sent.length) return;
    this.#sent.push(toNetwork(keyframe.thumbnail));
    this.#slot = slot;
  }

  /**
   * Decode the bundle's picture at once, so that it can be acknowledged; returns whether there was a valid one.
   * @param {Bundle} bundle
   */
  arrived(bundle) {
    if (!bundle.picture) return false;
    const { number } = bundle;
    const found = this.#unlessBroken(() => this.#pictures.decode(number, /** @type {Uint8Array} */ (bundle.picture)));
    if (!found) return false;
    this.#decoded.set(number, { shown: toNetwork(found.picture), slot: found.header.slot });
    const { shape } = bundle;
    if (shape) this.#unlessBroken(() => this.#shapes.arrived(number, found.header, shape));
    else this.#shapes.forget(number);
    for (const old of this.#decoded.keys()) {
      if (((number - old) & 0xffff) > KEPT && ((old - number) & 0xffff) > KEPT) this.#decoded.delete(old);
    }
    return true;
  }

  /** @template T @param {() => T} decode @returns {T | null} null, and counted, if the input is broken */
  #unlessBroken(decode) {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.errors += 1;
      return null;
    }
  }

  /** Mel rows of the newest sound; the last belongs to the tick's end. @param {Float32Array} sound */
  #heard(sound) {
    const all = new Float32Array(KEEP + sound.length);
    all.set(this.#samples);
    all.set(sound, KEEP);
    this.#samples = all.slice(-KEEP);
    this.#mel = [...this.#mel, ...logMel(all).slice(-sound.length / HOP)].slice(-2 * WINDOW_FRAMES);
    return this.#mel;
  }

  /**
   * The tick that begins `atMs` after the stream began. `bundle` null: lost; `redundant` is its sound from the next one.
   * `seen` false: its frames are not needed, so none are interpolated.
   * @param {number} atMs @param {number} tickMs @param {Bundle | null} bundle @param {Uint8Array[]} redundant @param {boolean} seen
   * @returns {Promise<TickOutput>}
   */
  async tick(atMs, tickMs, bundle, redundant = [], seen = true) {
    if (tickMs !== this.#tickMs) {
      // Older pictures are spaced differently in time, so the interpolator must not use them.
      this.#tickMs = tickMs;
      this.#sent = this.#sent.slice(-1);
    }
    const packets = bundle ? bundle.sound : redundant;
    const sound = await this.#speech.decode(packets, (RATE * tickMs) / 1000);
    const found = bundle ? (this.#decoded.get(bundle.number) ?? null) : null;
    if (bundle) this.#decoded.delete(bundle.number);
    const concealed = !packets.length && !bundle && !this.pausing;
    this.pausing = bundle?.pausing ?? false;
    if (bundle) this.#hidden = NO_CAMERA.includes(bundle.face);
    if (this.#hidden) {
      // A camera that is off shows nothing: not the last picture, and least of all with moving lips.
      this.#sent = [];
      this.#shown = [];
      this.#pending = null;
      this.#shapes.reset();
      this.#heard(sound);
      return { frames: [], sound, concealed, hidden: true };
    }
    this.#take(bundle, found);
    const numbers = grid(atMs, tickMs);
    const mel = this.#heard(sound);
    const shapes = this.#shapes.tick(bundle, found !== null, numbers.length);
    const omitted = !seen && numbers.length === FRAMES; // shorter ticks need the frames before them, but no network
    if (omitted) this.#shown = [];
    if (omitted || !this.#sent.length) return { frames: [], sound, concealed, hidden: false };
    return { frames: await this.#frames(numbers, mel, shapes), sound, concealed, hidden: false };
  }

  /**
   * Append the tick's picture, or its substitute.
   * @param {Bundle | null} bundle
   * @param {{ shown: NetworkPicture, slot: number } | null} found
   */
  #take(bundle, found) {
    const pending = this.#pending;
    this.#pending = null;
    const newest = this.#sent[this.#sent.length - 1];
    if (found) {
      const halfway = bundle?.pausing && newest;
      this.#pending = halfway ? found.shown : null;
      this.#append(halfway ? middle(newest, found.shown) : found.shown);
      this.#slot = found.slot;
    } else if (!bundle && pending) {
      this.#append(pending);
    } else if (newest) {
      this.#append(newest);
    }
  }

  /** @param {NetworkPicture} shown */
  #append(shown) {
    this.#sent = [...this.#sent, shown].slice(-FRAMES);
  }

  /**
   * @param {number[]} numbers
   * @param {Float32Array[]} mel
   * @param {(Float32Array | null)[]} shapes
   * @returns {Promise<FrameInput[]>}
   */
  async #frames(numbers, mel, shapes) {
    const count = numbers.length;
    const first = this.#shown.length;
    const shown = [...this.#shown, ...(await this.#between(count))];
    this.#shown = shown.slice(-HISTORY);
    // The newest frame lies one frame before the tick's end, and so four mel rows.
    const newest = mel.length - 1 - 4;
    return numbers.map((number, i) => {
      const window = [-2, -1, 0, 1, 2].map((k) => shown[Math.min(Math.max(first + i + k, 0), shown.length - 1)]);
      const pictures = new Float32Array(FRAMES * window[0].length);
      for (const [k, picture] of window.entries()) pictures.set(picture, k * picture.length);
      const speech = windowRows(mel, newest - 4 * (numbers[count - 1] - number), newest);
      const detail = this.#detail(window[2], (i + 1) / count);
      return { number, slot: this.#slot, driven: { pictures, speech, detail, shape: shapes[i] } };
    });
  }

  /**
   * The detail that larger pictures show beyond `picture`, `share` of the way from the one before to the newest.
   * @param {Float32Array} picture
   * @param {number} share
   */
  #detail(picture, share) {
    const [before, now] = [this.#sent[this.#sent.length - 2]?.larger, this.#sent[this.#sent.length - 1].larger];
    if (!now) return null;
    const there = before?.side === now.side ? between(before.planes, now.planes, share) : now.planes;
    return detailOf(picture, there, now.side);
  }

  /** The tick's pictures on the 25 FPS grid, the last of them the newest as sent. @param {number} count */
  async #between(count) {
    const sent = this.#sent.map(({ small }) => small);
    if (count === FRAMES) {
      const window = [...new Array(FRAMES - sent.length).fill(sent[0]), ...sent];
      return this.#interpolator.tick(window);
    }
    const [old, now] = [sent[sent.length - 2] ?? sent[sent.length - 1], sent[sent.length - 1]];
    return Array.from({ length: count }, (_, i) => between(old, now, (i + 1) / count));
  }
}

/** @param {NetworkPicture} a @param {NetworkPicture} b @returns {NetworkPicture} */
function middle(a, b) {
  const [before, after] = [a.larger, b.larger];
  const alike = before && after && before.side === after.side;
  return {
    small: between(a.small, b.small, 0.5),
    larger: alike ? { side: after.side, planes: between(before.planes, after.planes, 0.5) } : after,
  };
}
