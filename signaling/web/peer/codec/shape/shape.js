// The shape of one tick: displacements of the face's points from the keyframe's, at its end and at the frames before that.
//
// At the tick's end it is predicted from the shape that came with the picture's own reference, which the peer is known to
// hold, so nothing drifts. Each frame between is coded as a residual to linear interpolation from the previous tick's decoded
// shape; nothing is predicted from it. Encoder and decoder run the same code. Bytes in docs/format.md.

import { SyntaxLimitError } from "../errors.js";
import { Decoder, Encoder } from "../pictures/rangecoder.js";
import { KEPT } from "../pictures/references.js";
import { MAX_LENGTH } from "../wirebytes.js";
import { COEFFICIENTS } from "./basis.js";
import { ZERO } from "./probabilities.js";
import { BETWEEN, codeBetween, codeTick, FULL_AT, LARGEST, STEP_AT, STEPS, USUAL_STEP } from "./syntax.js";

/** A residual at a tick's end is rounded away from zero from this share of a step on. */
const NEAR_END = 0.55;
/** The same between ticks: jitter there comes mostly from the mesh. */
const NEAR_BETWEEN = 0.75;

/**
 * Whole coefficients relative to the keyframe in `slot`: `end` (16) at the tick's end; `between` (four of 16, or none) the
 * residuals of the frames before to linear interpolation.
 * @typedef {{ slot: number, end: number[], between: number[][] }} Shape
 */
/** @typedef {import("../pictures/header.js").PictureHeader} PictureHeader */

const NOTHING = /** @type {number[]} */ (new Array(COEFFICIENTS).fill(0));

/**
 * Coefficients (count, 16) interpolated from one tick's end to the next, which is the last row; in integers, halves upwards.
 * @param {number[]} before
 * @param {number[]} end
 * @param {number} count
 */
export function interpolate(before, end, count = BETWEEN + 1) {
  return Array.from({ length: count }, (_, k) => {
    const share = k + 1;
    return end.map((value, i) => Math.floor((before[i] * (count - share) * 2 + value * share * 2 + count) / (2 * count)));
  });
}

/** @param {number} value */
const within = (value) => Math.min(Math.max(value, -LARGEST), LARGEST);

/** @param {number} value @param {number} step @param {number} near */
function rounded(value, step, near) {
  const size = Math.floor(Math.abs(value) / step + 1 - near);
  return value > 0 ? size : -size || 0;
}

/**
 * Code the step, the residuals at the end, and those between (null: as many as are read). A decoder passes zeros.
 * @param {import("../pictures/rangecoder.js").Coder} coder
 * @param {number} step
 * @param {number[]} end
 * @param {number[][] | null} between
 */
function walk(coder, step, end, between) {
  let number = USUAL_STEP;
  if (coder.code(ZERO[STEP_AT], step !== number ? 1 : 0)) number = coder.codeEqual(step, 3);
  const full = coder.code(ZERO[FULL_AT], between?.length ? 1 : 0);
  const out = codeTick(coder, end);
  /** @type {number[][]} */
  const rows = [];
  for (let i = 0; i < (full ? BETWEEN : 0); i += 1) {
    const before = rows[i - 1] ?? NOTHING;
    rows.push(codeBetween(coder, between ? between[i] : before, before));
  }
  return { number, end: out, rows };
}

/** Shapes that both sides hold, by the number of the bundle that they came in. */
class Held {
  /** @type {Map<number, { slot: number, end: number[] }>} */
  #ends = new Map();

  /**
   * The prediction for the shape in bundle `number`: zeros if there is none for this keyframe.
   * @param {number} number
   * @param {PictureHeader} header
   */
  predicted(number, header) {
    const found = header.distance ? this.#ends.get((number - header.distance) & 0xffff) : undefined;
    return found?.slot === header.slot ? found.end : NOTHING;
  }

  /** @param {number} number */
  forget(number) {
    this.#ends.delete(number);
  }

  /** @param {number} number @param {number} slot @param {number[]} end */
  remember(number, slot, end) {
    this.#ends.set(number, { slot, end });
    for (const old of this.#ends.keys()) {
      const apart = (number - old) & 0xffff;
      if (apart >= KEPT && apart < 0x10000 - KEPT) this.#ends.delete(old);
    }
  }
}

