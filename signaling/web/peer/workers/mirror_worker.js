// Looks for a keyframe that would serve the peer better, in a separate worker: sending and showing must never wait for it.

import { parseBundle } from "../codec/bundle.js";
import { makeKeyframe, parseKeyframe } from "../codec/keyframe.js";
import { sample } from "../codec/pictures/sampling.js";
import { sleep } from "../media/clock.js";
import { planes } from "../media/image.js";
import { SpeechDecoder } from "../media/opus.js";
import { decodeStill, encodeStill } from "../media/still.js";
import { SIDE } from "../models/crop.js";
import { BlazeFace } from "../models/detector.js";
import { FaceMesh } from "../models/landmarks.js";
import { Interpolator, Upsampler } from "../models/upsampler.js";
import { CHECK_MS, Refresh } from "../sender/refresh.js";
import { pointsOf } from "../sender/shapes.js";
import { loadNetwork, loadRuntime } from "./load.js";

/** Ticks that may wait; if more do, they are decoded but not examined until this worker has caught up. */
const BEHIND = 2;
/** Share of a core that checks may take: slow machines check more rarely. */
const SHARE = 0.1;
/** Milliseconds between two keyframes that are sent: each must first prove its worth. */
const PAUSE_MS = 5000;

/**
 * A tick from the sender worker. `hiddenTicks`: ticks with the camera off so far, which are returned with the advice.
 * `bundle`: as sent, null if left out in silence. `crop`: null except for one tick after each "ready". `keyframes`: those new
 * since the last tick, as slot and bytes. `slots`: those that the peer holds. `current`: the one in use. `maySend`: whether
 * another may be sent.
 * @typedef {{
 *   hiddenTicks: number, atMs: number, tickMs: number, bundle: Uint8Array | null, crop: import("../media/image.js").Rgba | null,
 *   keyframes: [number, Uint8Array][], slots: number[], current: number | null, maySend: boolean,
 * }} MirrorTick
 */

/** @type {Map<number, import("../codec/keyframe.js").Keyframe>} */
const keyframes = new Map();
let waiting = 0;
let sentMs = 0;

/** @type {Promise<Refresh> | null} */
let refresh = null;

self.onmessage = ({ data }) => {
  if (data.kind === "load") refresh = load(data);
  else if (refresh) begin(refresh, data.port);
};

/** Follow a stream from its first tick on. @param {Promise<Refresh>} refresh @param {MessagePort} port */
function begin(refresh, port) {
  let failed = false;
  // Ticks wait for the networks: later pictures are decoded from earlier ones.
  let done = refresh.then(() => {});
  port.onmessage = (/** @type {MessageEvent<MirrorTick>} */ { data }) => {
    if (failed) return;
    waiting += 1;
    done = done
      .then(async () => work(await refresh, port, data))
      .catch((error) => {
        if (!failed) console.warn("facewire: a tick could not be mirrored:", error);
      });
  };
  refresh
    .then(() => port.postMessage({ kind: "ready" }))
    .catch((error) => {
      console.warn("facewire: the keyframe stays, because the networks could not be loaded:", error);
      failed = true;
      port.close();
    });
}

/**
 * `step`: the network that renders; `later`: seconds from now.
 * @param {{ files: import("./load.js").Files, step: string, later: number }} given
 */
async function load({ files, step, later }) {
  await sleep(later);
  const ort = await loadRuntime(files, false, 1);
  const network = (/** @type {string} */ name) => loadNetwork(ort, files, name);
  const detector = new BlazeFace(await network("blazeface.onnx"));
  const mesh = new FaceMesh(await network("face_landmark.onnx"));
  return new Refresh({
    upsampler: new Upsampler(await network("identity.onnx"), await network(step)),
    interpolator: new Interpolator(await network("interpolator.onnx")),
    speech: new SpeechDecoder(),
    pixels: async ({ image, form }) => planes(await decodeStill(image, form)),
    make: async (crop) => makeKeyframe(await encodeStill(crop), sample(crop.data, SIDE), await pointsOf(crop, detector, mesh)),
    hasFace: async (crop) => (await detector.detect(crop)).length > 0,
  });
}

/** @param {Refresh} refresh @param {MessagePort} port @param {MirrorTick} told */
async function work(refresh, port, told) {
  waiting -= 1;
  for (const [slot, data] of told.keyframes) keyframes.set(slot, await parseKeyframe(data));
  const maySend = told.maySend && told.atMs - sentMs >= PAUSE_MS;
  const held = { keyframes, slots: new Set(told.slots), current: told.current, maySend };
  const { looks } = refresh.count;
  const began = performance.now();
  const bundle = told.bundle && parseBundle(told.bundle);
  try {
    const advice = await refresh.tick(told.atMs, told.tickMs, bundle, waiting > BEHIND ? null : told.crop, held);
    if (!advice) return;
    if ("keyframe" in advice) {
      sentMs = told.atMs;
      port.postMessage({ kind: "send", keyframe: advice.keyframe.data, hiddenTicks: told.hiddenTicks });
    } else port.postMessage({ kind: "use", slot: advice.slot });
  } finally {
    const looked = refresh.count.looks > looks;
    const pause = looked ? Math.max(CHECK_MS, (performance.now() - began) / SHARE) : 0;
    if (told.crop) setTimeout(() => port.postMessage({ kind: "ready" }), pause);
  }
}
