// How long the browser and the system take from handing out sound until it is heard. Both pages use it.

/**
 * Seconds assumed for Firefox, without querying it. Its `outputLatency` waits for the audio process while it holds the lock
 * that its audio thread needs. While another stream of the page is being opened, the two deadlock, and the page freezes: 3 of
 * 14 calls of Firefox ESR 153 on Linux. `getOutputTimestamp` queries in the same way. The values there were 0.019 to 0.024.
 */
const FIREFOX_SECONDS = 0.025;

/** Seconds of latency of the sound of `context`. `agent`: the browser's name for itself. @param {AudioContext} context */
export function outputLatency(context, agent = navigator.userAgent) {
  if (agent.includes("Firefox/")) return FIREFOX_SECONDS;
  return context.outputLatency || context.baseLatency || 0;
}
