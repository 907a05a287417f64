// Reads the camera and the microphone and makes a bundle of each tick, in a worker, whose work continues in a hidden tab.
// ../sender/tick_sound.js decides when a tick is over.

import { parseKeyframe } from "../codec/keyframe.js";
import { now, Signal, sleep } from "../media/clock.js";
import { OPUS_RATE, SpeechEncoder } from "../media/opus.js";
import { Resampler } from "../media/resampler.js";
import { encodeStill } from "../media/still.js";
import { BlazeFace } from "../models/detector.js";
import { FaceMesh } from "../models/landmarks.js";
import { Phase } from "../sender/phase.js";
import { SenderStream, SWITCH_MS } from "../sender/stream.js";
import { TickSound } from "../sender/tick_sound.js";
import { VoiceActivity } from "../sender/voice.js";
import { WANTED } from "../sender/wanted.js";
import { loadNetwork, loadRuntime } from "./load.js";

/** @typedef {import("../media/image.js").Rgba} Rgba */

/** Longest side, in pixels, at which the camera's picture is processed. */
const SIDE_MAX = 640;
/** Seconds from one picture to the next, at least: all of a camera with 30 FPS are taken, every other of one with 60. */
const SPACING = 0.025;
/** Milliseconds that the face mesh may take if every picture is to be examined: 15 % of a core. */
const FAST_MESH = 6;
/** Seconds after which a camera without a new picture counts as missing. */
const STALE = 2;
/** Ticks that fail in a row before the user is told. */
const FAILING = 10;
/** Pictures kept: those of the longest tick, and some before it. */
const KEPT = 8;

/** @type {SenderStream} */
let stream;
const speech = new SpeechEncoder();
const sound = new TickSound(OPUS_RATE);
/** Detects whether the muted user speaks; nothing of that sound leaves the page. */
const overheard = new VoiceActivity(OPUS_RATE);
/** @type {Resampler | null} */
let resampler = null;
/** The microphone's loudest sample since the last {@link glimpse}. */
let loudest = 0;
/** @type {MessagePort | null} */
let microphone = null;
/** The newest pictures, oldest first. @type {{ at: number, image: Rgba }[]} */
let pictures = [];
/**
 * The camera's newest frame; its pixels are read when needed.
 * @type {{ at: number, frame: VideoFrame | ImageBitmap } | null}
 */
let newest = null;
const canvas = new OffscreenCanvas(1, 1);
const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
  canvas.getContext("2d", { alpha: false, willReadFrequently: true })
);
/** The page's settings, applied between two ticks. */
const wanted = { ...WANTED };
/** @type {import("../codec/bundle.js").Report | null} */
let report = null;
/** @type {(() => void)[]} */
const jobs = [];
let cameraNumber = 0;
const seen = new Signal();
/** Keyframes that were sent to the page. */
const announced = new Set();
let failures = 0;
/** Begin another stream. */
let newStream = () => {};
/** The mirror worker: its port, whether it waits for a crop, and which keyframes it was sent. */
const mirror = { port: /** @type {MessagePort | null} */ (null), ready: false, told: new WeakSet() };
/** Ticks with the camera off so far: what was seen before one must not be sent afterwards. */
let hiddenTicks = 0;
const phase = new Phase();

self.onmessage = ({ data }) => {
  if (data.kind === "start")
    start(data.files).catch((error) => self.postMessage({ kind: "failed", message: String(error.message ?? error) }));
  else if (data.kind === "want") Object.assign(wanted, data.wanted);
  else if (data.kind === "report") report = data.report;
  else if (data.kind === "acknowledged") jobs.push(() => stream.pictures.acknowledge(data.number));
  else if (data.kind === "confirm") jobs.push(() => stream.keyframes.confirm(data.slot, data.digest));
  else if (data.kind === "heard") phase.heard(data.at, data.trip);
  else if (data.kind === "reset") jobs.push(newStream);
  else if (data.kind === "reconnected") jobs.push(() => stream.reconnected());
  else if (data.kind === "microphone") listen(data.port, data.rate);
  else if (data.kind === "camera") watch(data.readable);
  else if (data.kind === "mirror") heedMirror(data.port);
  else if (data.kind === "bitmap") arrived(data.bitmap);
};

