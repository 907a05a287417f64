// The workers that draw the other side's face.

import { STEP_FILES } from "../workers/load.js";

/**
 * `port`: a worker is ready, frames for it go there; `gone`: those that there were are no more. `loading`: bytes more are here. `ready`: it can draw, and takes so many milliseconds for a frame; `chosen`: the same of the
 * network that it will go on with; `complete`: no more workers come.
 * @typedef {{
 *   port(port: MessagePort): void, gone(): void, loading(bytes: number): void, ready(ms: number): void,
 *   chosen(ms: number): void, complete(): void, failed(what: string): void,
 * }} DrawingEvents
 */

export class Drawing {
  #files;
  #how;
  #on;
  /** @type {Worker[]} */
  #workers = [];
  /** Keyframes by slot, for a worker that begins later. @type {Map<number, { file: Uint8Array, form: string }>} */
  #keyframes = new Map();
  #closed = false;
  #anew = false;
  /** The network that the first worker has chosen. */
  #step = "";

  /**
   * `how`: `cores` of the machine, whether they may share memory (`shared`), and the network to draw with (`step`), which is
   * found by measuring where it is "".
   * @param {Promise<import("../workers/load.js").Files>} files
   * @param {{ gpu: boolean, cores: number, shared: boolean, step?: string }} how
   * @param {DrawingEvents} on
   */
  constructor(files, how, on) {
    this.#files = files;
    this.#how = how;
    this.#on = on;
    this.#step = how.step ?? "";
    this.#add();
  }

  /** A GPU is given one worker; two cores or more are given two, which share the others' threads. */
  get #most() {
    return this.#how.gpu || this.#how.cores < 2 ? 1 : 2;
  }

  /** One more worker. The next is begun when the first has chosen its network: the files are in the browser's cache then. */
  #add() {
    const worker = new Worker(new URL("../workers/draw_worker.js", import.meta.url), { type: "module" });
    const { port1, port2 } = new MessageChannel();
    const first = !this.#workers.length;
    this.#workers.push(worker);
    worker.onerror = (event) => first && this.#on.failed(event.message || "a part of the page could not be loaded");
    const { gpu, cores, shared } = this.#how;
    const workers = this.#most;
    const threads = shared ? Math.min(3, Math.max(1, Math.floor((cores - 1) / workers))) : 1;
    const step = this.#step;
    this.#files.then((files) =>
      worker.postMessage({ kind: "start", files, port: port2, gpu, threads, workers, step }, [port2]),
    );
    for (const [slot, { file, form }] of this.#keyframes) worker.postMessage({ kind: "keyframe", slot, file, form });
    worker.onmessage = ({ data }) => {
      if (!this.#workers.includes(worker)) return; // another draws in its place
      if (data.kind === "ready") {
        this.#on.port(port1);
        if (first) this.#on.ready(data.ms);
      } else if (data.kind === "chosen") {
        this.#step = data.step;
        if (data.step === STEP_FILES.gpu) this.#fetch(STEP_FILES.small);
        else this.#how = { ...this.#how, gpu: false }; // one that draws worse or slower counts as none
        if (first) this.#on.chosen(data.ms);
        if (this.#workers.length < this.#most && !this.#closed) this.#add();
        else this.#on.complete();
      } else if (data.kind === "lost") this.#goOnWithoutGpu();
      else if (data.kind === "broken") this.#goOnAnew();
      else if (first && data.kind === "loading") this.#on.loading(data.bytes);
      else if (first && data.kind === "failed") this.#on.failed(data.message);
    };
  }

  /** A driver was restarted, or a laptop woke: what the GPU was asked for never comes, nor does its worker end by itself. */
  #goOnWithoutGpu() {
    if (this.#closed || !this.#how.gpu) return;
    console.warn("facewire: the GPU is lost; WebAssembly goes on drawing");
    this.#how = { ...this.#how, gpu: false };
    this.#begin();
  }

  /** Frame after frame failed: other workers draw, once. */
  #goOnAnew() {
    if (this.#closed) return;
    if (this.#anew) this.#on.failed("every frame fails");
    else this.#begin();
    this.#anew = true;
  }

  /** Other workers in place of those that there are. */
  #begin() {
    for (const worker of this.#workers) worker.terminate();
    [this.#workers, this.#step] = [[], ""];
    this.#on.gone();
    this.#add();
  }

  /** Have a network in the browser's cache, should the GPU be lost in a call. @param {string} name */
  #fetch(name) {
    this.#files
      .then(({ files }) => fetch(files[name].url))
      .then((answer) => answer.arrayBuffer())
      .catch((error) => console.info(`facewire: ${name} is not at hand:`, error));
  }

  /** A keyframe's file is here. @param {number} slot @param {Uint8Array} file @param {string} form */
  keyframe(slot, file, form) {
    this.#keyframes.set(slot, { file, form });
    for (const worker of this.#workers) worker.postMessage({ kind: "keyframe", slot, file, form });
  }

  /** Another person is to be drawn. */
  reset() {
    this.#keyframes.clear();
    for (const worker of this.#workers) worker.postMessage({ kind: "reset" });
  }

  close() {
    this.#closed = true;
    for (const worker of this.#workers) worker.terminate();
  }
}
