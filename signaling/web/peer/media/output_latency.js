// How long the browser and the system take from handing out sound until it is heard. Both pages use it.

/**
 * Seconds that are taken for Firefox, without asking it. It answers `outputLatency` by a call that waits for the audio process, with
 * the lock in hand that its audio thread needs. While another stream of the page is being opened, each waits for the other, and the
 * page freezes: 3 of 14 calls of Firefox ESR 153 on Linux. `getOutputTimestamp` asks the same way. It told 0.019 to 0.024 there.
 */
const FIREFOX_SECONDS = 0.025;

/** Seconds of latency of the sound of `context`. `agent`: the browser's name for itself. @param {AudioContext} context */
export function outputLatency(context, agent = navigator.userAgent) {
  if (agent.includes("Firefox/")) return FIREFOX_SECONDS;
  return context.outputLatency || context.baseLatency || 0;
}
