// Ticks → bundles: crop, keyframe, picture, shape, speech. Holds one outgoing stream's whole state; uses no network or clock.

import { Face, makeBundle, NO_CAMERA, packBundle, TICK_MODES, TIME_UNIT } from "../codec/bundle.js";
import { PictureTooLongError } from "../codec/errors.js";
import { makeKeyframe } from "../codec/keyframe.js";
import { RATES } from "../codec/pictures/header.js";
import { PictureEncoder } from "../codec/pictures/picture.js";
import { RateControl } from "../codec/pictures/ratecontrol.js";
import { sample } from "../codec/pictures/sampling.js";
import { SIDE } from "../models/crop.js";
import { Framing } from "./framing.js";
import { KeyframeChoice } from "./keyframe_choice.js";
import { OutgoingKeyframes } from "./keyframes.js";
import { OutgoingShapes, pointsOf } from "./shapes.js";
import { VoiceActivity } from "./voice.js";

/** Quantiser numbers of luma and chroma with a shape: steps of 6 and 6. The shape carries the motion (docs/decisions.md). */
const QUANTISER = 5;
/** Ticks of so many milliseconds are left out in silence; the faster tick modes have bandwidth to spare. */
const PAUSING_TICK = 200;
/** The tick mode may change only at multiples of this many ms, where ticks of all lengths start together. */
export const SWITCH_MS = 600;

/** @typedef {import("../media/image.js").Rgba} Rgba */
/**
 * What was captured in one tick: its pictures in order, and its sound.
 * @typedef {{ images: Rgba[], sound: Float32Array }} Tick
 */
/**
 * Sound → Opus packets.
 * @typedef {{ rate: number, encode(samples: Float32Array): Promise<Uint8Array[]>, set(bitrate: number, tickMs: number): void }} SpeechEncoder
 */

/** One person's outgoing stream. Feed it ticks in order, one at a time; it returns a bundle for each. */
export class SenderStream {
  #speech;
  #rate = new RateControl();
  #voice;
  /** @type {Uint8Array[]} */
  #lastSound = [];
  #paused = false; // the previous bundle had `pausing` set: this one may be omitted
  #number = 0;
  pictures = new PictureEncoder(QUANTISER, QUANTISER);
  tickMode = 0;
  atMs = 0;
  /** Send silence. */
  muted = false;
  /** Repeat the previous tick's audio. */
  redundant = false;
  /** Examine the face in every picture, not only in each tick's last: for machines that are fast enough. */
  everyFrame = false;
  /** @type {number} */
  face = Face.TRACKED;
  /** The last tick's crop, null while nothing is shown. @type {Rgba | null} */
  seen = null;

  /**
   * @param {import("../models/detector.js").BlazeFace} detector @param {import("../models/landmarks.js").FaceMesh} mesh
   * @param {SpeechEncoder} speech @param {(image: Rgba) => Promise<Uint8Array>} encodeImage to WebP or AVIF
   */
  constructor(detector, mesh, speech, encodeImage) {
    this.#speech = speech;
    this.#voice = new VoiceActivity(speech.rate);
    this.framing = new Framing(detector, mesh);
    this.shapes = new OutgoingShapes(detector, mesh);
    this.keyframes = new OutgoingKeyframes(
      this.pictures,
      () => new KeyframeChoice(detector, mesh),
      async (image) => {
        const points = await pointsOf(image, detector, mesh);
        return makeKeyframe(await encodeImage(image), sample(image.data, SIDE), points);
      },
    );
  }

  /** Length of the next tick in milliseconds. */
  get tickMs() {
    return TICK_MODES[this.tickMode];
  }

  /**
   * Another tick mode and Opus bit rate from the next tick on; only at multiples of {@link SWITCH_MS}.
   * @param {number} tickMode
   * @param {number} bitrate
   */
  setTickMode(tickMode, bitrate) {
    if (tickMode !== this.tickMode && this.atMs % SWITCH_MS) throw new Error(`the tick mode changes every ${SWITCH_MS} ms`);
    this.tickMode = tickMode;
    this.pictures.rate = RATES.indexOf(this.tickMs);
    this.#speech.set(bitrate, this.tickMs);
  }

