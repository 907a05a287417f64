// Networks for a worker: fetched with progress reports, and opened in ONNX Runtime.
//
// ONNX Runtime's WebAssembly is compiled once, by the page, for all workers. ONNX Runtime Web has no option for that: normally
// each worker compiles it again, which takes seconds of a processor core and much memory.

import { sleep } from "../media/clock.js";
import { Network } from "../models/onnx_network.js";

/**
 * Where files are and how large they are unpacked, as the server lists them in /peer/files.json.
 * @typedef {{ runtime: string, files: Record<string, { url: string, bytes: number }> }} Listed
 */
/**
 * The same with ONNX Runtime compiled; null if the worker is to compile it.
 * @typedef {Listed & { compiled: WebAssembly.Module | null }} Files
 */

/** Seconds before a file is requested again. */
const PAUSES = [0.5, 2, 5];
/** ONNX Runtime only for WebAssembly. */
const PLAIN = "ort-wasm-simd-threaded.wasm";

/**
 * The networks that render a frame: `gpu` on WebGPU; `whole`, the same in int8, which is faster in WebAssembly and which
 * WebGPU does not support; `small`, a third of the operations and not quite as good (docs/decisions.md).
 */
export const STEP_FILES = { gpu: "step.onnx", whole: "step-int8.onnx", small: "step-small-int8.onnx" };
/** What is loaded before a face can be rendered. @param {boolean} gpu */
export const drawing = (gpu) => ["identity.onnx", gpu ? STEP_FILES.gpu : STEP_FILES.small];

/** ONNX Runtime, compiled, to be given to all workers. @param {Listed} files @returns {Promise<Files>} */
export async function compiled(files) {
  try {
    return { ...files, compiled: await WebAssembly.compileStreaming(fetch(files.runtime + PLAIN)) };
  } catch (error) {
    console.warn("facewire: every worker compiles for itself:", error); // and reports what is wrong
    return { ...files, compiled: null };
  }
}

/** Give ONNX Runtime the compiled module when it requests its file. @param {WebAssembly.Module} module */
export function give(module) {
  const compile = WebAssembly.instantiateStreaming;
  WebAssembly.instantiateStreaming = async (source, imports) => {
    const answer = await source;
    if (!answer.url.endsWith(`/${PLAIN}`)) return compile(answer, imports);
    answer.body?.cancel(); // it isn't needed
    return { module, instance: await WebAssembly.instantiate(module, imports) };
  };
}

/**
 * ONNX Runtime, only for WebAssembly or with WebGPU.
 * @param {Files} files
 * @param {boolean} gpu
 * @param {number} threads
 * @returns {Promise<import("../models/onnx_network.js").Ort>}
 */
export async function loadRuntime(files, gpu, threads) {
  const ort = await import(`${files.runtime}${gpu ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs"}`);
  if (files.compiled && !gpu) give(files.compiled);
  ort.env.wasm.wasmPaths = new URL(files.runtime, location.origin).href;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return ort;
}

/** ONNX Runtime refuses to create a WebGPU session while it creates another. @type {Promise<unknown>} */
let created = Promise.resolve();

/**
 * One network. Several may be requested at once. `progress` is called with the number of bytes that have just
 * arrived, negative when a failed attempt is repeated.
 * @param {import("../models/onnx_network.js").Ort} ort
 * @param {Files} files
 * @param {string} name
 * @param {boolean} gpu
 * @param {(bytes: number) => void} progress
 */
export async function loadNetwork(ort, files, name, gpu = false, progress = () => {}) {
  const data = await fetched(files.files[name].url, progress);
  const network = created.then(() => Network.load(ort, data, gpu));
  created = network.catch(() => {});
  return network;
}

/**
 * A file's bytes; if that fails, more attempts are made. Throws if the server doesn't deliver it.
 * @param {string} url @param {(bytes: number) => void} progress
 */
async function fetched(url, progress) {
  for (const pause of PAUSES) {
    let came = 0;
    const counted = (/** @type {number} */ bytes) => {
      came += bytes;
      progress(bytes);
    };
    try {
      return await once(url, counted);
    } catch (error) {
      console.warn(`facewire: ${url} is requested again:`, error);
      progress(-came);
      await sleep(pause);
    }
  }
  return once(url, progress);
}

/** @param {string} url @param {(bytes: number) => void} progress */
async function once(url, progress) {
  const answer = await fetch(url);
  if (!answer.ok || !answer.body) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  const reader = answer.body.getReader();
  /** @type {Uint8Array[]} */
  const parts = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    progress(value.length);
  }
  return new Uint8Array(await new Blob(/** @type {Uint8Array<ArrayBuffer>[]} */ (parts)).arrayBuffer());
}
