// Camera, microphone and loudspeakers of this browser.

import { OPUS_RATE } from "../media/opus.js";
import { outputLatency } from "../media/output_latency.js";
import { RATE } from "../media/timing.js";
import { MEDIA_CONSTRAINTS, TROUBLE } from "./media_access.js";

/** @typedef {import("./media_access.js").Kind} Kind */

/** This side's camera and microphone, given to the worker that sends. */
export class Capture {
  #worker;
  #changed;
  /** @type {Record<Kind, MediaStreamTrack | null>} */
  #tracks = { video: null, audio: null };
  /** @type {Record<Kind, string>} */
  #ids = { video: "", audio: "" };
  /** @type {AudioContext | null} */
  #context = null;
  #watching = 0;
  #camera = true; // is wanted
  #closed = false;
  /** Counts what was asked for: an older answer counts no more. @type {Record<Kind, number>} */
  #asked = { video: 0, audio: 0 };
  /** What is wrong with each kind. @type {Partial<Record<Kind, string>>} */
  troubles = {};

  /** @param {Worker} worker @param {() => void} changed is told when troubles or devices have changed */
  constructor(worker, changed) {
    this.#worker = worker;
    this.#changed = changed;
    navigator.mediaDevices?.addEventListener("devicechange", changed);
  }

  /** Ask for camera and microphone; what is refused is told in {@link troubles}. */
  async open() {
    await Promise.all([this.#open("video"), this.#open("audio")]);
  }

  /** @param {Kind} kind */
  async #open(kind) {
    delete this.troubles[kind];
    this.#asked[kind] += 1;
    const asked = this.#asked[kind];
    try {
      if (!navigator.mediaDevices) throw new Error("this page was not opened over https");
      const wanted = { ...MEDIA_CONSTRAINTS[kind], ...(this.#ids[kind] ? { deviceId: { exact: this.#ids[kind] } } : {}) };
      const stream = await navigator.mediaDevices.getUserMedia({ [kind]: wanted });
      const [track] = stream.getTracks();
      if (this.#closed || asked !== this.#asked[kind] || (kind === "video" && !this.#camera)) track.stop();
      else await this.#use(kind, track);
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      this.troubles[kind] = TROUBLE[name] ?? message;
      // Nothing old may go on being sent as live.
      this.#worker.postMessage(kind === "video" ? { kind: "camera", readable: null } : { kind: "microphone", port: null });
    }
    this.#changed();
  }

  /** @param {Kind} kind @param {MediaStreamTrack} track */
  async #use(kind, track) {
    this.#tracks[kind]?.stop();
    this.#tracks[kind] = track;
    track.onended = () => {
      // Unplugged: any other.
      if (this.#tracks[kind] !== track) return;
      this.#ids[kind] = "";
      this.#open(kind);
    };
    if (kind === "video") this.#see(track);
    else await this.#hear(track);
  }

  /** @param {MediaStreamTrack} track */
  #see(track) {
    if ("MediaStreamTrackProcessor" in self) {
      const { readable } = new /** @type {any} */ (self).MediaStreamTrackProcessor({ track });
      this.#worker.postMessage({ kind: "camera", readable }, [readable]);
      return;
    }
    this.#worker.postMessage({ kind: "camera", readable: null });
    this.#watching += 1;
    const number = this.#watching;
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
    video.play();
    const next = async () => {
      if (number !== this.#watching) return;
      const bitmap = video.videoWidth ? await createImageBitmap(video).catch(() => null) : null;
      if (bitmap) this.#worker.postMessage({ kind: "bitmap", bitmap }, [bitmap]);
      setTimeout(next, 40);
    };
    next();
  }

  /** @param {MediaStreamTrack} track */
  async #hear(track) {
    this.#context?.close();
    const context = contextFor(track);
    this.#context = context;
    await context.audioWorklet.addModule("/peer/media/tap_worklet.js");
    if (context !== this.#context) return;
    const tap = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
    context.createMediaStreamSource(new MediaStream([track])).connect(tap);
    const { port1, port2 } = new MessageChannel();
    tap.port.postMessage(port1, [port1]);
    this.#worker.postMessage({ kind: "microphone", port: port2, rate: context.sampleRate }, [port2]);
    this.play();
  }

  /** Browsers may begin to listen only once the user has touched the page. */
  play() {
    this.#context?.resume();
  }

  /** Use another device; "" is the browser's choice. @param {Kind} kind @param {string} id */
  choose(kind, id) {
    this.#ids[kind] = id;
    if (kind === "audio" || this.#camera) this.#open(kind);
  }

  /** Switched off, a camera is let go: its light goes out. @param {boolean} on */
  turnCamera(on) {
    if (on === this.#camera) return;
    this.#camera = on;
    if (on) {
      this.#open("video");
      return;
    }
    this.#watching += 1;
    this.#tracks.video?.stop();
    this.#tracks.video = null;
    this.#worker.postMessage({ kind: "camera", readable: null });
  }

  /** The device in use, or "". @param {Kind} kind */
  current(kind) {
    return this.#tracks[kind]?.getSettings().deviceId ?? "";
  }

  close() {
    this.#closed = true;
    this.#watching += 1;
    for (const track of Object.values(this.#tracks)) track?.stop();
    this.#context?.close();
  }
}

/** At Opus's own rate, where the browser brings a microphone to any. @param {MediaStreamTrack} track */
function contextFor(track) {
  try {
    const context = new AudioContext({ sampleRate: OPUS_RATE, latencyHint: "interactive" });
    context.createMediaStreamSource(new MediaStream([track]));
    return context;
  } catch {
    return new AudioContext({ latencyHint: "interactive" });
  }
}

/** Plays the call's sound. */
export class Speaker {
  #worker;
  #needsTouch;
  #sink = "";
  /** @type {AudioContext | null} */
  #context = null;

  /**
   * @param {Worker} worker that hands out the sound
   * @param {(yes: boolean) => void} needsTouch is told whether the browser wants the user to touch the page before it plays
   */
  constructor(worker, needsTouch) {
    this.#worker = worker;
    this.#needsTouch = needsTouch;
  }

  async start() {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.#context = context;
    context.onstatechange = () => this.#needsTouch(context.state === "suspended");
    this.play();
    this.#needsTouch(context.state === "suspended");
    await context.audioWorklet.addModule("/speaker.js");
    const node = new AudioWorkletNode(context, "speaker", { numberOfInputs: 0 });
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ port: port1 }, [port1]);
    node.connect(context.destination);
    this.#worker.postMessage({ kind: "speaker", port: port2 }, [port2]);
    this.#worker.postMessage({ kind: "outputs", seconds: this.latency });
    if (this.#sink) await this.choose(this.#sink).catch((error) => console.warn("facewire:", error));
  }

  /** Begin to be heard; until the user has touched the page, browsers refuse. */
  play() {
    this.#context?.resume();
  }

  /** Seconds from handing out sound until it is heard. */
  get latency() {
    return this.#context ? outputLatency(this.#context) : 0;
  }

  get canChoose() {
    return "setSinkId" in AudioContext.prototype;
  }

  /** The device in use; "" is the browser's choice. */
  get sink() {
    return this.#sink;
  }

  /** @param {string} id */
  async choose(id) {
    this.#sink = id;
    await /** @type {any} */ (this.#context)?.setSinkId(id);
  }

  close() {
    this.#context?.close();
    this.#context = null;
  }
}