  /** The peer may have restarted: forget its acknowledgements. */
  reconnected() {
    this.pictures.acknowledged = null;
    this.keyframes.gallery.reconnected();
  }

  /** Examine pictures for the keyframe before the stream starts. @param {Rgba[]} images */
  async candidates(images) {
    const crop = await this.#see(images);
    if (crop) await this.keyframes.candidate(crop);
  }

  /** @param {Rgba[]} images */
  async #see(images) {
    const { crop, face } = await this.framing.see(images);
    [this.seen, this.face] = [crop, face];
    if (!crop) {
      this.keyframes.hide();
      this.shapes.hide();
    }
    return crop;
  }

  /**
   * The bundle of the next tick; null if it is left out in silence.
   * @param {Tick} tick
   * @param {import("../codec/bundle.js").Report | null} report
   */
  async bundle(tick, report) {
    const crop = await this.#see(tick.images);
    const muted = this.muted || this.framing.away;
    const samples = muted ? new Float32Array(tick.sound.length) : tick.sound;
    const silent = !this.#voice.isSpeaking(samples);
    const pausing = silent && this.tickMs === PAUSING_TICK;
    if (pausing && this.#paused && !this.keyframes.choice) {
      await this.#skip(samples.length);
      return null;
    }
    await this.keyframes.see(crop, this.face === Face.TRACKED);
    const picture = crop && this.pictures.slot !== null ? this.#encode(crop) : null;
    const sound = await this.#speech.encode(silent ? new Float32Array(samples.length) : samples);
    this.#paused = pausing && this.keyframes.newest !== null;
    const shape = await this.#encodeShape(picture !== null);
    const bundle = makeBundle({
      number: this.#number,
      time: (this.atMs / TIME_UNIT) & 0xffff,
      tickMode: this.tickMode,
      picture,
      sound: silent ? this.#nothingHeard(picture) : sound,
      report,
      redundant: this.redundant ? this.#lastSound : [],
      face: this.face,
      muted,
      pausing: this.#paused,
      shape,
    });
    this.#lastSound = bundle.sound;
    this.#number = (this.#number + 1) & 0xffff;
    this.atMs += this.tickMs;
    return { number: bundle.number, pausing: bundle.pausing, data: packBundle(bundle) };
  }

  /** The packets of a silent tick: an empty one if the bundle would else be a mere report. @param {unknown} picture */
  #nothingHeard(picture) {
    return picture || this.#paused || NO_CAMERA.includes(this.face) ? [] : [new Uint8Array(0)];
  }

  /**
   * The crop's small picture in bytes; null if it takes too many, so that the peer keeps the one before.
   * @param {Rgba} crop
   */
  #encode(crop) {
    try {
      const { data } = this.pictures.encode(this.#number, sample(crop.data, SIDE), this.#rate.limit);
      this.#rate.spent(data.length);
      return data;
    } catch (error) {
      if (error instanceof PictureTooLongError) return null;
      throw error;
    }
  }

  /** @param {boolean} besidePicture */
  async #encodeShape(besidePicture) {
    if (!besidePicture || this.face === Face.NONE || NO_CAMERA.includes(this.face)) {
      this.shapes.skip();
      return null;
    }
    await this.shapes.see(this.framing.placed, this.everyFrame && this.tickMs === PAUSING_TICK && !this.#paused);
    const { header } = this.pictures;
    return this.shapes.encode(this.#number, header, this.keyframes.gallery.keyframes.get(header.slot)?.points ?? null);
  }

  /** A tick of which nothing is sent; the peer conceals its sound. @param {Tick} tick */
  async skip(tick) {
    await this.#see(tick.images);
    await this.#skip(tick.sound.length);
  }

  /** The encoder is fed silence, so that its state is fresh when speech resumes. @param {number} samples */
  async #skip(samples) {
    this.#paused = false;
    this.#lastSound = [];
    this.shapes.skip();
    await this.#speech.encode(new Float32Array(samples));
    this.atMs += this.tickMs;
  }
}
