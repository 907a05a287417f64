// A stream's keyframes: chosen within the first second, kept by slot, and used once the other side holds them.

import { eyeOpening, frontality, regionAround } from "../models/landmarks.js";
import { Gallery } from "./gallery.js";

const NO_FACE = 0.1;
const KEPT = 10;
/** Candidates before the keyframe is chosen: one second at the 200 ms tick mode. */
const CHOICE_TICKS = 5;
/** After so many it is chosen even if none shows a face; it is chosen again when one appears. */
const CHOICE_TICKS_MAX = 75;
/** Candidates before the stream that suffice for the choice, and after which the choice begins anew. */
const GLIMPSES_MIN = 3;
const GLIMPSES_MAX = 25;

/** @typedef {import("../media/image.js").Rgba} Rgba */
/** @typedef {import("../codec/keyframe.js").Keyframe} Keyframe */
/**
 * What a candidate is judged by; sharpness and eyes are compared within one choice.
 * @typedef {{ image: Rgba, sharpness: number, frontal: number, eyes: number, face: number }} Candidate
 */

/** Root mean square of the Laplacian of the picture's middle. @param {Rgba} image 256×256 */
function sharpnessOf({ data, width }) {
  const grey = (/** @type {number} */ x, /** @type {number} */ y) => {
    const at = 4 * (y * width + x);
    return 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
  };
  let [sum, squares, count] = [0, 0, 0];
  for (let y = 49; y < 223; y += 1) {
    for (let x = 49; x < 207; x += 1) {
      const value = grey(x - 1, y) + grey(x + 1, y) + grey(x, y - 1) + grey(x, y + 1) - 4 * grey(x, y);
      sum += value;
      squares += value * value;
      count += 1;
    }
  }
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
}

/**
 * Collects candidate crops and names the best: sharp, frontal, eyes open. One without a face is used only when there is no
 * other.
 */
export class KeyframeChoice {
  #detector;
  #mesh;
  /** @type {Candidate[]} */
  #candidates = [];
  tried = 0;

  /** @param {import("../models/detector.js").BlazeFace} detector @param {import("../models/landmarks.js").FaceMesh} mesh */
  constructor(detector, mesh) {
    this.#detector = detector;
    this.#mesh = mesh;
  }

  /** Look at a crop of 256×256; only the best few are kept. @param {Rgba} image */
  async add(image) {
    const [face] = await this.#detector.detect(image);
    const candidate = { image, sharpness: sharpnessOf(image), frontal: 0, eyes: 0, face: NO_FACE };
    if (face) {
      const { points, probability } = await this.#mesh.within(image, regionAround(face));
      Object.assign(candidate, { frontal: frontality(points), eyes: eyeOpening(points), face: 0.3 + 0.7 * probability });
    }
    this.#candidates.push(candidate);
    this.tried += 1;
    if (this.#candidates.length > KEPT) {
      const best = this.best();
      this.#candidates = [...this.#candidates.filter((c) => c.image === best), ...this.#candidates.slice(1 - KEPT)];
    }
  }

  /** Whether any candidate shows a face. */
  get hasFace() {
    return this.#candidates.some(({ face }) => face > NO_FACE);
  }

  get empty() {
    return !this.#candidates.length;
  }

  /** The best crop so far; there must be one. */
  best() {
    const sharpest = Math.max(...this.#candidates.map(({ sharpness }) => sharpness), 1e-6);
    const widest = Math.max(...this.#candidates.map(({ eyes }) => eyes), 1e-6);
    const score = (/** @type {Candidate} */ c) => {
      const eyes = Math.min(Math.max((c.eyes / widest - 0.55) / 0.3, 0.1), 1);
      return (c.sharpness / sharpest) * (0.3 + c.frontal) * eyes * c.face;
    };
    return this.#candidates.reduce((best, c) => (score(c) > score(best) ? c : best)).image;
  }
}

/** Those of one stream. The first keyframe is used at once, a later one when the other side has said that it holds it. */
export class OutgoingKeyframes {
  #pictures;
  #newChoice;
  #encode;
  #newestUsed = false;
  #faceless = false; // the choice was made without a face
  gallery = new Gallery();
  /** The last one made. @type {{ slot: number, keyframe: Keyframe } | null} */
  newest = null;
  /** The choice that is going on, null when it is made. @type {KeyframeChoice | null} */
  choice;

  /**
   * @param {import("../codec/pictures/picture.js").PictureEncoder} pictures
   * @param {() => KeyframeChoice} newChoice
   * @param {(image: Rgba) => Promise<Keyframe>} encode a crop of 256×256
   */
  constructor(pictures, newChoice, encode) {
    this.#pictures = pictures;
    this.#newChoice = newChoice;
    this.#encode = encode;
    this.choice = newChoice();
  }

  /** Nobody is visible: the candidates so far are forgotten. */
  hide() {
    if (this.choice) this.choice = this.#newChoice();
  }

  /** A crop from before the stream: what was looked at long before is forgotten. @param {Rgba} image */
  async candidate(image) {
    if (!this.choice) return;
    if (this.choice.tried >= GLIMPSES_MAX) this.choice = this.#newChoice();
    await this.choice.add(image);
  }

  /** The stream starts: end the choice if enough was seen of a face before. */
  async chooseEarly() {
    if (this.choice?.hasFace && this.choice.tried >= GLIMPSES_MIN) await this.#choose();
  }

  /**
   * A tick's crop while the stream runs; a choice that was made without a face is made again with one.
   * @param {Rgba | null} image
   * @param {boolean} tracked
   */
  async see(image, tracked) {
    if (this.#faceless && tracked) {
      this.choice = this.#newChoice();
      this.#faceless = false;
    }
    if (!image || !this.choice) return;
    await this.choice.add(image);
    if (this.choice.tried >= (this.choice.hasFace ? CHOICE_TICKS : CHOICE_TICKS_MAX)) await this.#choose();
  }

  async #choose() {
    const { choice } = this;
    if (!choice || choice.empty) return;
    const keyframe = await this.#encode(choice.best());
    this.#faceless = !choice.hasFace;
    this.choice = null;
    this.set(keyframe);
  }

  /** Make this the next keyframe, in a slot of its own. @param {Keyframe} keyframe */
  set(keyframe) {
    const slot = this.gallery.add(keyframe, this.#pictures.slot);
    this.newest = { slot, keyframe };
    this.#newestUsed = false;
    if (this.#pictures.slot === null) this.#use(slot);
  }

  /** @param {number} slot */
  #use(slot) {
    this.#pictures.setKeyframe(slot, /** @type {Keyframe} */ (this.gallery.keyframes.get(slot)).thumbnail);
    this.gallery.used(slot);
  }

  /** The other side holds this keyframe. The newest is used from now on. @param {number} slot @param {Uint8Array} digest */
  confirm(slot, digest) {
    if (!this.gallery.confirm(slot, digest) || slot !== this.newest?.slot || this.#newestUsed) return;
    this.#newestUsed = true;
    this.#use(slot);
  }

  /** Refer to a keyframe from the next picture on; false where the other side doesn't hold it. @param {number} slot */
  use(slot) {
    if (!this.gallery.held.has(slot)) return false;
    this.#use(slot);
    return true;
  }

  /** The keyframes, for {@link import("./refresh.js").Refresh}. @returns {import("./gallery.js").Held} */
  get held() {
    const { keyframes, held } = this.gallery;
    return { keyframes, slots: new Set(held), current: this.#pictures.slot, maySend: this.#newestUsed };
  }
}
