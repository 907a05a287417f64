// From detections to a steady square crop, and to the face status that is sent to the peer.

import { Face } from "../codec/bundle.js";
import { Crop } from "./crop.js";
import { centreOf } from "./detector.js";
import { FaceFinder } from "./finder.js";

/** The crop rests until the face has moved by this share of its side: a still background helps the picture and the bits. */
const SLACK = 0.07;
/** Share of the distance that the crop covers at each update once it moves. */
const PULL = 0.35;
/** Pictures for which a face that isn't seen is searched where it was: two seconds. */
const REMEMBERED = 10;
/** Side of a head over that of the face's box. */
const HEAD = 1.3;
/** Share of the head outside the picture from which it counts as leaving. */
const MARGIN = 0.08;

/** @typedef {import("./detector.js").Detection} Detection */

/** How far `face` is from another in place and size. @param {Detection} face @param {Detection} other */
function distance(face, other) {
  const [[ax, ay], [bx, by]] = [centreOf(face), centreOf(other)];
  return Math.hypot(ax - bx, ay - by) / other.height + Math.abs(Math.log(face.height / other.height));
}

/** Follows one person. Call {@link update} with pictures in order, about five times a second. */
export class Tracker {
  #finder;
  /** The face, or where it was last seen. @type {Detection | null} */
  #near = null;
  #missed = 0;
  #moving = false;
  /** @type {Crop | null} */
  #crop = null;

  /** @param {import("./detector.js").BlazeFace} detector @param {import("./landmarks.js").FaceMesh} mesh */
  constructor(detector, mesh) {
    this.#finder = new FaceFinder(detector, mesh);
  }

  /** Forget the person, as after the camera was off. */
  reset() {
    [this.#crop, this.#near, this.#moving] = [null, null, false];
  }

  /**
   * The crop to use, and the face status to send to the peer. Without a face the last crop stays.
   * @param {import("../media/image.js").Rgba} image
   */
  async update(image) {
    const faces = await this.#finder.find(image, this.#near);
    if (!faces.length) {
      this.#missed += 1;
      if (this.#missed > REMEMBERED) this.#near = null;
      return { crop: this.#crop ?? Crop.whole(image), face: Face.NONE };
    }
    const near = this.#near;
    const face = faces.sort((a, b) => (near ? distance(a, near) - distance(b, near) : b.height - a.height))[0];
    this.#near = face;
    this.#missed = 0;
    const crop = this.#follow(Crop.around(face));
    const [x, y] = centreOf(face);
    const [w, h] = [(face.width * HEAD) / 2, (face.height * HEAD) / 2];
    const wide = Math.max(0, Math.min(x + w, image.width) - Math.max(x - w, 0));
    const high = Math.max(0, Math.min(y + h, image.height) - Math.max(y - h, 0));
    if (wide * high < (1 - MARGIN) * 4 * w * h) return { crop, face: Face.LEAVING };
    const rivals = faces.some((other) => other !== face && other.height > 0.5 * face.height);
    return { crop, face: rivals ? Face.MANY : Face.TRACKED };
  }

  /** @param {Crop} wanted */
  #follow(wanted) {
    const crop = this.#crop ?? wanted;
    const half = (wanted.side - crop.side) / 2;
    const off = Math.max(
      Math.abs(wanted.x + half - crop.x),
      Math.abs(wanted.y + half - crop.y),
      Math.abs(wanted.side - crop.side),
    );
    this.#moving = off / crop.side > (this.#moving ? SLACK / 3 : SLACK);
    this.#crop = this.#moving ? crop.towards(wanted, PULL) : crop;
    return this.#crop;
  }
}
