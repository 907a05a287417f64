// The live receiver: bundles in whenever they arrive, frames and sound out on the playout clock.

import { NO_CAMERA, parseBundle, TICK_MODES } from "../codec/bundle.js";
import { CodecError } from "../codec/errors.js";
import { Signal } from "../media/clock.js";
import { RATE } from "../media/timing.js";
import { Arrivals } from "./arrivals.js";
import { PlayoutClock } from "./playout_delay.js";
import { fit } from "./stretch.js";
import { TickDecoder } from "./tick_decoder.js";
import { TickQueue } from "./tick_queue.js";

/** Seconds without a bundle after which playing stops until one comes. */
const STREAM_TIMEOUT = 5;
/** Seconds that this side may fall behind (the machine slept) before ticks are skipped. */
const BEHIND = 1;
/** Share of bundles lost above which the sender repeats audio, and the clock waits for that. */
const REDUNDANT_LOSS = 0.04;
/** Seconds by which sound is handed out before its picture's time: Opus delays it by 6.5 ms, and pictures lead it. */
const EARLY = 0.012;
/** Seconds before a tick's time at which it must be decoded, for its sound to be whole. */
const SOUND_LEAD = EARLY + 0.015;

/** @typedef {import("./tick_decoder.js").FrameInput} FrameInput */
/**
 * The outputs of a player. Times are those of `now`, in seconds. `frame`: render it, to be shown at `due`. `hide`: the camera
 * goes off at `due`. `sound`: play it from now on, mono 16 kHz. `drawing`: seconds that rendering a frame takes.
 * @typedef {{
 *   now(): number, sleep(seconds: number): Promise<void>, frame(frame: FrameInput, due: number): void,
 *   hide(due: number): void, sound(samples: Float32Array): void, drawing(): number,
 * }} Stage
 */

/** Call {@link bundle} and {@link keyframe} as data arrives; {@link run} plays until {@link close}. */
export class Player {
  #stage;
  #clock = new PlayoutClock();
  #queue = new TickQueue();
  #arrival = new Signal();
  #arrivals = new Arrivals();
  /** Seconds by which the most overdue bundle since the last tick was late. */
  #missed = 0;
  #hidden = false;
  #closed = false;
  /** What happened so far: bundles received, malformed, too late; ticks played, and those of them whose sound
   * had to be concealed. */
  count = { bundles: 0, broken: 0, late: 0, ticks: 0, concealed: 0 };
  face = 0;
  muted = false;

  /**
   * @param {import("../models/upsampler.js").Interpolator} interpolator
   * @param {import("./tick_decoder.js").SpeechDecoder} speech
   * @param {Stage} stage
   */
  constructor(interpolator, speech, stage) {
    this.#stage = stage;
    this.decoder = new TickDecoder(interpolator, speech);
  }

  /** A whole keyframe has arrived. @param {number} slot @param {import("../codec/keyframe.js").Keyframe} keyframe */
  keyframe(slot, keyframe) {
    this.decoder.setKeyframe(slot, keyframe);
  }