/** One stream's shapes on the sending side. */
export class ShapeEncoder {
  #held = new Held();
  /** @type {{ slot: number, end: number[] } | null} */
  #last = null;

  /**
   * `step`: number of the quantiser step, an index of STEPS; may be changed from one shape to the next. Throws {@link
   * SyntaxLimitError}.
   */
  constructor(step = USUAL_STEP) {
    if (!(step in STEPS)) throw new SyntaxLimitError(`shape step ${step} is not known`);
    this.step = step;
  }

  /** A tick was sent without a shape: interpolation starts over with the next one. */
  skip() {
    this.#last = null;
  }

  /**
   * Coefficients of a tick's frames (1 or 5 of 16), not rounded, the tick's end last → bytes and the decoded shape.
   * `number` and `header` are the picture's in the same bundle. Throws {@link SyntaxLimitError} for another number of frames
   * or coefficients.
   * @param {number} number @param {PictureHeader} header @param {ArrayLike<number>[]} frames @returns {{ data: Uint8Array, shape: Shape }}
   */
  encode(number, header, frames) {
    const whole = frames.every((row) => row.length === COEFFICIENTS && Array.from(row).every(Number.isFinite));
    if (![1, BETWEEN + 1].includes(frames.length) || !whole) throw new SyntaxLimitError(`shape of ${frames.length} frames`);
    const rows = frames.map((row) => Array.from(row, within));
    const step = STEPS[this.step];
    const predicted = this.#held.predicted(number, header);
    const wanted = rows[rows.length - 1];
    const residual = wanted.map((value, i) => rounded(value - predicted[i], step, NEAR_END));
    const end = residual.map((value, i) => within(predicted[i] + value * step));
    const before = this.#last?.slot === header.slot ? this.#last.end : end;
    const way = interpolate(before, end);
    const between = rows.slice(0, -1).map((row, k) => row.map((value, i) => rounded(value - way[k][i], step, NEAR_BETWEEN)));
    const coder = new Encoder();
    walk(coder, this.step, residual, between);
    const data = coder.finish();
    if (data.length > MAX_LENGTH) throw new SyntaxLimitError(`shape of ${data.length} bytes is over ${MAX_LENGTH}`);
    this.#held.remember(number, header.slot, end);
    this.#last = { slot: header.slot, end };
    return { data, shape: { slot: header.slot, end, between: between.map((row) => row.map((value) => within(value * step))) } };
  }
}

/** One stream's shapes on the receiving side. */
export class ShapeDecoder {
  #held = new Held();

  /**
   * Picture `number` has no shape: nothing is predicted from one that an earlier picture of this number had.
   * @param {number} number
   */
  forget(number) {
    this.#held.forget(number);
  }

  /**
   * `number` and `header` are those of the picture in the same bundle, which was decoded. Throws {@link SyntaxLimitError};
   * the stream continues after one.
   * @param {number} number @param {PictureHeader} header @param {Uint8Array} data @returns {Shape}
   */
  decode(number, header, data) {
    if (data.length > MAX_LENGTH) throw new SyntaxLimitError(`shape of ${data.length} bytes is over ${MAX_LENGTH}`);
    const found = walk(new Decoder(data), 0, NOTHING, null);
    const step = STEPS[found.number];
    const predicted = this.#held.predicted(number, header);
    const end = found.end.map((value, i) => within(predicted[i] + value * step));
    this.#held.remember(number, header.slot, end);
    return { slot: header.slot, end, between: found.rows.map((row) => row.map((value) => within(value * step))) };
  }
}

/**
 * Coefficients (count, 16) of a tick's frames, its end last. `before`: the shape at the end of the tick before, null if it is
 * unknown; the face is then held where it is at the end.
 * @param {Shape} shape @param {Shape | null} before @param {number} count
 */
export function framesOf(shape, before, count) {
  const start = before?.slot === shape.slot ? before.end : shape.end;
  const way = interpolate(start, shape.end, count);
  if (count !== BETWEEN + 1 || !shape.between.length) return way;
  return way.map((row, k) => (k < BETWEEN ? row.map((value, i) => value + shape.between[k][i]) : row));
}
