// The one time grid of pictures and sound: 25 frames and 16,000 samples a second, both from the same zero.

/** Samples a second of all sound, mono. */
export const RATE = 16_000;
/** Frames a second that are shown, and that are read from a source. */
export const FRAME_RATE = 25;

/**
 * Numbers of the 25 FPS frames in the tick that begins `atMs` milliseconds into the stream.
 * @param {number} atMs
 * @param {number} tickMs
 */
export function grid(atMs, tickMs) {
  const step = 1000 / FRAME_RATE;
  const [first, stop] = [Math.ceil(atMs / step), Math.ceil((atMs + tickMs) / step)];
  return Array.from({ length: stop - first }, (_, i) => first + i);
}
