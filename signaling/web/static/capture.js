// This window's camera and microphone for the call's process, over /capture: JPEG pictures and PCM sound. The browser cancels the
// echo of what it plays itself. When a device is unplugged another one is used.

import { MEDIA_CONSTRAINTS, onceAllowed, TROUBLE } from "./call/media_access.js";
import { TOUCHES } from "./page/controls.js";

const PICTURE = 1;
const SOUND = 2;
const WAITING_MAX = 400_000; // bytes that may wait in the socket before pictures are dropped
const RETRY_MS = 1000;

export class Capture {
  #kinds;
  #changed;
  #tracks = { video: null, audio: null };
  #ids = { video: "", audio: "" };
  #off = { video: false, audio: false };
  #asked = { video: 0, audio: 0 }; // counts the requests: the answer to an older one is ignored
  #stops = { video: () => {}, audio: () => {} };
  #socket = null;
  #over = false;

  /** `kinds`: of "video" and "audio", what the call takes from here. `changed(troubles)` is called at every change with
   * what is wrong, by kind. */
  constructor(kinds, changed) {
    this.#kinds = kinds;
    this.#changed = changed;
    this.troubles = {};
    this.#connect();
    navigator.mediaDevices?.addEventListener("devicechange", this.#plugged);
    this.#open(kinds);
  }

  /** Use another device; "" is the browser's choice. */
  choose(kind, id) {
    this.#ids[kind] = id;
    if (!this.#off[kind]) this.#open([kind]);
  }

  /** A device that is switched off is released, so that a camera's light goes out. */
  turn(kind, on) {
    if (this.#off[kind] !== on || !this.#kinds.includes(kind)) return;
    this.#off[kind] = !on;
    if (on) this.#open([kind]);
    else this.#close(kind);
  }

  /** The device in use, or "". */
  current(kind) {
    return this.#tracks[kind]?.getSettings().deviceId ?? "";
  }

  stop() {
    this.#over = true;
    navigator.mediaDevices?.removeEventListener("devicechange", this.#plugged);
    for (const kind of this.#kinds) this.#close(kind);
    this.#socket?.close();
  }

  #connect() {
    const socket = (this.#socket = new WebSocket(
      `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/capture`,
    ));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("close", ({ code }) => {
      if (this.#over) return;
      if (code === 4000) {
        this.stop();
        this.#tell("video", "another window has taken over camera and microphone");
      } else setTimeout(() => this.#over || this.#connect(), RETRY_MS);
    });
  }

  #plugged = () => {
    const refused = (kind) => this.troubles[kind] === TROUBLE.NotAllowedError;
    const missing = this.#kinds.filter(
      (kind) => !this.#off[kind] && this.#tracks[kind]?.readyState !== "live" && !refused(kind),
    );
    if (missing.length) this.#open(missing);
    else this.#changed(this.troubles);
  };

  /** Ask the user for both at once; if that fails, for each separately. */
  async #open(kinds) {
    for (const kind of kinds) this.#asked[kind] += 1;
    const asked = { ...this.#asked };
    const outdated = (kind) => asked[kind] !== this.#asked[kind];
    const wanted = Object.fromEntries(
      kinds.map((kind) => [
        kind,
        { ...MEDIA_CONSTRAINTS[kind], ...(this.#ids[kind] && { deviceId: { exact: this.#ids[kind] } }) },
      ]),
    );
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "NotAllowedError");
      const stream = await navigator.mediaDevices.getUserMedia(wanted);
      for (const track of stream.getTracks()) outdated(track.kind) ? track.stop() : this.#use(track);
    } catch (error) {
      if (kinds.every(outdated)) return;
      if (kinds.length > 1) for (const kind of kinds) await this.#open([kind]);
      else if (this.#ids[kinds[0]])
        this.choose(kinds[0], ""); // the chosen device is gone: use any other
      else {
        this.#tell(kinds[0], TROUBLE[error.name] ?? error.name);
        if (error.name === "NotAllowedError") onceAllowed(kinds[0], () => this.#again(kinds[0]));
      }
    }
  }

  #again(kind) {
    if (!this.#over && !this.#off[kind] && this.troubles[kind]) this.#open([kind]);
  }

  #use(track) {
    const { kind } = track;
    if (this.#over || this.#off[kind]) return track.stop();
    this.#close(kind);
    this.#tracks[kind] = track;
    track.addEventListener("ended", () => {
      if (this.#tracks[kind] !== track) return;
      this.#tell(kind, "it is gone");
      this.#open([kind]);
    });
    this.#stops[kind] = "MediaStreamTrackProcessor" in window ? this.#read(track) : this.#watch(track);
    this.#tell(kind, "");
  }

  #close(kind) {
    const track = this.#tracks[kind];
    this.#tracks[kind] = null;
    this.#stops[kind]();
    this.#stops[kind] = () => {};
    track?.stop();
  }

  #tell(kind, trouble) {
    if (trouble) this.troubles[kind] = trouble;
    else delete this.troubles[kind];
    this.#changed(this.troubles);
  }

  // ---- reading ----

  #read(track) {
    const worker = new Worker("/capture-worker.js");
    worker.addEventListener("message", ({ data }) => this.#send(data));
    worker.addEventListener("error", ({ message }) => this.#tell(track.kind, message || "it cannot be read"));
    const { readable } = new MediaStreamTrackProcessor({ track });
    worker.postMessage({ kind: track.kind, readable }, [readable]);
    return () => worker.terminate();
  }

  #watch(track) {
    return track.kind === "video" ? this.#watchCamera(track) : this.#watchMicrophone(track);
  }

  #watchCamera(track) {
    const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    video.srcObject = new MediaStream([track]);
    video.play();
    const canvas = document.createElement("canvas");
    let over = false;
    const next = () => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(draw) : setTimeout(draw, 40));
    const draw = () => {
      if (over) return;
      if (video.videoWidth) {
        const scale = Math.min(1, 640 / Math.max(video.videoWidth, video.videoHeight));
        canvas.width = Math.round(video.videoWidth * scale);
        canvas.height = Math.round(video.videoHeight * scale);
        canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, canvas.width, canvas.height);
        canvas.toBlob(
          async (blob) => blob && this.#send({ kind: "video", bytes: await blob.arrayBuffer() }),
          "image/jpeg",
          0.92,
        );
      }
      next();
    };
    next();
    return () => (over = true);
  }

  #watchMicrophone(track) {
    const context = new AudioContext();
    const resume = () => context.resume();
    for (const touch of TOUCHES) addEventListener(touch, resume);
    context.audioWorklet.addModule("/tap.js").then(() => {
      const tap = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
      tap.port.addEventListener("message", ({ data }) => this.#send(data));
      tap.port.start();
      context.createMediaStreamSource(new MediaStream([track])).connect(tap);
    });
    return () => {
      for (const touch of TOUCHES) removeEventListener(touch, resume);
      context.close();
    };
  }

  // ---- sending ----

  #send({ kind, bytes, rate, pieces }) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (kind === "video" && socket.bufferedAmount < WAITING_MAX) socket.send(picture(bytes));
    else if (kind === "audio") socket.send(sound(rate, pieces));
  }
}

function picture(bytes) {
  const message = new Uint8Array(1 + bytes.byteLength);
  message[0] = PICTURE;
  message.set(new Uint8Array(bytes), 1);
  return message;
}

/** The rate, then samples of 16 bits, little-endian. */
function sound(rate, pieces) {
  const view = new DataView(new ArrayBuffer(5 + 2 * pieces.reduce((sum, piece) => sum + piece.length, 0)));
  view.setUint8(0, SOUND);
  view.setUint32(1, rate);
  let at = 5;
  for (const piece of pieces) {
    for (const sample of piece) {
      view.setInt16(at, Math.max(-1, Math.min(1, sample)) * 32767, true);
      at += 2;
    }
  }
  return view;
}
