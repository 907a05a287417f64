// A stream's keyframes: chosen within the first second, kept by slot, and used once the peer holds them.

import { Gallery } from "./gallery.js";

/** Candidates before the keyframe is chosen: one second at the 200 ms tick mode. */
const CHOICE_TICKS = 5;
/** After so many candidates it is chosen even if none shows a face; it is chosen again when a face appears. */
const CHOICE_TICKS_MAX = 75;
/** Candidates before the stream that suffice for the choice. */
const GLIMPSES_MIN = 3;

/** @typedef {import("../media/image.js").Rgba} Rgba */
/** @typedef {import("../codec/keyframe.js").Keyframe} Keyframe */
/** @typedef {import("./keyframe_choice.js").KeyframeChoice} KeyframeChoice */

/** The keyframes of one stream. The first is used at once, a later one when the peer has confirmed it. */
export class OutgoingKeyframes {
  #pictures;
  #newChoice;
  #encode;
  #newestUsed = false;
  #faceless = false; // the choice was made without a face
  gallery = new Gallery();
  /** The last one made. @type {{ slot: number, keyframe: Keyframe } | null} */
  newest = null;
  /** The choice in progress, null once it is made. @type {KeyframeChoice | null} */
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

  /** A crop from before the stream. @param {Rgba} image */
  async candidate(image) {
    await this.choice?.add(image);
  }

  /** The stream starts: end the choice if enough candidates were seen and one shows a face. */
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

  /** The peer holds this keyframe. The newest is used from now on. @param {number} slot @param {Uint8Array} digest */
  confirm(slot, digest) {
    if (!this.gallery.confirm(slot, digest) || slot !== this.newest?.slot || this.#newestUsed) return;
    this.#newestUsed = true;
    this.#use(slot);
  }

  /** Refer to a keyframe from the next picture on; false if the peer doesn't hold it. @param {number} slot */
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
