// Renders the peer's face, in a separate worker, so that sound and sending never wait for it. It renders one frame at a time;
// receiver/render_scheduler.js decides which.

import { now } from "../media/clock.js";
import { planes } from "../media/image.js";
import { decodeStill } from "../media/still.js";
import { chooseWithGpu, load, open, wholeIfFastEnough } from "./choose_network.js";
import { STEP_FILES } from "./load.js";

/** Keyframes whose features are kept: 3.5 MB each. */
const KEPT = 3;
/** Frames that fail in a row before the worker is given up. */
const FAILING = 10;

/** @typedef {import("./load.js").Files} Files */
/** @typedef {import("./choose_network.js").Loaded} Loaded */
/** @typedef {import("../models/upsampler.js").Upsampler} Upsampler */
/** @typedef {{ planes: Float32Array, features: import("../models/upsampler.js").KeyframeFeatures | null }} Known */

/**
 * By slot; decoded when first rendered from.
 * @type {Map<number, { file: Uint8Array, form: string, known: Promise<Known | null> | null }>}
 */
const keyframes = new Map();
/** Those with features, the least recently used first. @type {Known[]} */
let featured = [];

self.onmessage = ({ data }) => {
  if (data.kind === "start")
    start(data).catch((error) => self.postMessage({ kind: "failed", message: String(error.message ?? error) }));
  else if (data.kind === "reset") keyframes.clear();
  else if (data.kind === "keyframe") keyframes.set(data.slot, { ...data, known: null });
};

/**
 * `step`: the network that an earlier worker has chosen, because two must render alike; "" for the first. The worker reports
 * when it can render, which network it keeps, and when its GPU is lost or frame after frame fails: then it renders no more.
 * @param {{ port: MessagePort, files: Files, gpu: boolean, threads: number, workers: number, step: string }} given
 */
async function start({ port, files, gpu, threads, workers, step }) {
  const progress = (/** @type {number} */ bytes) => self.postMessage({ kind: "loading", bytes });
  const small = () => open({ files, gpu: false, step: STEP_FILES.small, threads, progress });
  const choose = () =>
    (gpu ? chooseWithGpu(files, threads, workers, progress) : small()).catch((error) => {
      if (!gpu) throw error;
      console.warn("facewire: WebGPU is there but does not work:", error);
      gpu = false;
      return small();
    });
  const chosen = step ? null : await choose();
  /** @type {Loaded} */
  let found = chosen ?? (await load({ files, gpu: step === STEP_FILES.gpu, step, threads }));
  /** @type {Promise<unknown>} */
  let drawing = Promise.resolve();
  /** Render with another network from now on. @param {import("./choose_network.js").Opened} other */
  const change = async (other) => {
    const before = found;
    found = other;
    await drawing; // with the previous network
    for (const network of before.networks) if (!other.networks.includes(network)) network.close();
    self.postMessage({ kind: "chosen", step: other.step, ms: other.ms });
  };
  let failures = 0;
  port.onmessage = async ({ data }) => {
    const drawn = draw(found.upsampler, data).then(
      (done) => {
        failures = 0;
        return done;
      },
      (error) => {
        console.warn("facewire: a frame could not be rendered:", error); // the next may succeed
        failures += 1;
        if (failures === FAILING) self.postMessage({ kind: "broken" });
        return null;
      },
    );
    drawing = drawn;
    const done = await drawn;
    port.postMessage(done, done ? [done.rgba.buffer] : []);
  };
  found.lost.then(() => self.postMessage({ kind: "lost" }));
  self.postMessage({ kind: "ready", ms: chosen?.ms });
  const whole = chosen && !gpu ? await wholeIfFastEnough(chosen, files, threads, workers) : null;
  if (whole) await change(whole);
  else self.postMessage({ kind: "chosen", step: found.step, ms: chosen?.ms });
}

/**
 * A keyframe's pixels; null if the browser can't decode them.
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
 * A frame, RGBA 256×256, and the seconds that it took; null if its keyframe isn't here.
 * @param {Upsampler} upsampler
 * @param {import("../receiver/render_scheduler.js").Order} order
 */
async function draw(upsampler, { frame }) {
  const place = keyframes.get(frame.slot);
  if (!place) return null;
  place.known ??= known(place.file, place.form);
  const keyframe = await place.known;
  if (!keyframe) return null;
  keyframe.features ??= await upsampler.identity(keyframe.planes);
  featured = [...featured.filter((other) => other !== keyframe), keyframe];
  for (const old of featured.splice(0, featured.length - KEPT)) old.features = null;
  upsampler.use(keyframe.features);
  const began = now();
  const rgba = await upsampler.step(frame.driven);
  return { rgba, seconds: now() - began };
}
