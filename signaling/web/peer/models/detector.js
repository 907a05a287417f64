// Face detection with BlazeFace (Bazarevsky et al., 2019; MediaPipe's short-range model, Apache-2.0).

import { resize } from "../media/image.js";

const INPUT = 128;
/** Detections below this probability are not faces. */
const SCORE = 0.6;
const OVERLAP = 0.3;
const VALUES = 16;

/**
 * One face, in pixels of the picture given: its box, and how sure the network is.
 * @typedef {{ x: number, y: number, width: number, height: number, score: number }} Detection
 */

/** @param {Detection} face */
export const centreOf = ({ x, y, width, height }) => [x + width / 2, y + height / 2];

/** Centres of the 896 anchors in [0, 1]: two for each cell of 16×16, six for each of 8×8. */
const ANCHORS = [
  [16, 2],
  [8, 6],
].flatMap(([cells, each]) =>
  Array.from({ length: cells * cells * each }, (_, i) => {
    const cell = Math.floor(i / each);
    return [((cell % cells) + 0.5) / cells, (Math.floor(cell / cells) + 0.5) / cells];
  }),
);

/** Detector for faces that fill about a tenth of the picture or more. */
export class BlazeFace {
  #network;

  /** @param {import("./onnx_network.js").Network} network */
  constructor(network) {
    this.#network = network;
  }

  /** Faces in a picture, best first. @param {import("../media/image.js").Rgba} image @returns {Promise<Detection[]>} */
  async detect(image) {
    const scale = INPUT / Math.max(image.width, image.height);
    const [width, height] = [image.width, image.height].map((length) => Math.max(1, Math.round(length * scale)));
    const [left, top] = [Math.floor((INPUT - width) / 2), Math.floor((INPUT - height) / 2)];
    const small = resize(image, width, height).data;
    const canvas = new Float32Array(3 * INPUT * INPUT).fill(-1);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        for (let c = 0; c < 3; c += 1) {
          canvas[(c * INPUT + top + y) * INPUT + left + x] = small[4 * (y * width + x) + c] / 127.5 - 1;
        }
      }
    }
    const outputs = Object.values(await this.#network.run({ [this.#network.inputs[0]]: canvas }));
    const [boxes, scores] = outputs.sort((a, b) => b.length - a.length);
    const found = ANCHORS.flatMap(([x, y], i) => {
      const score = 1 / (1 + Math.exp(-scores[i]));
      if (score <= SCORE) return [];
      const [dx, dy, w, h] = boxes.subarray(i * VALUES, i * VALUES + 4).map((value) => value / INPUT);
      return [{ x: dx + x, y: dy + y, w, h, score }];
    });
    return clusters(found).map(({ x, y, w, h, score }) => ({
      x: ((x - w / 2) * INPUT - left) / scale,
      y: ((y - h / 2) * INPUT - top) / scale,
      width: (w * INPUT) / scale,
      height: (h * INPUT) / scale,
      score,
    }));
  }
}

/** A box by its centre. @typedef {{ x: number, y: number, w: number, h: number, score: number }} Box */

/**
 * Blend overlapping boxes by their scores (BlazeFace's tie resolution, steadier than dropping all but one).
 * @param {Box[]} boxes
 */
function clusters(boxes) {
  let rest = boxes.sort((a, b) => b.score - a.score);
  /** @type {Box[]} */
  const out = [];
  while (rest.length) {
    const [best] = rest;
    const together = rest.filter((box) => overlap(best, box) > OVERLAP);
    const sum = together.reduce((total, { score }) => total + score, 0);
    const mean = (/** @type {"x" | "y" | "w" | "h"} */ name) =>
      together.reduce((total, box) => total + box[name] * box.score, 0) / sum;
    out.push({ x: mean("x"), y: mean("y"), w: mean("w"), h: mean("h"), score: best.score });
    rest = rest.filter((box) => !together.includes(box) && box !== best);
  }
  return out;
}

/** Intersection over union. @param {Box} a @param {Box} b */
function overlap(a, b) {
  const w = Math.min(a.x + a.w / 2, b.x + b.w / 2) - Math.max(a.x - a.w / 2, b.x - b.w / 2);
  const h = Math.min(a.y + a.h / 2, b.y + b.h / 2) - Math.max(a.y - a.h / 2, b.y - b.h / 2);
  return w <= 0 || h <= 0 ? 0 : (w * h) / (a.w * a.h + b.w * b.h - w * h);
}
