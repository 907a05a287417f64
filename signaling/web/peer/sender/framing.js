// From the camera's pictures to the crop that is sent, and to the face status that is sent to the peer.

import { Face } from "../codec/bundle.js";
import { SIDE } from "../models/crop.js";
import { Tracker } from "../models/tracker.js";

/** @typedef {import("../media/image.js").Rgba} Rgba */
/** @typedef {import("../models/crop.js").Crop} Crop */
/** A picture of a tick, and the part of it that is sent. @typedef {{ image: Rgba, crop: Crop }} Placed */

/** One person in front of one camera. Feed it ticks in order. */
export class Framing {
  #tracker;
  #nothingSeen = false; // in the last tick
  /** Both are set from outside; if one is true, nothing is shown. */
  away = false;
  cameraOff = false;
  /** Where the newest crop is in the picture; null before the first. @type {Crop | null} */
  crop = null;
  /** The newest tick's pictures; none while nothing is shown. @type {Placed[]} */
  placed = [];

  /** @param {import("../models/detector.js").BlazeFace} detector @param {import("../models/landmarks.js").FaceMesh} mesh */
  constructor(detector, mesh) {
    this.#tracker = new Tracker(detector, mesh);
  }

  /** Whether nothing is to be seen: then no keyframe is offered, let alone sent. */
  get hidden() {
    return this.away || this.cameraOff || this.#nothingSeen;
  }

  /** How many times the face is enlarged to be shown at 256×256: over 1 it is too far from the camera to be sharp. */
  get enlarged() {
    return this.crop ? SIDE / Math.max(this.crop.side, 1) : 1;
  }

  /**
   * A tick's pictures → the last one's crop at 256×256, null while hidden, and the face in it.
   * @param {Rgba[]} images
   * @returns {Promise<{ crop: Rgba | null, face: number }>}
   */
  async see(images) {
    this.#nothingSeen = images.length === 0;
    if (this.hidden) {
      this.#tracker.reset();
      this.crop = null;
      this.placed = [];
      return { crop: null, face: this.away ? Face.AWAY : Face.CAMERA_OFF };
    }
    const newest = images[images.length - 1];
    const { crop, face } = await this.#tracker.update(newest);
    const before = this.crop ?? crop;
    this.crop = crop;
    this.placed = images.map((image, i) => ({ image, crop: before.towards(crop, (i + 1) / images.length) }));
    return { crop: crop.cut(newest), face };
  }
}
