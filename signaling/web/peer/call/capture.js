// Camera and microphone of this browser.

import { OPUS_RATE } from "../media/opus.js";
import { asleep, MEDIA_CONSTRAINTS, onceAllowed, TROUBLE } from "./media_access.js";

/** @typedef {import("./media_access.js").Kind} Kind */

/** Milliseconds until the microphone's worklet is requested again. */
const RETRY_MS = 1000;
const OFFLINE = "the server does not answer";

/** This side's camera and microphone, passed to the sender worker. */
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
  #camera = true; // whether it is wanted
  #closed = false;
  /** Counts the requests: the answer to an older one is ignored. @type {Record<Kind, number>} */
  #asked = { video: 0, audio: 0 };
  /** What is wrong with each kind. @type {Partial<Record<Kind, string>>} */
  troubles = {};

  /** @param {Worker} worker @param {() => void} changed called when troubles or devices have changed */
  constructor(worker, changed) {
    this.#worker = worker;
    this.#changed = changed;
    navigator.mediaDevices?.addEventListener("devicechange", this.#plugged);
  }

  /** Ask for camera and microphone; {@link troubles} holds what is refused. */
  async open() {
    await this.#open(["video", "audio"]);
  }

  /** Ask the user for both at once; if that fails, for each separately. @param {Kind[]} kinds */
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
      this.choose(kind, ""); // the chosen device is gone: use any other
      return;
    }
    this.troubles[kind] = TROUBLE[name] ?? message;
    if (name === "NotAllowedError") onceAllowed(kind, () => this.retry(kind));
    // Nothing old may still be sent as live.
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

  /** A device was plugged in or out: what is missing is requested again, unless the user has refused it. */
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
      // Unplugged: use any other.
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
   * Connect another microphone to the existing worklet: while the server is unreachable nothing new can be loaded. False if
   * the browser refuses another microphone in the same context (Firefox, at another rate).
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
   * A context with the worklet, once the server delivers it; null if another microphone was requested meanwhile. Each attempt
   * uses a new context, because browsers request a module only once per context.
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

  /** Start listening; browsers may refuse until the user has touched the page. */
  play() {
    this.#context?.resume();
  }

  /** Use another device; "" is the browser's choice. @param {Kind} kind @param {string} id */
  choose(kind, id) {
    this.#ids[kind] = id;
    if (kind === "audio" || this.#camera) this.#open([kind]);
  }

  /** A camera that is switched off is released, so that its light goes out. @param {boolean} on */
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

/** A context at Opus's own rate, if the browser resamples the microphone to it. @param {MediaStreamTrack} track */
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
