// The face's shape in a stream: mesh points of a tick's pictures, coded relative to the keyframe's points.

import { coefficients } from "../codec/shape/basis.js";
import { ShapeEncoder } from "../codec/shape/shape.js";
import { BETWEEN } from "../codec/shape/syntax.js";
import { Crop } from "../models/crop.js";
import { PointFollower } from "../models/following.js";
import { pixelsOf } from "../models/shape_points.js";

/** @typedef {import("../media/image.js").Rgba} Rgba */

/**
 * The points (54, 2), in pixels, of a face in a single picture of 256×256; null without a face.
 * @param {Rgba} image
 * @param {import("../models/detector.js").BlazeFace} detector
 * @param {import("../models/landmarks.js").FaceMesh} mesh
 */
export async function pointsOf(image, detector, mesh) {
  const found = await new PointFollower(detector, mesh).see(image, new Crop(0, 0, image.width));
  return found && pixelsOf(found);
}

/** The shapes of one stream. For each tick {@link see}, and then {@link encode} or {@link skip}. */
export class OutgoingShapes {
  #follower;
  #encoder = new ShapeEncoder();
  /** @type {(Float32Array | null)[]} */
  #tick = [];
  /**
   * The camera's newest pictures that were examined, with their points in its pixels.
   * @type {{ image: Rgba, points: Float32Array | null }[]}
   */
  #known = [];

  /** @param {import("../models/detector.js").BlazeFace} detector @param {import("../models/landmarks.js").FaceMesh} mesh */
  constructor(detector, mesh) {
    this.#follower = new PointFollower(detector, mesh);
  }

  /** Nobody is visible. */
  hide() {
    this.#follower.reset();
    this.#tick = [];
    this.#known = [];
    this.#encoder.skip();
  }

  /**
   * The face points (54, 2) of the camera's newest picture, in its pixels. May be called as soon as the picture is there,
   * before its tick ends, so that {@link see} finds it done.
   * @param {Rgba} image
   * @param {Crop} crop about where the face is
   */
  async look(image, crop) {
    const seen = this.#known.find((known) => known.image === image);
    if (seen) return seen.points;
    const found = await this.#follower.see(image, crop);
    const points = found && pixelsOf(found);
    this.#known = [...this.#known, { image, points }].slice(-BETWEEN - 1);
    return points;
  }

  /**
   * A tick's pictures, in order; `all`: examine every one, else only the last.
   * @param {import("./framing.js").Placed[]} placed
   * @param {boolean} all
   */
  async see(placed, all) {
    this.#tick = [];
    for (const { image, crop } of all ? placed : placed.slice(-1)) {
      const points = await this.look(image, crop);
      this.#tick.push(points && crop.inside(points));
    }
  }

  /** The tick is sent without a shape, or not at all. */
  skip() {
    this.#encoder.skip();
  }

  /**
   * The shape of the newest tick, to go with picture `number`; null if keyframe or tick show no face.
   * @param {number} number
   * @param {import("../codec/pictures/header.js").PictureHeader} header
   * @param {Float32Array | null} key the keyframe's points
   */
  encode(number, header, key) {
    const end = this.#tick[this.#tick.length - 1];
    if (!key || !end) {
      this.skip();
      return null;
    }
    const known = this.#tick.filter((points) => points !== null);
    const told = known.length === this.#tick.length && known.length === BETWEEN + 1 ? known : [end];
    const moved = told.map((points) => coefficients(points.map((place, i) => place - key[i])));
    return this.#encoder.encode(number, header, moved).data;
  }
}
