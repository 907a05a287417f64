// What is shown of the other side's face, and when: of each 25th of a second the frame that the network drew of it, else one
// made of the nearest that it drew (motion_compensation.js).

import { canBeMoved, FARTHEST, moved } from "./motion_compensation.js";
import { smallOf } from "./small_pictures.js";

/** Drawn frames that others can be made of. */
const KEPT = 3;
/** Seconds that a frame which is being drawn may come late, before another is shown in its place. */
const GRACE = 0.02;
/** Seconds by which a busy machine comes late to a frame; it is spared then, and shows {@link RARER} seconds apart. */
const BUSY = 0.02;
const RARER = 0.1;
/** Seconds over which frames are counted. */
const COUNTED = 2;

/** @typedef {import("./tick_decoder.js").FrameInput} FrameInput */
/** A frame, its picture RGBA 256×256, and when it is due. @typedef {{ frame: FrameInput, due: number, rgba: Uint8ClampedArray<ArrayBuffer> }} Drawn */
/**
 * A picture, RGBA 256×256, and the 64 pixels that it was drawn from.
 * @typedef {{ rgba: Uint8ClampedArray<ArrayBuffer>, small: Uint8ClampedArray }} Shown
 */
/**
 * The clock, in seconds; `shown`: a frame is to be put on the page now; `hidden`: none is.
 * @typedef {{ now(): number, sleep(seconds: number): Promise<unknown>, shown(frame: Shown): void, hidden(): void }} PresenterStage
 */

export class Presenter {
  #stage;
  /** The newest by `due`, the newest last. @type {Drawn[]} */
  #drawn = [];
  /** When the newest frame that was shown was due. */
  #newest = Number.NEGATIVE_INFINITY;
  /** When the frames are due that were not shown yet. @type {Set<number>} */
  #waiting = new Set();
  /** When frames were shown, and when the network had drawn one. @type {Record<"shown" | "drawn", number[]>} */
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
   * A frame is due at `due`. `asked`: the network may draw it. Call this with every frame, in their order.
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
    else if (!busy && apart(nearest) <= FARTHEST && canBeMoved(nearest.frame.driven, frame.driven)) {
      this.#show({ frame, due }, moved(nearest.rgba, nearest.frame.driven, frame.driven));
    }
  }

  /** The network has drawn a frame. One that comes late is shown unless a later one was. @param {Drawn} drawn */
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

  /** Frames a second, over the last two: those that were shown, and those that the network drew. */
  get fps() {
    const { shown, drawn } = this.#times;
    return { shown: shown.filter(this.#recent).length / COUNTED, drawn: drawn.filter(this.#recent).length / COUNTED };
  }
}
