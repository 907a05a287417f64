// Draws the other side's face, in a worker of its own, so that nothing that is heard or sent waits for it. It draws one frame
// at a time; which is decided by receiver/drawers.js.

import { now } from "../media/clock.js";
import { planes } from "../media/image.js";
import { decodeStill } from "../media/still.js";
import { Upsampler } from "../models/upsampler.js";
import { smallOf } from "../receiver/small_pictures.js";
import { consistency } from "../receiver/trust.js";
import { loadNetwork, loadRuntime, STEPS } from "./load.js";

/** Keyframes whose features are kept: 3.5 MB each. */
const KEPT = 3;

/** Mean difference, of 255 levels, between what WebGPU and WebAssembly draw, in fp16 and int8. */
const ALIKE = 2;
/** Estimated ratio of the whole network's frame time to the small one's. */
const WHOLE_TO_SMALL = 1.9;
/** Milliseconds of a frame, of all workers together, that leave a third of the time of 25 FPS to all else. */
const FAST = 26;

/** @typedef {import("./load.js").Files} Files */
/** @typedef {Awaited<ReturnType<typeof open>>} Opened */
/** @typedef {{ planes: Float32Array, features: import("../models/upsampler.js").KeyframeFeatures | null }} Known */

/** By slot; a promise while the picture is decoded. @type {Map<number, Promise<Known | null>>} */
const keyframes = new Map();
/** Those with features, the one used longest ago first. @type {Known[]} */
let featured = [];

self.onmessage = ({ data }) => {
  if (data.kind === "start")
    start(data).catch((error) => self.postMessage({ kind: "failed", message: String(error.message ?? error) }));
  else if (data.kind === "reset") keyframes.clear();
  else if (data.kind === "keyframe") keyframes.set(data.slot, known(data.file, data.form));
};

/**
 * `step`: the network that an earlier worker has chosen, for two must draw alike; "" for the first. It tells when it can draw,
 * which network it goes on with, and when its GPU is lost: then it draws no more.
 * @param {{ port: MessagePort, files: Files, gpu: boolean, threads: number, workers: number, step: string }} given
 */
async function start({ port, files, gpu, threads, workers, step }) {
  const progress = (/** @type {number} */ bytes) => self.postMessage({ kind: "loading", bytes });
  const small = () => open({ files, gpu: false, step: STEPS.small, threads, progress });
  let found = step
    ? await load({ files, gpu: step === STEPS.gpu, step, threads })
    : await (gpu ? byGpu(files, threads, workers, progress) : small()).catch((error) => {
        if (!gpu) throw error;
        console.warn("facewire: WebGPU is there but does not work:", error);
        gpu = false;
        return small();
      });
  /** @type {Promise<unknown>} */
  let drawing = Promise.resolve();
  /** Draw with another network from now on. @param {Opened} other */
  const change = async (other) => {
    const before = found;
    found = other;
    await drawing; // with the one before
    for (const network of before.networks) if (!other.networks.includes(network)) network.close();
    self.postMessage({ kind: "chosen", step: found.step, ms: found.ms });
  };
  port.onmessage = async ({ data }) => {
    const drawn = draw(found.upsampler, data).catch((error) => {
      console.warn("facewire: a frame could not be drawn:", error); // the next may do
      return null;
    });
    drawing = drawn;
    port.postMessage(await drawn);
  };
  found.lost.then(() => self.postMessage({ kind: "lost" }));
  self.postMessage({ kind: "ready", ms: found.ms });
  const whole = !step && !gpu && (await better(found, files, threads, workers));
  if (whole) await change(whole);
  else self.postMessage({ kind: "chosen", step: found.step, ms: found.ms });
}

/**
 * `identity` where that network is there already.
 * @typedef {{
 *   files: Files, gpu: boolean, step: string, threads: number, progress?: (bytes: number) => void,
 *   identity?: import("../models/networks.js").Network,
 * }} Wanted
 */

