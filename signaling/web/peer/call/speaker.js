// The loudspeakers of this browser.

import { outputLatency } from "../media/output_latency.js";
import { RATE } from "../media/timing.js";
import { asleep } from "./media_access.js";

/** The chime: pitches in Hz, seconds of each note, its volume. */
const NOTES = [660, 880];
const NOTE_SECONDS = 0.14;
const NOTE_VOLUME = 0.08;

/** Plays the call's sound. */
export class Speaker {
  #worker;
  #needsTouch;
  #sink = "";
  /** @type {AudioContext | null} */
  #context = null;

  /**
   * @param {Worker} worker the one that provides the sound
   * @param {(yes: boolean) => void} needsTouch called with whether the browser requires a touch of the page before it plays
   */
  constructor(worker, needsTouch) {
    this.#worker = worker;
    this.#needsTouch = needsTouch;
  }

  async start() {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.#context = context;
    context.onstatechange = () => this.#needsTouch(this.asleep);
    this.play();
    this.#needsTouch(this.asleep);
    await context.audioWorklet.addModule("/speaker.js");
    if (context !== this.#context) return; // the call has ended meanwhile
    const node = new AudioWorkletNode(context, "speaker", { numberOfInputs: 0 });
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ port: port1 }, [port1]);
    node.connect(context.destination);
    this.#worker.postMessage({ kind: "speaker", port: port2 }, [port2]);
    this.#worker.postMessage({ kind: "outputs", seconds: this.latency });
    if (this.#sink) await this.choose(this.#sink).catch((error) => console.warn("facewire:", error));
  }

  /** Whether the browser holds the sound back. */
  get asleep() {
    return this.#context !== null && asleep(this.#context);
  }

  /** Start playing; browsers refuse until the user has touched the page. */
  play() {
    this.#context?.resume();
  }

  /** Play two short notes, for a user who looks elsewhere. */
  chime() {
    const context = this.#context;
    if (!context) return;
    for (const [i, pitch] of NOTES.entries()) {
      const [tone, volume] = [context.createOscillator(), context.createGain()];
      const at = context.currentTime + i * NOTE_SECONDS;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(NOTE_VOLUME, at + 0.02);
      volume.gain.linearRampToValueAtTime(0, at + NOTE_SECONDS);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + NOTE_SECONDS);
    }
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
