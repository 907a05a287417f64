// What the page wants of the worker that sends, as it is at the beginning. Changes are sent to it, and heeded at the next tick.

export const WANTED = Object.freeze({
  /** A connection stands; until then the worker only looks at the camera. */
  live: false,
  /** The first tick waits for the other side's, and begins between two of them. */
  between: false,
  /** The first keyframe has the link to itself: nothing is sent of these ticks. */
  hold: false,
  muted: false,
  cameraOff: false,
  away: false,
  /** Repeat the previous tick's audio. */
  redundant: false,
  tickMode: 0,
  /** Of Opus, in bit/s. */
  bitrate: 6000,
});
