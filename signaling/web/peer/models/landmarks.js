// Face landmarks: 468 points from MediaPipe's face mesh (Kartynnik et al., 2019; Apache-2.0), for the keyframe's choice and
// for the face's shape.

import { sampleSquare } from "../media/image.js";
import { centreOf } from "./detector.js";

const INPUT = 192;
const POINTS = 468;
// Mesh points around each eye: outer corner, inner corner, two on the upper lid, two on the lower.
const RIGHT_EYE = [33, 133, 160, 158, 144, 153];
const LEFT_EYE = [263, 362, 387, 385, 373, 380];
const NOSE = 1;
const RIGHT_CHEEK = 234;
const LEFT_CHEEK = 454;

/**
 * The square that the mesh looks at: centre and half side in pixels, turned by `angle` radians clockwise.
 * @typedef {{ x: number, y: number, half: number, angle: number }} Region
 */

/**
 * Where to look for a face that had these points (468, 2): a square around it, upright by the line between the eyes.
 * @param {Float32Array} points
 * @returns {Region}
 */
export function regionOf(points) {
  const [from, to] = [RIGHT_EYE[0], LEFT_EYE[0]];
  const angle = Math.atan2(points[2 * to + 1] - points[2 * from + 1], points[2 * to] - points[2 * from]);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const [low, high] = [
    [Infinity, Infinity],
    [-Infinity, -Infinity],
  ];
  for (let i = 0; i < points.length; i += 2) {
    const upright = [points[i] * c + points[i + 1] * s, points[i + 1] * c - points[i] * s];
    for (const axis of [0, 1]) {
      low[axis] = Math.min(low[axis], upright[axis]);
      high[axis] = Math.max(high[axis], upright[axis]);
    }
  }
  const [x, y] = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
  return { x: c * x - s * y, y: s * x + c * y, half: 0.75 * Math.max(high[0] - low[0], high[1] - low[1]), angle };
}

/**
 * Where to look for the points of a face that was detected.
 * @param {import("./detector.js").Detection} face
 * @returns {Region}
 */
export function regionAround(face) {
  const [x, y] = centreOf(face);
  return { x, y, half: 0.75 * Math.max(face.width, face.height), angle: 0 };
}

/** 468 points of one face. */
export class FaceMesh {
  #network;

  /** @param {import("./onnx_network.js").Network} network */
  constructor(network) {
    this.#network = network;
  }

  /**
   * The face in `region`: points (468, 2) in pixels, and the probability that it is a face.
   * @param {import("../media/image.js").Rgba} image @param {Region} region
   */
  async within(image, { x, y, half, angle }) {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const [ax, ay, bx, by] = [2 * half * c, 2 * half * s, -2 * half * s, 2 * half * c];
    const corner = { x: x - (ax + bx) / 2, y: y - (ay + by) / 2 };
    const cut = sampleSquare(image, { ...corner, ax, ay, bx, by }, INPUT);
    const outputs = Object.values(await this.#network.run({ [this.#network.inputs[0]]: cut }));
    const [mesh, [sure]] = outputs.sort((a, b) => b.length - a.length);
    const points = new Float32Array(2 * POINTS);
    for (let i = 0; i < POINTS; i += 1) {
      const [u, v] = [mesh[3 * i] / INPUT, mesh[3 * i + 1] / INPUT];
      points[2 * i] = corner.x + u * ax + v * bx;
      points[2 * i + 1] = corner.y + u * ay + v * by;
    }
    return { points, probability: 1 / (1 + Math.exp(-sure)) };
  }
}

/** Mean height over width of both eyes (eye aspect ratio): about 0.3 open, under 0.15 closed. @param {Float32Array} points */
export function eyeOpening(points) {
  const apart = (/** @type {number} */ a, /** @type {number} */ b) =>
    Math.hypot(points[2 * a] - points[2 * b], points[2 * a + 1] - points[2 * b + 1]);
  const one = (/** @type {number[]} */ p) => (apart(p[2], p[4]) + apart(p[3], p[5])) / (2 * apart(p[0], p[1]) + 1e-6);
  return (one(RIGHT_EYE) + one(LEFT_EYE)) / 2;
}

/** 1 when the nose is midway between the cheeks, 0 in profile. @param {Float32Array} points */
export function frontality(points) {
  const [nose, right, left] = [NOSE, RIGHT_CHEEK, LEFT_CHEEK].map((i) => points[2 * i]);
  const [a, b] = [Math.abs(nose - right), Math.abs(left - nose)];
  return Math.min(a, b) / (Math.max(a, b) + 1e-6);
}
