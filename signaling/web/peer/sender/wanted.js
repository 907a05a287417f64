// The initial settings of the sender worker. The page sends it changes, which take effect at the next tick.

export const WANTED = Object.freeze({
  /** A connection is up; until then the worker only looks at the camera. */
  live: false,
  /** The first tick waits for the peer's bundles, so that it ends between two of them. */
  between: false,
  /** The first keyframe has the link to itself: no ticks are sent. */
  hold: false,
  muted: false,
  cameraOff: false,
  away: false,
  /** Repeat the previous tick's audio. */
  redundant: false,
  tickMode: 0,
  /** Opus's bit rate, in bit/s. */
  bitrate: 6000,
});
