// Draws the other side's face, in a worker of its own, so that nothing that is heard or sent waits for it.
//
// Between the player and the network there is a slot that holds the newest frame, not a queue.

import { now, Signal, sleep } from "../media/clock.js";
import { planes } from "../media/image.js";
import { decodeStill } from "../media/still.js";
import { Upsampler } from "../models/upsampler.js";
import { Pace } from "../receiver/pace.js";
import { smallOf } from "../receiver/small_pictures.js";
import { consistency } from "../receiver/trust.js";
import { drawing, loadNetwork, loadRuntime } from "./load.js";

const SIDE = 256;
/** Of the 25 frames a second, one in so many is drawn before the call. */
const PREVIEW = 5;
/** Keyframes whose features are kept: 3.5 MB each. */
const KEPT = 3;

/** @typedef {import("../receiver/tick_decoder.js").FrameInput} FrameInput */
/** @typedef {{ frame: FrameInput, due: number } | { hide: number }} Order */

/** @type {Upsampler | null} */
let upsampler = null;
/** @type {OffscreenCanvasRenderingContext2D} */
let context;
/** @type {MessagePort} */
let player;
const pace = new Pace();
/** Pixels of the keyframes as planes, by slot, each with its features once they are known. @type {Map<number, { planes: Float32Array, features: import("../models/upsampler.js").KeyframeFeatures | null }>} */
const keyframes = new Map();
/** @type {{ frame: FrameInput, due: number } | null} */
let slot = null;
const wake = new Signal();
let newest = -1;
/** Only as many frames as there are pictures: what is drawn is this side's own face, before the call. */
let preview = false;
let hiddenUntil = 0;

self.onmessage = ({ data }) => {
  if (data.kind === "start")
    start(data).catch((error) => self.postMessage({ kind: "failed", message: String(error.message ?? error) }));
  else if (data.kind === "preview") preview = data.on;
  else if (data.kind === "reset") keyframes.clear();
  else if (data.kind === "keyframe") keep(data).catch((error) => console.warn("facewire: a keyframe can't be decoded:", error));
};

/** @param {{ canvas: OffscreenCanvas, port: MessagePort, files: import("./load.js").Files, gpu: boolean, threads: number }} given */
async function start({ canvas, port, files, gpu, threads }) {
  context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  context.imageSmoothingQuality = "high";
  player = port;
  player.onmessage = ({ data }) => take(data);
  draw();
  const progress = (/** @type {number} */ bytes) => self.postMessage({ kind: "loading", bytes });
  const open = async (/** @type {boolean} */ onGpu) => {
    const ort = await loadRuntime(files, onGpu, threads);
    const networks = await Promise.all(drawing(onGpu).map((name) => loadNetwork(ort, files, name, onGpu, progress)));
    const made = new Upsampler(networks[0], networks[1]);
    return { made, ms: await made.warmup() };
  };
  const found = await open(gpu).catch((error) => {
    if (!gpu) throw error;
    console.warn("facewire: WebGPU is there but does not work:", error);
    return open(false);
  });
  self.postMessage({ kind: "ready", ms: found.ms });
  upsampler = found.made;
}

/** @param {{ slot: number, file: Uint8Array, form: string }} given */
async function keep({ slot: number, file, form }) {
  keyframes.set(number, { planes: planes(await decodeStill(file, form)), features: null });
}

/** @param {Order} order */
function take(order) {
  if ("hide" in order) {
    hiddenUntil = order.hide;
    sleep(order.hide - now()).then(() => context.clearRect(0, 0, SIDE, SIDE));
    self.postMessage({ kind: "hidden" });
    return;
  }
  if (preview ? order.frame.number % PREVIEW === 0 : pace.draws(order.frame.number)) {
    slot = order;
    wake.set();
  }
}

/** Draw what is in the slot, for ever. */
async function draw() {
  for (;;) {
    if (!slot) await wake.wait();
    const order = slot;
    slot = null;
    if (!order || !upsampler) continue;
    try {
      await drawOne(upsampler, order);
    } catch (error) {
      console.warn("facewire: a frame could not be drawn:", error); // the next may do
      await sleep(0.2);
    }
  }
}

/** @param {Upsampler} network @param {{ frame: FrameInput, due: number }} order */
async function drawOne(network, { frame, due }) {
  const keyframe = keyframes.get(frame.slot);
  if (!keyframe) return;
  keyframe.features ??= await network.identity(keyframe.planes);
  const kept = [...keyframes.values()].filter(({ features }) => features);
  if (kept.length > KEPT) for (const other of kept) if (other !== keyframe) other.features = null;
  network.use(keyframe.features);
  const began = now();
  const rgba = await network.step(frame.driven);
  pace.rendered(now() - began, now());
  player.postMessage(pace.seconds);
  await sleep(due - now());
  if (due < hiddenUntil || frame.number < newest - 250) newest = -1;
  if (due < hiddenUntil) return;
  newest = frame.number;
  context.putImageData(new ImageData(rgba, SIDE, SIDE), 0, 0);
  const rgb = smallOf(frame);
  self.postMessage({
    kind: "shown",
    number: frame.number,
    small: rgb,
    rough: false,
    consistency: consistency(rgba, rgb),
    late: now() - due,
  });
}
