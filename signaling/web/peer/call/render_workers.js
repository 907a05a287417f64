// The workers that render the peer's face.

import { STEP_FILES } from "../workers/load.js";

/**
 * `port`: a worker is ready and takes frames on this port; `gone`: the workers so far have been ended. `loading`: this many
 * bytes more have arrived. `ready`: the first worker can render, and takes this many milliseconds for a frame; `chosen`: the
 * same for the network that it keeps; `complete`: no more workers will be started; `failed`: nothing can be rendered, and why.
 * @typedef {{
 *   port(port: MessagePort): void, gone(): void, loading(bytes: number): void, ready(ms: number): void,
 *   chosen(ms: number): void, complete(): void, failed(what: string): void,
 * }} DrawingEvents
 */

export class RenderWorkers {
  #files;
  #how;
  #on;
  /** @type {Worker[]} */
  #workers = [];
  /** Keyframes by slot, for a worker that starts later. @type {Map<number, { file: Uint8Array, form: string }>} */
  #keyframes = new Map();
  #closed = false;
  #retried = false;
  /** The network that the first worker has chosen. */
  #step = "";

  /**
   * `how`: whether there is a GPU, the machine's `cores`, whether threads may share memory (`shared`), and the network to
   * render with (`step`; "" chooses one by measuring).
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

  /** The number of workers: one with a GPU or on a single core, else two, which divide the threads between them. */
  get #most() {
    return this.#how.gpu || this.#how.cores < 2 ? 1 : 2;
  }

  /** Start one more worker. The next one starts when the first has chosen its network: its files are then in the cache. */
  #add() {
    const worker = new Worker(new URL("../workers/render_worker.js", import.meta.url), { type: "module" });
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
      if (!this.#workers.includes(worker)) return; // it has been replaced
      if (data.kind === "ready") {
        this.#on.port(port1);
        if (first) this.#on.ready(data.ms);
      } else if (data.kind === "chosen") {
        this.#step = data.step;
        if (data.step === STEP_FILES.gpu) this.#fetch(STEP_FILES.small);
        else this.#how = { ...this.#how, gpu: false }; // a GPU that renders worse or more slowly counts as none
        if (first) this.#on.chosen(data.ms);
        if (this.#workers.length < this.#most && !this.#closed) this.#add();
        else this.#on.complete();
      } else if (data.kind === "lost") this.#goOnWithoutGpu();
      else if (data.kind === "broken") this.#goOnAnew();
      else if (first && data.kind === "loading") this.#on.loading(data.bytes);
      else if (first && data.kind === "failed") this.#on.failed(data.message);
    };
  }

  /** A driver was restarted, or a laptop woke: pending GPU work never completes, and the worker does not end by itself. */
  #goOnWithoutGpu() {
    if (this.#closed || !this.#how.gpu) return;
    console.warn("facewire: the GPU is lost; WebAssembly renders from now on");
    this.#how = { ...this.#how, gpu: false };
    this.#begin();
  }

  /** Frame after frame failed: replace the workers, but only once. */
  #goOnAnew() {
    if (this.#closed) return;
    if (this.#retried) this.#on.failed("every frame fails");
    else this.#begin();
    this.#retried = true;
  }

  /** Replace all workers. */
  #begin() {
    for (const worker of this.#workers) worker.terminate();
    [this.#workers, this.#step] = [[], ""];
    this.#on.gone();
    this.#add();
  }

  /** Put a network into the browser's cache, in case the GPU is lost during a call. @param {string} name */
  #fetch(name) {
    this.#files
      .then(({ files }) => fetch(files[name].url))
      .then((answer) => answer.arrayBuffer())
      .catch((error) => console.info(`facewire: ${name} could not be fetched ahead:`, error));
  }

  /** A keyframe's file has arrived. @param {number} slot @param {Uint8Array} file @param {string} form */
  keyframe(slot, file, form) {
    this.#keyframes.set(slot, { file, form });
    for (const worker of this.#workers) worker.postMessage({ kind: "keyframe", slot, file, form });
  }

  /** Another person is to be rendered. */
  reset() {
    this.#keyframes.clear();
    for (const worker of this.#workers) worker.postMessage({ kind: "reset" });
  }

  close() {
    this.#closed = true;
    for (const worker of this.#workers) worker.terminate();
  }
}
