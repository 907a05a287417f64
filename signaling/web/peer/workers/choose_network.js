// The choice of the network that renders: on the GPU or in WebAssembly, the whole one or the small one, by how long a frame
// takes on this machine.

import { Upsampler } from "../models/upsampler.js";
import { loadNetwork, loadRuntime, STEP_FILES } from "./load.js";

/** Largest mean difference, in levels of 255, at which WebGPU counts as rendering what WebAssembly renders in int8. */
const ALIKE = 2;
/** Estimated ratio of the whole network's frame time to the small one's. */
const WHOLE_TO_SMALL = 1.9;
/** Milliseconds of a frame, divided by the number of workers, that leave a third of the time at 25 FPS to everything else. */
const FAST = 26;

/** @typedef {import("./load.js").Files} Files */
/** Networks that are ready to render. @typedef {Awaited<ReturnType<typeof load>>} Loaded */
/** The same, with the milliseconds of a test frame, and that frame. @typedef {Awaited<ReturnType<typeof open>>} Opened */

/**
 * `identity`: that network, if it is loaded already.
 * @typedef {{
 *   files: Files, gpu: boolean, step: string, threads: number, progress?: (bytes: number) => void,
 *   identity?: import("../models/onnx_network.js").Network,
 * }} Wanted
 */

/** The networks, not run yet. @param {Wanted} wanted */
export async function load({ files, gpu, step, threads, progress = () => {}, identity }) {
  const ort = await loadRuntime(files, gpu, threads);
  const network = (/** @type {string} */ name) => loadNetwork(ort, files, name, gpu, progress);
  const networks = await Promise.all([identity ?? network("identity.onnx"), network(step)]);
  /** Resolves when the GPU is lost: a driver restarts, a laptop wakes. @type {Promise<unknown>} */
  const lost = gpu ? (await /** @type {any} */ (ort.env.webgpu).device).lost : new Promise(() => {});
  return { upsampler: new Upsampler(networks[0], networks[1]), networks, step, lost };
}

/** Load the networks and render one test frame; adds its time and the frame, for comparison. @param {Wanted} wanted */
export async function open(wanted) {
  const loaded = await load(wanted);
  return { ...loaded, ...(await loaded.upsampler.warmup()) };
}

/**
 * WebGPU, if it renders the same picture and takes no longer (drivers differ); else the whole network or the small one,
 * depending on this machine's speed.
 * @param {Files} files
 * @param {number} threads
 * @param {number} workers
 * @param {(bytes: number) => void} progress
 */
export async function chooseWithGpu(files, threads, workers, progress) {
  const found = await open({ files, gpu: true, step: STEP_FILES.gpu, threads, progress });
  const other = await open({ files, gpu: false, step: STEP_FILES.whole, threads });
  const apart = found.frame.reduce((sum, value, i) => sum + Math.abs(value - other.frame[i]), 0) / found.frame.length;
  const draws = apart <= ALIKE && found.ms <= other.ms;
  console.info(`facewire: WebGPU ${draws ? "renders" : "is not used"}: ${apart.toFixed(2)} levels apart`);
  for (const network of (draws ? other : found).networks) network.close();
  if (draws || other.ms / workers <= FAST) return draws ? found : other;
  other.networks[1].close();
  return open({ files, gpu: false, step: STEP_FILES.small, threads, identity: other.networks[0] });
}

/**
 * The whole network, if all workers together are fast enough for it, else null.
 * @param {Opened} small
 * @param {Files} files
 * @param {number} threads
 * @param {number} workers
 */
export async function wholeIfFastEnough(small, files, threads, workers) {
  if ((small.ms * WHOLE_TO_SMALL) / workers > FAST) return null;
  try {
    const whole = await open({ files, gpu: false, step: STEP_FILES.whole, threads, identity: small.networks[0] });
    if (whole.ms / workers <= FAST) return whole;
    whole.networks[1].close();
  } catch (error) {
    console.warn("facewire: the small network stays in use:", error);
  }
  return null;
}