/** The networks, not run yet. @param {Wanted} wanted */
async function load({ files, gpu, step, threads, progress = () => {}, identity }) {
  const ort = await loadRuntime(files, gpu, threads);
  const network = (/** @type {string} */ name) => loadNetwork(ort, files, name, gpu, progress);
  const networks = await Promise.all([identity ?? network("identity.onnx"), network(step)]);
  /** Ends when the GPU goes: a driver that restarts, a laptop that wakes. @type {Promise<unknown>} */
  const lost = gpu ? (await /** @type {any} */ (ort.env.webgpu).device).lost : new Promise(() => {});
  return { upsampler: new Upsampler(networks[0], networks[1]), networks, step, lost, ms: 0, frame: new Uint8ClampedArray() };
}

/** They, run: how long a frame takes, and the frame, by which two ways of drawing can be held to each other. @param {Wanted} wanted */
async function open(wanted) {
  const loaded = await load(wanted);
  return { ...loaded, ...(await loaded.upsampler.warmup()) };
}

/**
 * WebGPU, where it draws the same picture and faster, for drivers differ; else the whole network or the small one, as fast as
 * this machine is.
 * @param {Files} files
 * @param {number} threads
 * @param {number} workers
 * @param {(bytes: number) => void} progress
 */
async function byGpu(files, threads, workers, progress) {
  const found = await open({ files, gpu: true, step: STEPS.gpu, threads, progress });
  const other = await open({ files, gpu: false, step: STEPS.whole, threads });
  const apart = found.frame.reduce((sum, value, i) => sum + Math.abs(value - other.frame[i]), 0) / found.frame.length;
  const draws = apart <= ALIKE && found.ms <= other.ms;
  console.info(`facewire: WebGPU ${draws ? "draws" : "is left out"}: ${apart.toFixed(2)} levels apart`);
  for (const network of (draws ? other : found).networks) network.close();
  if (draws || other.ms / workers <= FAST) return draws ? found : other;
  other.networks[1].close();
  return open({ files, gpu: false, step: STEPS.small, threads, identity: other.networks[0] });
}

/**
 * The whole network, where all workers together are fast enough for it, else null.
 * @param {Opened} small
 * @param {Files} files
 * @param {number} threads
 * @param {number} workers
 */
async function better(small, files, threads, workers) {
  if ((small.ms * WHOLE_TO_SMALL) / workers > FAST) return null;
  try {
    const whole = await open({ files, gpu: false, step: STEPS.whole, threads, identity: small.networks[0] });
    if (whole.ms / workers <= FAST) return whole;
    whole.networks[1].close();
  } catch (error) {
    console.warn("facewire: the small network goes on drawing:", error);
  }
  return null;
}

/**
 * A keyframe's pixels; null where the browser can't decode them.
 * @param {Uint8Array} file
 * @param {string} form
 * @returns {Promise<Known | null>}
 */
async function known(file, form) {
  try {
    return { planes: planes(await decodeStill(file, form)), features: null };
  } catch (error) {
    console.warn("facewire: a keyframe can't be decoded:", error);
    return null;
  }
}

/**
 * Draw a frame and send it to the page; the seconds that it took, null where its keyframe isn't here.
 * @param {Upsampler} upsampler
 * @param {import("../receiver/drawers.js").Order} order
 */
async function draw(upsampler, { frame, due }) {
  const keyframe = await keyframes.get(frame.slot);
  if (!keyframe) return null;
  keyframe.features ??= await upsampler.identity(keyframe.planes);
  featured = [...featured.filter((other) => other !== keyframe), keyframe];
  for (const old of featured.splice(0, featured.length - KEPT)) old.features = null;
  upsampler.use(keyframe.features);
  const began = now();
  const rgba = await upsampler.step(frame.driven);
  const seconds = now() - began;
  const small = smallOf(frame);
  const shown = { kind: "drawn", number: frame.number, due, rgba, small, consistency: consistency(rgba, small) };
  self.postMessage(shown, { transfer: [rgba.buffer] });
  return seconds;
}
