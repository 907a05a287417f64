// Draws the other side's face, in a worker of its own, so that nothing that is heard or sent waits for it. It draws one frame
// at a time; which is decided by receiver/drawers.js.

import { now } from "../media/clock.js";
import { planes } from "../media/image.js";
import { decodeStill } from "../media/still.js";
import { Upsampler } from "../models/upsampler.js";
import { smallOf } from "../receiver/small_pictures.js";
import { consistency } from "../receiver/trust.js";
import { drawing, loadNetwork, loadRuntime } from "./load.js";

/** Keyframes whose features are kept: 3.5 MB each. */
const KEPT = 3;

/** Mean difference, of 255 levels, between what WebGPU and WebAssembly draw, in fp16 and int8. */
const ALIKE = 2;

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

/** @param {{ port: MessagePort, files: import("./load.js").Files, gpu: boolean, threads: number }} given */
async function start({ port, files, gpu, threads }) {
  const progress = (/** @type {number} */ bytes) => self.postMessage({ kind: "loading", bytes });
  const open = async (/** @type {boolean} */ onGpu) => {
    const ort = await loadRuntime(files, onGpu, threads);
    const networks = await Promise.all(drawing(onGpu).map((name) => loadNetwork(ort, files, name, onGpu, progress)));
    const made = new Upsampler(networks[0], networks[1]);
    return { made, ...(await made.warmup()) };
  };
  let found = await open(gpu).catch((error) => {
    if (!gpu) throw error;
    console.warn("facewire: WebGPU is there but does not work:", error);
    return open(false);
  });
  if (gpu) {
    // Drivers differ: it must draw the same picture, and faster.
    const other = await open(false);
    const apart = found.frame.reduce((sum, value, i) => sum + Math.abs(value - other.frame[i]), 0) / found.frame.length;
    if (apart > ALIKE || other.ms < found.ms) found = other;
    console.info(`facewire: WebGPU ${found === other ? "is left out" : "draws"}: ${apart.toFixed(2)} levels apart`);
  }
  port.onmessage = async ({ data }) => {
    const seconds = await draw(found.made, data).catch((error) => {
      console.warn("facewire: a frame could not be drawn:", error); // the next may do
      return null;
    });
    port.postMessage(seconds);
  };
  self.postMessage({ kind: "ready", ms: found.ms });
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