  /**
   * A message from the media channel; returns the bundle for its report, or null if it is broken (and counted).
   * @param {Uint8Array} data
   */
  bundle(data) {
    const now = this.#stage.now();
    let bundle;
    try {
      bundle = parseBundle(data);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.count.broken += 1;
      return null;
    }
    this.count.bundles += 1;
    if (!bundle.picture && !bundle.sound.length && !bundle.pausing && !NO_CAMERA.includes(bundle.face)) {
      return bundle; // only a report: the peer sends nothing to play
    }
    const queue = this.#queue;
    const tick = TICK_MODES[bundle.tickMode] / 1000;
    const at = queue.position(bundle);
    const running = queue.next !== null && this.#clock.started;
    if (running && queue.isNewStream(now - this.#clock.due(at / 1000), tick)) this.#restart();
    queue.arrived(at, bundle, now);
    this.#clock.arrived(at / 1000 + tick, now);
    this.#arrivals.add(bundle.number, this.decoder.arrived(bundle));
    [this.face, this.muted] = [bundle.face, bundle.muted];
    if (!queue.put(at, bundle)) {
      this.count.late += 1;
      this.#missed = Math.max(this.#missed, now - this.#clock.due(at / 1000) + SOUND_LEAD);
    }
    this.#arrival.set();
    return bundle;
  }

  /** Take the next bundle as the first of a stream; keep the decoder's state and the frame shown. */
  #restart() {
    this.#clock.reset();
    this.#queue.restart();
    this.#missed = 0;
  }

  /** The report to the sender. */
  report() {
    return this.#arrivals.report();
  }

  /** Share of the last bundles that never arrived, 0..1. */
  get loss() {
    return this.#arrivals.loss;
  }

  /** Seconds from the start of a tick's capture to its presentation, without the network's own transit. */
  get delay() {
    return this.#clock.buffered();
  }

  /** Play until {@link close}. */
  async run() {
    const [queue, stage] = [this.#queue, this.#stage];
    while (!this.#closed) {
      const at = queue.next;
      if (at === null || !this.#clock.started) {
        await this.#arrival.wait();
        continue;
      }
      const due = this.#clock.due(at / 1000);
      const behind = stage.now() - due;
      if (behind > BEHIND) {
        queue.next = at + Math.floor((behind * 1000) / queue.tickMs) * queue.tickMs;
        continue;
      }
      if (stage.now() - queue.lastArrival > STREAM_TIMEOUT && !queue.length) {
        this.#restart();
        continue;
      }
      // A little less than rendering takes: a tick's first frame is some ms late, which nobody sees, and all that follows is
      // earlier.
      this.#clock.lead = Math.min(Math.max(stage.drawing() * 0.9, 0.02), 0.12) + 0.004;
      await stage.sleep(due - this.#clock.lead - stage.now());
      await this.#waitFor(at, due - SOUND_LEAD);
      if (queue.next === at) await this.#play(at, due); // else a new stream began meanwhile
    }
  }

  /**
   * Wait for the bundle until its sound must be decoded. The first frame may then be late, but the tick is not lost.
   * @param {number} at
   * @param {number} until
   */
  async #waitFor(at, until) {
    while (this.#queue.next === at && !this.#queue.has(at) && !this.decoder.pausing && !this.#closed) {
      const left = until - this.#stage.now();
      if (left <= 0) return;
      await this.#arrival.wait(left);
    }
  }

  /**
   * Decode the tick that begins at `at` and output it, to be shown and heard from `due` on.
   * @param {number} at
   * @param {number} due
   */
  async #play(at, due) {
    const [queue, clock] = [this.#queue, this.#clock];
    const { bundle, length } = queue.take(at);
    queue.next = at + length;
    const tick = length / 1000;
    // Under loss the clock waits for the next bundle, which then repeats the lost one's sound.
    clock.hold = this.loss > REDUNDANT_LOSS ? tick : 0;
    const change = Math.round(clock.change(queue.arriving, this.#missed) * RATE);
    const forced = this.#missed > 0;
    this.#missed = 0;
    let output;
    try {
      output = await this.decoder.tick(at, length, bundle, queue.redundant(at + length));
    } catch (error) {
      console.warn("facewire: a tick could not be decoded:", error); // one tick must not end the call
      this.count.broken += 1;
      return;
    }
    if (queue.next !== at + length || this.#closed) return;
    const heard = forced ? lengthened(output.sound, change) : fit(output.sound, change);
    clock.move(heard.length / RATE - tick);
    this.count.ticks += 1;
    this.count.concealed += output.concealed ? 1 : 0;
    this.#present(at, due, heard, output);
  }

  /**
   * @param {number} at
   * @param {number} due
   * @param {Float32Array} heard
   * @param {import("./tick_decoder.js").TickOutput} output
   */
  #present(at, due, heard, output) {
    const stage = this.#stage;
    this.#later(due - EARLY, () => stage.sound(heard));
    if (output.hidden && !this.#hidden) stage.hide(due);
    this.#hidden = output.hidden;
    const lead = stage.drawing() * 1.15 + 0.004;
    for (const frame of output.frames) {
      const seen = due + frame.number * 0.04 - at / 1000;
      this.#later(seen - lead, () => stage.frame(frame, seen));
    }
  }

  /** @param {number} time @param {() => void} action */
  #later(time, action) {
    this.#stage.sleep(time - this.#stage.now()).then(() => {
      if (!this.#closed) action();
    });
  }

  close() {
    this.#closed = true;
    this.#arrival.set();
  }
}

/** `sound`, followed by silence. @param {Float32Array} sound @param {number} more samples */
function lengthened(sound, more) {
  const out = new Float32Array(sound.length + Math.max(0, more));
  out.set(sound);
  return out;
}