/** @param {import("./load.js").Files} files */
async function start(files) {
  const ort = await loadRuntime(files, false, 1);
  const progress = (/** @type {number} */ bytes) => self.postMessage({ kind: "loading", bytes });
  const detector = new BlazeFace(await loadNetwork(ort, files, "blazeface.onnx", false, progress));
  const mesh = new FaceMesh(await loadNetwork(ort, files, "face_landmark.onnx", false, progress));
  const everyFrame = (await time(mesh)) < FAST_MESH;
  newStream = () => {
    stream = new SenderStream(detector, mesh, speech, encodeStill);
    stream.everyFrame = everyFrame;
    announced.clear();
  };
  newStream();
  self.postMessage({ kind: "ready", everyFrame });
  await send();
}

/** Milliseconds that the face mesh takes, at best. @param {FaceMesh} mesh */
async function time(mesh) {
  const grey = { width: 64, height: 64, data: new Uint8ClampedArray(4 * 64 * 64).fill(128) };
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i += 1) {
    const began = performance.now();
    await mesh.within(grey, { x: 32, y: 32, half: 32, angle: 0 });
    best = Math.min(best, performance.now() - began);
  }
  return best;
}

// ---- what is captured ----

/** The microphone's samples arrive on `port`; null: there is none. @param {MessagePort | null} port @param {number} rate */
function listen(port, rate) {
  microphone?.close();
  microphone = port;
  if (!port) return;
  resampler = new Resampler(rate, OPUS_RATE);
  port.onmessage = ({ data }) => {
    if (port !== microphone || !resampler) return;
    const samples = resampler.push(data);
    loudest = Math.max(loudest, peak(samples));
    sound.put(samples, (stream?.tickMs ?? 0) / 1000);
  };
}

/** The camera's frames; null: there is none. @param {ReadableStream<VideoFrame> | null} readable */
async function watch(readable) {
  cameraNumber += 1;
  const number = cameraNumber;
  pictures = [];
  newest?.frame.close();
  newest = null;
  if (!readable) return;
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
    if (done || !value) return;
    if (number !== cameraNumber) {
      value.close();
      reader.cancel();
      return;
    }
    try {
      arrived(value);
    } catch (error) {
      console.warn("facewire: a picture of the camera could not be read:", error); // the next may succeed
    }
  }
}

/** @param {VideoFrame | ImageBitmap} frame */
function arrived(frame) {
  newest?.frame.close();
  newest = { at: now(), frame };
  const last = pictures[pictures.length - 1]?.at ?? 0;
  // If only a tick's last picture is examined, only that one's pixels are read.
  if (stream?.everyFrame && newest.at - last >= SPACING) takePixels();
  seen.set();
}

function takePixels() {
  if (!newest) return;
  const { at, frame } = newest;
  newest = null;
  const [wide, high] = "displayWidth" in frame ? [frame.displayWidth, frame.displayHeight] : [frame.width, frame.height];
  const scale = Math.min(1, SIDE_MAX / Math.max(wide, high));
  const [width, height] = [Math.max(2, Math.round(wide * scale)), Math.max(2, Math.round(high * scale))];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  try {
    context.drawImage(frame, 0, 0, width, height);
  } finally {
    frame.close();
  }
  const image = context.getImageData(0, 0, width, height);
  pictures = [...pictures, { at, image }].slice(-KEPT);
}

/** The pictures of the tick that has just ended, on its 25 FPS grid. @param {number} tickMs */
function captured(tickMs) {
  if (wanted.cameraOff || wanted.away) return [];
  if (!stream.everyFrame) takePixels();
  const last = pictures[pictures.length - 1];
  if (!last || now() - last.at > STALE) return [];
  const count = Math.round(tickMs / 40) || 1;
  const end = now();
  return Array.from({ length: count }, (_, i) => {
    const at = end - (count - 1 - i) * 0.04;
    const before = pictures.filter((picture) => picture.at <= at);
    return (before[before.length - 1] ?? pictures[0]).image;
  });
}

// ---- what is sent ----

/** Send tick after tick, forever. */
async function send() {
  for (;;) {
    try {
      apply();
      await (wanted.live ? next() : glimpse());
      if (failures >= FAILING) self.postMessage({ kind: "recovered" });
      failures = 0;
    } catch (error) {
      // A failed tick must not end the call; if all fail, the user must know.
      failures += 1;
      console.warn("facewire: a tick could not be sent:", error);
      if (failures === FAILING) self.postMessage({ kind: "failed", message: String(/** @type {Error} */ (error).message) });
      await sleep(0.05);
    }
  }
}

