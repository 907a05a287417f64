// What driver.mjs answers about a stream's keyframes: how one is chosen, kept, sent and renewed.

import { instead } from "./virtual_time.mjs";

const peer = new URL("../../../../signaling/web/peer/", import.meta.url);
const load = (name) => import(new URL(name, peer));
const { parseBundle } = await load("codec/bundle.js");
const { parseMessage } = await load("codec/control.js");
const { parseKeyframe } = await load("codec/keyframe.js");
const { planes } = await load("media/image.js");
const { Interpolator, Upsampler } = await load("models/upsampler.js");
const { Gallery, nearest } = await load("sender/gallery.js");
const { KeyframeChoice } = await load("sender/keyframe_choice.js");
const { distance } = await load("sender/keyframe_distance.js");
const { Refresh } = await load("sender/refresh.js");
const { KeyframesOut } = await load("call/keyframe_transfer.js");
const { Pacer } = await load("call/pacing.js");

/** The requests, by name. What is given are the driver's networks, and its readers of what the test sends. */
export const keyframeRequests = ({ network, detector, mesh, image, floats, bytes, hex }) => ({
  /** After each crop the number of the one that is the best so far. */
  choice: async ({ crops }) => {
    const choice = new KeyframeChoice(await detector(), await mesh());
    const seen = [];
    const out = [];
    for (const crop of crops) {
      seen.push(image(crop));
      await choice.add(seen.at(-1));
      out.push([seen.indexOf(choice.best()), choice.hasFace]);
    }
    return out;
  },
  withheld: () =>
    instead({}, async (time) => {
      const sent = [];
      const way = { controlFree: true, fastest: 0, sendControl: (data) => Boolean(sent.push(parseMessage(data))) };
      const out = new KeyframesOut(way);
      out.using = 0;
      const [data, digest] = [new Uint8Array(9000).fill(7), new Uint8Array(8).fill(1)];
      const steps = [];
      const step = async (action, seconds = 0.05) => {
        action();
        const until = time.now() + seconds;
        await time.run(until);
        time.pass(until);
        const seen = sent.splice(0);
        const bytes = seen.reduce((sum, m) => sum + (m.data?.length ?? 0), 0);
        steps.push({ offers: seen.filter((m) => m.kind === "notice").length, bytes });
      };
      await step(() => out.add(0, data, digest));
      await step(() => out.requested({ slot: 0, digest }), 0.3); // a first piece, and a question that nobody answers
      await step(() => out.withhold(true), 2);
      await step(() => out.withhold(false));
      await step(() => out.requested({ slot: 0, digest })); // the late answer
      await step(() => out.requested({ slot: 0, digest }), 20);
      out.confirmed({ slot: 0, digest });
      await step(() => (out.withhold(true), out.withhold(false)));
      // The connection is made anew while it is under way, and the other side asks at once.
      out.reconnected();
      await step(() => out.requested({ slot: 0, digest }), 0.3);
      await step(() => (out.reconnected(), out.requested({ slot: 0, digest })), 20);
      // Who asks over and over is served at once a few times, then by pieces alone.
      for (let i = 0; i < 12; i += 1) await step(() => out.requested({ slot: 0, digest }), 20);
      const confirmed = [out.confirmed({ slot: 0, digest }), out.confirmed({ slot: 0, digest }), out.confirmed({ slot: 1, digest })];
      return { steps, confirmed };
    }),
  distance: ({ a, b }) => distance(image(a), image(b)),
  nearest: async ({ picture, keyframes }) => {
    const own = await Promise.all(keyframes.map(async ([slot, data]) => [slot, await parseKeyframe(bytes(data))]));
    return nearest(image(picture), own);
  },
  /** Each step: a keyframe's name to be added while a slot is in use, or a slot and a name to be confirmed or used. */
  gallery: ({ steps }) => {
    const gallery = new Gallery();
    const digest = (name) => new Uint8Array(8).fill(name);
    return steps.map(({ add, current, confirm, used, name }) => {
      if (add !== undefined) return gallery.add({ digest: digest(add) }, current);
      if (confirm !== undefined) return gallery.confirm(confirm, digest(name));
      return gallery.used(used) ?? [...gallery.held].sort((a, b) => a - b);
    });
  },
  keyframePace: ({ limit, steps }) => {
    const pacer = new Pacer(limit);
    return steps.map(([carried, sent, now]) => (pacer.carried(carried), pacer.room(sent, now)));
  },
  /** What is sent of two keyframes, the first of which is in use, when the other side asks for both; `room` for each bundle. */
  pieces: ({ sizes, room, bundles }) =>
    instead({}, async (time) => {
      const sent = [];
      const way = { controlFree: true, fastest: 0, sendControl: (data) => Boolean(sent.push(parseMessage(data))) };
      const out = new KeyframesOut(way);
      for (const [slot, size] of sizes.entries()) {
        const digest = new Uint8Array(8).fill(slot + 1);
        out.using = 0;
        out.add(slot, new Uint8Array(size).fill(slot), digest);
        out.requested({ slot, digest });
        if (!slot) await time.run(60);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const steps = [sent.splice(0)];
      for (let i = 0; i < bundles; i += 1) steps.push((out.sendPiece(room), sent.splice(0)));
      return steps.map((seen) => seen.filter((m) => m.kind === "chunk").map(({ slot, offset, data }) => [slot, offset, data.length]));
    }),
  /**
   * The first keyframe over a link of `kbps` with the round trip `trip`, in seconds, on which `before` bytes wait already; the
   * other side answers each offer at once. `lost`: numbers of our messages that SCTP has to send again, which takes a second;
   * `timers`: seconds that the page's last at least; `off`: when the camera goes off.
   * Gives how long it took, the longest queue, when bundles were held back, and what was found of the link.
   */
  firstOverLink: ({ size, kbps, trip, before, lost = [], timers = 0, off = null }) =>
    instead({}, async (time) => {
      const plain = globalThis.setTimeout;
      globalThis.setTimeout = (wake, ms = 0) => plain(wake, Math.max(ms, timers * 1000));
      const found = { took: null, queue: 0, held: 0, slow: null, questions: 0 };
      let [free, count, arrived, last] = [before / (kbps * 125), 0, 0, 0];
      const digest = new Uint8Array(8).fill(1);
      const way = {
        controlFree: true,
        fastest: trip,
        sendControl: (data) => {
          const message = parseMessage(data);
          free = Math.max(free, time.now()) + (data.length + 113) / (kbps * 125);
          found.queue = Math.max(found.queue, free - time.now());
          // In order: what comes after a lost one waits for it.
          last = Math.max(last, free + trip / 2 + Number(lost.includes(count)));
          count += 1;
          time.at(last, () => deliver(message));
          return true;
        },
      };
      const out = new KeyframesOut(way);
      const deliver = (message) => {
        if (message.kind === "chunk") {
          arrived += message.data.length;
          if (arrived < size) return;
          found.took = time.now();
          time.at(time.now() + trip / 2, () => out.confirmed({ slot: 0, digest }));
        } else {
          found.questions += 1;
          time.at(time.now() + trip / 2, () => arrived < size && out.requested({ slot: 0, digest }));
        }
      };
      out.using = 0;
      const tick = () => {
        if (out.holdBundles) found.held = time.now();
        time.at(time.now() + 0.2, tick);
      };
      time.at(0, () => out.add(0, new Uint8Array(size).fill(7), digest));
      time.at(0.1, tick);
      if (off !== null) time.at(off, () => out.withhold(true));
      await time.run(30);
      return { ...found, slow: out.slow };
    }),
  /** Advice for each tick. `made`: the keyframe that would be made of the tick's crop; pixels by the keyframe's name. */
  refresh: async ({ ticks, checkMs, pixels }) => {
    const keyframes = new Map();
    let now;
    const refresh = new Refresh({
      upsampler: new Upsampler(await network("identity.onnx"), await network("step.onnx")),
      interpolator: new Interpolator(await network("interpolator.onnx")),
      speech: { decode: async () => floats(now.sound) },
      pixels: async ({ digest }) => planes(image({ width: 256, height: 256, data: pixels[hex(digest)] })),
      make: () => parseKeyframe(bytes(now.made)),
      hasFace: async (crop) => (await (await detector()).detect(crop)).length > 0,
      checkMs,
    });
    const out = [];
    for (now of ticks) {
      for (const [slot, data] of now.keyframes) keyframes.set(slot, await parseKeyframe(bytes(data)));
      const held = { keyframes, slots: new Set(now.slots), current: now.current, maySend: now.maySend };
      const crop = image({ width: 256, height: 256, data: now.crop });
      const advice = await refresh.tick(now.atMs, 200, now.bundle && parseBundle(bytes(now.bundle)), crop, held);
      out.push(advice && (advice.keyframe ? hex(advice.keyframe.digest) : advice.slot));
    }
    return { advice: out, count: refresh.count };
  },
});
