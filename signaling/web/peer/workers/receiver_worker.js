// Decodes what arrives and plays it on the playout clock, in a worker, whose timers continue in a hidden tab.

import { CodecError } from "../codec/errors.js";
import { parseKeyframe } from "../codec/keyframe.js";
import { now, sleep } from "../media/clock.js";
import { SpeechDecoder } from "../media/opus.js";
import { FRAMES, Interpolator } from "../models/upsampler.js";
import { Player } from "../receiver/player.js";
import { Presenter } from "../receiver/presenter.js";
import { RenderScheduler } from "../receiver/render_scheduler.js";
import { between, smallOf } from "../receiver/small_pictures.js";
import { loadNetwork, loadRuntime } from "./load.js";

/** Seconds between two reports of figures to the page. */
const EVERY = 0.5;

/**
 * Until the network is loaded: linear interpolation from picture to picture.
 * @type {{ tick(pictures: Float32Array[]): Promise<Float32Array[]> }}
 */
const straight = {
  tick: async (pictures) => {
    const [before, after] = pictures.slice(-2);
    return Array.from({ length: FRAMES }, (_, i) => between(before, after, (i + 1) / FRAMES));
  },
};
/** @type {typeof straight} */
let interpolator = straight;
/** Seconds from handing out sound until it is heard. */
let outputs = 0;
const drawers = new RenderScheduler(now);
const presenter = new Presenter({
  now,
  sleep,
  shown: (frame) => self.postMessage({ kind: "shown", frame }, { transfer: [frame.rgba.buffer] }),
  hidden: () => self.postMessage({ kind: "hidden" }),
});
/** Whether the tab is visible; in a hidden one only sound continues. */
let visible = true;
/** @type {MessagePort | null} */
let speaker = null;

const speech = new SpeechDecoder();
const make = () =>
  new Player(
    /** @type {Interpolator} */ ({ tick: (/** @type {Float32Array[]} */ pictures) => interpolator.tick(pictures) }),
    speech,
    {
      now,
      sleep,
      drawing: () => drawers.seconds,
      frame: (frame, due) => {
        if (!visible) return;
        const seen = due + outputs;
        presenter.frame(frame, seen, drawers.submit(frame, seen));
        // Until frames are rendered the page shows the pixels that they would be rendered from.
        if (!drawers.ready) sleep(seen - now()).then(() => self.postMessage({ kind: "small", small: smallOf(frame) }));
      },
      hide: (due) => presenter.hide(due + outputs),
      sound: (samples) => {
        const pcm = Int16Array.from(samples, (sample) => Math.min(Math.max(sample, -1), 1) * 32767);
        speaker?.postMessage(pcm.buffer, [pcm.buffer]);
      },
    },
  );
let player = make();
player.run();
tell();

self.onmessage = ({ data }) => {
  if (data.kind === "start") load(data.files);
  else if (data.kind === "media") media(new Uint8Array(data.data));
  else if (data.kind === "keyframe") keyframe(data);
  else if (data.kind === "reset") {
    player.close();
    drawers.reset();
    presenter.reset();
    player = make();
    player.run();
  } else if (data.kind === "drawer") add(data.port);
  else if (data.kind === "drawers gone") drawers.clear();
  else if (data.kind === "every") drawers.every = data.frames;
  else if (data.kind === "visible") visible = data.yes;
  else if (data.kind === "speaker") speaker = data.port;
  else if (data.kind === "outputs") outputs = data.seconds;
};

/** Add a worker that renders. @param {MessagePort} port */
function add(port) {
  port.onmessage = ({ data }) => {
    const order = drawers.done(port, data?.seconds ?? null);
    if (order && data) presenter.drawn({ ...order, rgba: data.rgba });
  };
  drawers.add(port);
}

/** @param {import("./load.js").Files} files */
async function load(files) {
  try {
    const ort = await loadRuntime(files, false, 1);
    interpolator = new Interpolator(await loadNetwork(ort, files, "interpolator.onnx"));
  } catch (error) {
    console.warn("facewire: pictures are interpolated without the network:", error);
  }
}

/** @param {Uint8Array} data */
function media(data) {
  let bundle = null;
  try {
    bundle = player.bundle(data);
  } finally {
    self.postMessage({ kind: "report", own: player.report(), theirs: bundle?.report ?? null }); // every message is answered
  }
}

/** @param {{ slot: number, data: Uint8Array }} given bytes of a keyframe that were checked when they arrived */
async function keyframe({ slot, data }) {
  try {
    player.keyframe(slot, await parseKeyframe(data));
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
}

async function tell() {
  for (;;) {
    await sleep(EVERY);
    const { count, face, muted, loss, delay } = player;
    self.postMessage({
      kind: "stats",
      stats: {
        ...count,
        face,
        muted,
        loss,
        delay,
        fps: presenter.fps,
        badSound: speech.bad,
        badPictures: player.decoder.errors,
      },
    });
  }
}
