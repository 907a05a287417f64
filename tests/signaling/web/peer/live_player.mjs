// The page's live player in virtual time: its scheduling, with the real decoder of ticks. Networks take no time, and speech is
// silence of the right length.

import { instead } from "./virtual_time.mjs";

const peer = new URL("../../../../signaling/web/peer/", import.meta.url);
const { Player } = await import(new URL("receiver/player.js", peer));
const { parseKeyframe } = await import(new URL("codec/keyframe.js", peer));

const bytes = (text) => new Uint8Array(Buffer.from(text, "hex"));
/** Between two pictures nothing moves. */
const interpolator = { tick: async (pictures) => Array.from({ length: 5 }, () => pictures.at(-1)) };
const speech = { decode: async (_, samples) => new Float32Array(samples) };

/**
 * `bundles`: [when it arrives, its bytes]. `drawing`: seconds that a frame takes. `asleep`: [from, until], when the machine
 * sleeps. Gives what was handed to the stage, with its time.
 */
export function livePlayer({ keyframe, bundles, until, drawing = 0.01, asleep = null }) {
  return instead({}, async (time) => {
    const out = { frames: [], sounds: [], hides: [] };
    // A machine that sleeps keeps no time: what was due meanwhile is due when it wakes.
    const awake = (at) => (asleep && at > asleep[0] && at < asleep[1] ? asleep[1] : at);
    const sleep = (seconds) => new Promise((resolve) => time.at(awake(time.now() + Math.max(0, seconds)), resolve));
    const player = new Player(interpolator, speech, {
      now: time.now,
      sleep,
      frame: ({ number }, due) => out.frames.push({ at: time.now(), number, due }),
      hide: (due) => out.hides.push(due),
      sound: (samples) => out.sounds.push({ at: time.now(), length: samples.length }),
      drawing: () => drawing,
    });
    player.keyframe(0, await parseKeyframe(bytes(keyframe)));
    for (const [at, data] of bundles) time.at(awake(at), () => player.bundle(bytes(data)));
    player.run();
    await time.run(until);
    const found = { ...out, count: player.count, loss: player.loss, report: player.report(), face: player.face, delay: player.delay };
    player.close();
    return found;
  });
}