/** The next tick, once it is over. */
async function next() {
  const { tickMs } = stream;
  const heard = await sound.take(tickMs / 1000, Boolean(microphone));
  heed(); // a button that was pressed meanwhile counts for this tick
  await one({ images: captured(tickMs), sound: heard });
  tellOfKeyframes();
}

/** @param {Float32Array} samples */
const peak = (samples) => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

/** @param {import("../sender/stream.js").Tick} tick */
async function one(tick) {
  const { atMs } = stream;
  const bundle = wanted.hold ? await stream.skip(tick) : await stream.bundle(tick, report);
  const { framing, face, seen: crop } = stream;
  const message = { kind: "tick", face, enlarged: framing.enlarged, hidden: framing.hidden, crop: crop && view(crop) };
  const using = stream.pictures.slot;
  const level = stream.muted ? 0 : peak(tick.sound);
  const unheard = wanted.muted && !wanted.away && overheard.isSpeaking(tick.sound);
  self.postMessage({ ...message, using, level, unheard, bundle: bundle ?? null });
  tellMirror(atMs, bundle?.data ?? null);
}

/** Pass on a tick as it was sent. @param {number} atMs @param {Uint8Array | null} bundle */
function tellMirror(atMs, bundle) {
  if (!mirror.port) return;
  if (stream.framing.hidden) hiddenTicks += 1;
  const crop = mirror.ready ? stream.seen : null;
  if (crop) mirror.ready = false;
  const { keyframes, slots, current, maySend } = stream.keyframes.held;
  const untold = [...keyframes].filter(([, keyframe]) => !mirror.told.has(keyframe));
  for (const [, keyframe] of untold) mirror.told.add(keyframe);
  mirror.port.postMessage({
    atMs,
    tickMs: stream.atMs - atMs,
    bundle,
    crop: crop && { width: crop.width, height: crop.height, data: crop.data },
    hiddenTicks,
    keyframes: untold.map(([slot, { data }]) => [slot, data]),
    slots: [...slots],
    current,
    maySend,
  });
}

/** @param {MessagePort} port */
function heedMirror(port) {
  Object.assign(mirror, { port, ready: false, told: new WeakSet() });
  port.onmessage = async ({ data }) => {
    if (data.kind === "ready") mirror.ready = true;
    else if (data.kind === "use") jobs.push(() => stream.keyframes.use(data.slot));
    else {
      const keyframe = await parseKeyframe(data.keyframe);
      jobs.push(() => data.hiddenTicks === hiddenTicks && !stream.framing.hidden && stream.keyframes.set(keyframe));
    }
  };
}

/** Look at the camera while waiting for the peer. */
async function glimpse() {
  await seen.wait(0.5);
  const images = captured(40);
  await stream.candidates(images);
  const crop = stream.seen && view(stream.seen);
  self.postMessage({
    kind: "tick",
    face: stream.face,
    enlarged: stream.framing.enlarged,
    hidden: stream.framing.hidden,
    crop,
    level: wanted.muted || wanted.away ? 0 : loudest,
    bundle: null,
  });
  loudest = 0;
  await sleep(0.1);
  if (wanted.live) {
    await stream.keyframes.chooseEarly();
    tellOfKeyframes();
    if (wanted.between) await phase.wait(stream.tickMs / 1000);
    sound.begin();
  }
}

/** A copy of the pixels for another thread. @param {Rgba} crop @returns {Rgba} */
const view = ({ width, height, data }) => ({ width, height, data: data.slice() });

function apply() {
  for (const job of jobs.splice(0)) job();
  heed();
  if (stream.atMs % SWITCH_MS === 0) stream.setTickMode(wanted.tickMode, wanted.bitrate);
}

/** Apply the state of the buttons. */
function heed() {
  stream.muted = wanted.muted || !microphone;
  stream.redundant = wanted.redundant;
  stream.framing.cameraOff = wanted.cameraOff;
  stream.framing.away = wanted.away;
}

function tellOfKeyframes() {
  for (const [slot, { data, digest }] of stream.keyframes.gallery.keyframes) {
    const name = `${slot} ${digest}`;
    if (announced.has(name)) continue;
    announced.add(name);
    self.postMessage({ kind: "keyframe", slot, data, digest, using: stream.pictures.slot });
  }
}
