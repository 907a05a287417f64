// The call's sound, played as it arrives over /sound. Not over WebRTC: its jitter buffer would delay it by a tenth of a second.

import { asleep } from "./call/media_access.js";
import { outputLatency } from "./media/output_latency.js";

const RETRY_MS = 1000;

export class Sound {
  #needsTouch;
  #element;
  #context = null;
  #node = null;
  #socket = null;
  #waited = 0;
  #sink = "";

  /** `element`: an audio element, for browsers that can choose loudspeakers only for that. `needsTouch(yes)` is called with
   * whether the browser requires a touch of the page before it plays sound. */
  constructor(element, needsTouch) {
    this.#element = element;
    this.#needsTouch = needsTouch;
  }

  async start() {
    if (this.#context) return;
    const context = (this.#context = new AudioContext({ latencyHint: "interactive" }));
    context.addEventListener("statechange", () => context === this.#context && this.#needsTouch(asleep(context)));
    this.play();
    this.#needsTouch(asleep(context));
    try {
      await context.audioWorklet.addModule("/speaker.js");
    } catch (error) {
      console.warn("facewire:", error);
      return setTimeout(() => context === this.#context && (this.stop(), this.start()), RETRY_MS);
    }
    if (context !== this.#context) return;
    this.#node = new AudioWorkletNode(context, "speaker", { numberOfInputs: 0 });
    this.#node.port.onmessage = ({ data }) => (this.#waited += (data - this.#waited) / 8);
    this.#node.connect(context.destination);
    if (this.#sink) this.choose(this.#sink);
    this.#connect(context);
  }

  stop() {
    this.#context?.close();
    this.#socket?.close();
    this.#element.srcObject = null;
    this.#context = this.#node = this.#socket = null;
  }

  /** Start playing; browsers refuse until the user has touched the page. */
  play() {
    this.#context?.resume();
  }

  /** Milliseconds from a message's arrival until it is heard; null while nothing is heard. */
  get delay() {
    const context = this.#context;
    if (context?.state !== "running" || !this.#node) return null;
    return 1000 * (this.#waited + outputLatency(context));
  }

  // ---- loudspeakers ----

  get canChoose() {
    return "setSinkId" in AudioContext.prototype || "setSinkId" in this.#element;
  }

  /** The device in use; "" is the browser's choice. */
  get sink() {
    return this.#sink;
  }

  async choose(id) {
    this.#sink = id;
    const context = this.#context;
    if (!context) return;
    if (context.setSinkId) return context.setSinkId(id);
    // Through an element, which costs some milliseconds.
    this.#node?.disconnect();
    if (!id) return this.#node?.connect(context.destination);
    const out = context.createMediaStreamDestination();
    this.#node?.connect(out);
    this.#element.srcObject = out.stream;
    await this.#element.setSinkId(id);
    await this.#element.play();
  }

  // ---- receiving ----

  #connect(context) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = (this.#socket = new WebSocket(`${scheme}://${location.host}/sound?rate=${context.sampleRate}`));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      if (context.state === "running") this.#node?.port.postMessage(data, [data]);
    });
    socket.addEventListener("close", () => {
      if (socket === this.#socket) setTimeout(() => socket === this.#socket && this.#connect(context), RETRY_MS);
    });
  }
}
