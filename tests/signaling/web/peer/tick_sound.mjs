// Ticks of a microphone's sound, in virtual time. Each sample says when it was heard, in seconds.

import { VirtualTime } from "./virtual_time.mjs";

const { TickSound } = await import(new URL("../../../../signaling/web/peer/sender/tick_sound.js", import.meta.url));

const START = 1;

/**
 * `pieces`: [when it arrives, when it was heard, how many samples], by the time of arrival. `hears`: whether there is a microphone;
 * `busy`: [from, until], when ticks are not asked for. Gives when each tick ended and its samples.
 */
export async function tickSound({ rate, tick, pieces, hears, busy, until }) {
  const time = new VirtualTime();
  const sound = new TickSound(rate, time);
  const ticks = [];
  for (const [at, from, count] of pieces)
    time.at(at, () => sound.put(Float32Array.from({ length: count }, (_, i) => from + i / rate), tick));
  time.at(START, async () => {
    sound.begin();
    for (;;) {
      const samples = await sound.take(tick, hears);
      ticks.push({ end: time.now(), samples: [...samples] });
      if (busy && time.now() > busy[0] && time.now() < busy[1]) await time.sleep(busy[1] - time.now());
    }
  });
  await time.run(until);
  return ticks;
}
