// Camera and microphone of this browser.

import { OPUS_RATE } from "../media/opus.js";
import { asleep, MEDIA_CONSTRAINTS, onceAllowed, TROUBLE } from "./media_access.js";

/** @typedef {import("./media_access.js").Kind} Kind */

/** Milliseconds until the microphone's worklet is asked for again. */
const RETRY_MS = 1000;
const OFFLINE = "the server does not answer";

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
  /** @type {AudioWorkletNode | null} */
  #tap = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
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
    navigator.mediaDevices?.addEventListener("devicechange", this.#plugged);
  }

  /** Ask for camera and microphone; what is refused is told in {@link troubles}. */
  async open() {
    await this.#open(["video", "audio"]);
  }

  /** Both in one question to the user where that works, each by itself where it doesn't. @param {Kind[]} kinds */
  async #open(kinds) {
    for (const kind of kinds) {
      delete this.troubles[kind];
      this.#asked[kind] += 1;
    }
    const asked = { ...this.#asked };
    /** @type {MediaStream | null} */
    let stream = null;
    try {
      if (!navigator.mediaDevices) throw new Error("this page was not opened over https");
      stream = await navigator.mediaDevices.getUserMedia(Object.fromEntries(kinds.map((kind) => [kind, this.#wanted(kind)])));
      await Promise.all(stream.getTracks().map((track) => this.#use(track, asked)));
    } catch (error) {
      for (const track of stream?.getTracks() ?? []) if (!Object.values(this.#tracks).includes(track)) track.stop();
      const current = kinds.filter((kind) => !this.#closed && asked[kind] === this.#asked[kind]);
      if (kinds.length > 1) await Promise.all(current.map((kind) => this.#open([kind])));
      else if (current.length) await this.#refused(kinds[0], /** @type {Error} */ (error));
    }
    this.#changed();
  }

  /** @param {Kind} kind @returns {MediaTrackConstraints} */
  #wanted(kind) {
    const id = this.#ids[kind];
    return { ...MEDIA_CONSTRAINTS[kind], ...(id ? { deviceId: { exact: id } } : {}) };
  }

  /** @param {Kind} kind @param {Error} error */
  async #refused(kind, { name, message }) {
    if (this.#ids[kind]) {
      this.choose(kind, ""); // the one that was chosen is gone: any other
      return;
    }
    this.troubles[kind] = TROUBLE[name] ?? message;
    if (name === "NotAllowedError") onceAllowed(kind, () => this.retry(kind));
    // Nothing old may go on being sent as live.
    this.#letGo(kind);
  }

  /** Ask once more for what is missing, if it is wanted. @param {Kind} kind */
  retry(kind) {
    if (!this.#closed && this.troubles[kind] && (kind === "audio" || this.#camera)) this.#open([kind]);
  }

  /** @param {Kind} kind */
  #letGo(kind) {
    this.#tracks[kind]?.stop();
    this.#tracks[kind] = null;
    if (kind === "video") this.#watching += 1;
    else {
      this.#deafen();
    }
    this.#worker.postMessage(kind === "video" ? { kind: "camera", readable: null } : { kind: "microphone", port: null });
  }

  /** A device was plugged in or out: what is missing is asked for again, unless the user has refused it. */
  #plugged = () => {
    const kinds = /** @type {Kind[]} */ (Object.keys(this.troubles));
    const missing = kinds.filter(
      (kind) => this.troubles[kind] !== TROUBLE.NotAllowedError && (kind === "audio" || this.#camera),
    );
    if (missing.length) this.#open(missing);
    else this.#changed();
  };

  /** @param {MediaStreamTrack} track @param {Record<Kind, number>} asked */
  async #use(track, asked) {
    const kind = /** @type {Kind} */ (track.kind);
    if (this.#closed || asked[kind] !== this.#asked[kind] || (kind === "video" && !this.#camera)) {
      track.stop();
      return;
    }
    this.#tracks[kind]?.stop();
    this.#tracks[kind] = track;
    track.onended = () => {
      // Unplugged: any other.
      if (this.#tracks[kind] !== track) return;
      this.#ids[kind] = "";
      this.#open([kind]);
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
      const bitmap = video.videoWidth ? await createImageBitmap(video).catch(() => null) : null;
      if (number !== this.#watching) {
        bitmap?.close();
        return;
      }
      if (bitmap) this.#worker.postMessage({ kind: "bitmap", bitmap }, [bitmap]);
      setTimeout(next, 40);
    };
    next();
  }

  /** @param {MediaStreamTrack} track */
  async #hear(track) {
    const stream = new MediaStream([track]);
    if (this.#context && this.#tap && this.#listenTo(stream, this.#context, this.#tap)) return this.play();
    const context = await this.#begin(track);
    if (!context) return;
    const tap = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
    this.#tap = tap;
    this.#listenTo(stream, context, tap);
    const { port1, port2 } = new MessageChannel();
    tap.port.postMessage(port1, [port1]);
    this.#worker.postMessage({ kind: "microphone", port: port2, rate: context.sampleRate }, [port2]);
    this.play();
  }

  /**
   * Hear another microphone with what is there: while the server is away nothing new can be loaded. False where the browser brings no
   * two microphones into one context (Firefox, at other rates).
   * @param {MediaStream} stream @param {AudioContext} context @param {AudioWorkletNode} tap
   */
  #listenTo(stream, context, tap) {
    try {
      const source = context.createMediaStreamSource(stream);
      this.#source?.disconnect();
      source.connect(tap);
      this.#source = source;
      return true;
    } catch {
      return false;
    }
  }

  /**
   * A context with the worklet, once the server gives it; null where another microphone was asked for meanwhile. Each attempt has a
   * context of its own, for browsers ask for a module once in each.
   * @param {MediaStreamTrack} track
   */
  async #begin(track) {
    for (;;) {
      this.#deafen();
      const context = contextFor(track);
      this.#context = context;
      context.onstatechange = () => this.#changed();
      const loaded = await context.audioWorklet.addModule("/peer/media/tap_worklet.js").then(
        () => true,
        () => false,
      );
      if (context !== this.#context) return null;
      const [before, trouble] = [this.troubles.audio, loaded ? undefined : OFFLINE];
      if (trouble) this.troubles.audio = trouble;
      else delete this.troubles.audio;
      if (before !== trouble) this.#changed();
      if (loaded) return context;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (context !== this.#context) return null;
    }
  }

  #deafen() {
    this.#context?.close();
    this.#context = this.#tap = this.#source = null;
  }

  /** Whether the browser holds the microphone's sound back. */
  get asleep() {
    return this.#context !== null && asleep(this.#context);
  }

  /** Browsers may begin to listen only once the user has touched the page. */
  play() {
    this.#context?.resume();
  }

  /** Use another device; "" is the browser's choice. @param {Kind} kind @param {string} id */
  choose(kind, id) {
    this.#ids[kind] = id;
    if (kind === "audio" || this.#camera) this.#open([kind]);
  }

  /** Switched off, a camera is let go: its light goes out. @param {boolean} on */
  turnCamera(on) {
    if (on === this.#camera) return;
    this.#camera = on;
    if (on) this.#open(["video"]);
    else this.#letGo("video");
  }

  /** The device in use, or "". @param {Kind} kind */
  current(kind) {
    return this.#tracks[kind]?.getSettings().deviceId ?? "";
  }

  close() {
    this.#closed = true;
    navigator.mediaDevices?.removeEventListener("devicechange", this.#plugged);
    this.#watching += 1;
    for (const track of Object.values(this.#tracks)) track?.stop();
    this.#deafen();
  }
}

/** At Opus's own rate, where the browser brings a microphone to any. @param {MediaStreamTrack} track */
function contextFor(track) {
  const context = new AudioContext({ sampleRate: OPUS_RATE, latencyHint: "interactive" });
  try {
    context.createMediaStreamSource(new MediaStream([track]));
    return context;
  } catch {
    context.close();
    return new AudioContext({ latencyHint: "interactive" });
  }
}
