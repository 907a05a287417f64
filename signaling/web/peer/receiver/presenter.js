// What is shown of the peer's face, and when: for each 25th of a second the frame that the network rendered, else one warped
// from the nearest rendered frame (motion_compensation.js).

import { canWarp, FARTHEST, warpedFrame } from "./motion_compensation.js";
import { smallOf } from "./small_pictures.js";

/** Rendered frames from which others can be warped. */
const KEPT = 3;
/** Seconds that a frame which is being rendered may be late, before another is shown in its place. */
const GRACE = 0.02;
/** Lateness in seconds from which the machine counts as busy: then frames are warped only {@link RARER} seconds apart. */
const BUSY = 0.02;
const RARER = 0.1;
/** Seconds over which frames are counted. */
const COUNTED = 2;

/** @typedef {import("./tick_decoder.js").FrameInput} FrameInput */
/** A frame, its picture RGBA 256×256, and when it is due. @typedef {{ frame: FrameInput, due: number, rgba: Uint8ClampedArray<ArrayBuffer> }} Drawn */
/**
 * A picture, RGBA 256×256, and the 64 pixels that it was rendered from.
 * @typedef {{ rgba: Uint8ClampedArray<ArrayBuffer>, small: Uint8ClampedArray }} Shown
 */
/**
 * The clock, in seconds; `shown`: show this frame now; `hidden`: show none.
 * @typedef {{ now(): number, sleep(seconds: number): Promise<unknown>, shown(frame: Shown): void, hidden(): void }} PresenterStage
 */

export class Presenter {
  #stage;
  /** The newest rendered frames by `due`, the newest last. @type {Drawn[]} */
  #drawn = [];
  /** When the newest frame that was shown was due. */
  #newest = Number.NEGATIVE_INFINITY;
  /** When the frames that were not shown yet are due. @type {Set<number>} */
  #waiting = new Set();
  /** When frames were shown, and when the network had rendered one. @type {Record<"shown" | "drawn", number[]>} */
  #times = { shown: [], drawn: [] };

  /** @param {PresenterStage} stage */
  constructor(stage) {
    this.#stage = stage;
  }

  /** Another person is shown from now on. */
  reset() {
    this.#drawn = [];
  }

  /**
   * A frame is due at `due`. `asked`: the network may render it. Call this with every frame, in order.
   * @param {FrameInput} frame
   * @param {number} due
   * @param {boolean} asked
   */
  async frame(frame, due, asked) {
    const { now, sleep } = this.#stage;
    this.#waiting.add(due);
    await sleep(due - now());
    const patient = asked && !this.#drawn.some((drawn) => drawn.due === due);
    if (patient) await sleep(due + GRACE - now());
    this.#waiting.delete(due);
    const busy = now() - due - (patient ? GRACE : 0) > BUSY && due - this.#newest < RARER;
    const overtaken = [...this.#waiting].some((other) => due < other && other <= now());
    if (due <= this.#newest || overtaken || !this.#drawn.length) return;
    const apart = (/** @type {Drawn} */ drawn) => Math.abs(drawn.due - due);
    const nearest = this.#drawn.reduce((best, drawn) => (apart(drawn) <= apart(best) ? drawn : best));
    if (!apart(nearest)) this.#show(nearest, nearest.rgba.slice());
    else if (!busy && apart(nearest) <= FARTHEST && canWarp(nearest.frame.driven, frame.driven)) {
      this.#show({ frame, due }, warpedFrame(nearest.rgba, nearest.frame.driven, frame.driven));
    }
  }

  /** The network has rendered a frame. A late one is shown unless a later one was. @param {Drawn} drawn */
  drawn(drawn) {
    this.#drawn = [...this.#drawn, drawn].sort((a, b) => a.due - b.due).slice(-KEPT);
    this.#count("drawn");
    if (this.#newest < drawn.due && drawn.due <= this.#stage.now()) this.#show(drawn, drawn.rgba.slice());
  }

  /**
   * @param {{ frame: FrameInput, due: number }} of
   * @param {Uint8ClampedArray<ArrayBuffer>} rgba
   */
  #show({ frame, due }, rgba) {
    this.#newest = due;
    this.#count("shown");
    this.#stage.shown({ rgba, small: smallOf(frame) });
  }

  /** The camera goes off at `due`. @param {number} due */
  async hide(due) {
    await this.#stage.sleep(due - this.#stage.now());
    this.#newest = Math.max(this.#newest, due);
    this.#stage.hidden();
  }

  /** @param {"shown" | "drawn"} what */
  #count(what) {
    this.#times[what] = [...this.#times[what].filter(this.#recent), this.#stage.now()];
  }

  #recent = (/** @type {number} */ at) => this.#stage.now() - at < COUNTED;

  /** Frames a second, over the last two seconds: those shown, and those that the network rendered. */
  get fps() {
    const { shown, drawn } = this.#times;
    return { shown: shown.filter(this.#recent).length / COUNTED, drawn: drawn.filter(this.#recent).length / COUNTED };
  }
}
