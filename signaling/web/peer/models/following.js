// The face mesh's points from picture to picture: searched where they were, rotated upright by the line between the eyes. The
// detector finds a face that was lost.

import { ABOVE, SCALE, SIDE } from "./crop.js";
import { centreOf } from "./detector.js";
import { regionAround, regionOf } from "./landmarks.js";

/** Probability that the mesh must give a face for its points to count. */
const PROBABLE = 0.5;

/**
 * How far a face is from where the tracker's crops have theirs, in place and size.
 * @param {import("./detector.js").Detection} face
 */
function offCentre(face) {
  const usual = SIDE / SCALE;
  const [x, y] = centreOf(face);
  return Math.hypot(x - SIDE / 2, y - SIDE * ABOVE) / usual + Math.abs(Math.log(face.height / usual));
}

/** Follows the one face of a steady crop. Feed it the camera's pictures in order. */
export class PointFollower {
  #detector;
  #mesh;
  /** Where the face was, in the camera's pixels. @type {import("./landmarks.js").Region | null} */
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
    const region = this.#region ?? (await this.#find(image, crop));
    const { points, probability } = region ? await this.#mesh.within(image, region) : { points: null, probability: 0 };
    this.#region = points && probability >= PROBABLE ? regionOf(points) : null;
    return this.#region ? points : null;
  }

  /** @param {import("../media/image.js").Rgba} image @param {import("./crop.js").Crop} crop */
  async #find(image, crop) {
    const faces = await this.#detector.detect(crop.cut(image));
    if (!faces.length) return null;
    const [face] = faces.sort((a, b) => offCentre(a) - offCentre(b));
    const [x, y] = crop.outside(Float32Array.of(face.x, face.y));
    const found = { ...face, x, y, width: face.width * crop.scale, height: face.height * crop.scale };
    const { points, probability } = await this.#mesh.within(image, regionAround(found));
    return probability >= PROBABLE ? regionOf(points) : null;
  }
}
