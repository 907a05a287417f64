// The face mesh's points from picture to picture: searched where they were, rotated upright by the line between the eyes. The
// detector finds a face that was lost. After a jump, as between two scenes, the mesh still sees a face where one was, and is
// sure of it: it needs up to ten pictures to move onto the real one. So the detector checks points that have moved, turned or
// changed size much.

import { ABOVE, SCALE, SIDE } from "./crop.js";
import { centreOf } from "./detector.js";
import { regionAround, regionOf } from "./landmarks.js";

/** Probability that the mesh must give a face for its points to count. */
const PROBABLE = 0.5;

// From one picture to the next, before the points are checked: how far a face moves, over half the side of the square looked
// at, the natural logarithm of the ratio of its sizes, and by how many radians it turns.
const MOVED = 0.05;
const SCALED = 0.04;
const TURNED = 0.044;

/** The middle of the mesh's points lies this much above the middle of the detector's box, over the box's height. */
const HIGHER = 0.07;

/** How far it may lie from there, over that height. */
const ASTRAY = 0.16;

/** @typedef {import("./landmarks.js").Region} Region */

/** @param {Region} before @param {Region} now */
function jumped(before, now) {
  const moved = Math.hypot(now.x - before.x, now.y - before.y) > MOVED * before.half;
  return moved || Math.abs(Math.log(now.half / before.half)) > SCALED || Math.abs(now.angle - before.angle) > TURNED;
}

/** @param {Region} region @param {import("./detector.js").Detection} face */
function astray(region, face) {
  const [x, y] = centreOf(face);
  return Math.hypot(region.x - x, region.y - y + HIGHER * face.height) > ASTRAY * face.height;
}

/**
 * How far a face is from where the tracker's crops have theirs, in place and size.
 * @param {import("./detector.js").Detection} face in the image's pixels
 * @param {import("./crop.js").Crop} crop
 */
function offCentre(face, crop) {
  const usual = SIDE / SCALE;
  const [x, y] = crop.inside(Float32Array.from(centreOf(face)));
  return Math.hypot(x - SIDE / 2, y - SIDE * ABOVE) / usual + Math.abs(Math.log(face.height / crop.scale / usual));
}

/** Follows the one face of a steady crop. Feed it the camera's pictures in order. */
export class PointFollower {
  #detector;
  #mesh;
  /** Where the face was, in the camera's pixels. @type {Region | null} */
  #region = null;

  /** @param {import("./detector.js").BlazeFace} detector @param {import("./landmarks.js").FaceMesh} mesh */
  constructor(detector, mesh) {
    this.#detector = detector;
    this.#mesh = mesh;
  }

  /** The next picture shows another place or person. */
  reset() {
    this.#region = null;
  }

  /**
   * The mesh's points (468, 2) in the picture's pixels; null if no face is found. `crop`: the part that is searched.
   * @param {import("../media/image.js").Rgba} image
   * @param {import("./crop.js").Crop} crop
   */
  async see(image, crop) {
    const before = this.#region;
    let region = before ?? (await this.#find(image, crop));
    let points = region && (await this.#points(image, region));
    if (before && points && jumped(before, regionOf(points))) {
      const faces = await this.#detect(image, crop);
      const now = regionOf(points);
      if (faces.length && faces.every((face) => astray(now, face))) {
        region = await this.#regionIn(image, crop, faces);
        points = region && (await this.#points(image, region));
      }
    }
    this.#region = points && regionOf(points);
    return points;
  }

  /**
   * The mesh's points of the face in `region`; null if it sees none.
   * @param {import("../media/image.js").Rgba} image @param {Region} region
   */
  async #points(image, region) {
    const { points, probability } = await this.#mesh.within(image, region);
    return probability >= PROBABLE ? points : null;
  }

  /** @param {import("../media/image.js").Rgba} image @param {import("./crop.js").Crop} crop */
  async #find(image, crop) {
    const faces = await this.#detect(image, crop);
    return faces.length ? this.#regionIn(image, crop, faces) : null;
  }

  /**
   * The faces in the crop, in the image's pixels.
   * @param {import("../media/image.js").Rgba} image @param {import("./crop.js").Crop} crop
   */
  async #detect(image, crop) {
    const faces = await this.#detector.detect(crop.cut(image));
    return faces.map((face) => {
      const [x, y] = crop.outside(Float32Array.of(face.x, face.y));
      return { ...face, x, y, width: face.width * crop.scale, height: face.height * crop.scale };
    });
  }

  /**
   * Where to look for the points of that face which is nearest to the tracker's.
   * @param {import("../media/image.js").Rgba} image
   * @param {import("./crop.js").Crop} crop
   * @param {import("./detector.js").Detection[]} faces in the image's pixels
   */
  async #regionIn(image, crop, faces) {
    const [face] = faces.sort((a, b) => offCentre(a, crop) - offCentre(b, crop));
    const points = await this.#points(image, regionAround(face));
    return points && regionOf(points);
  }
}
