// Whether somebody speaks: distinguishes speech from silence, in which a call costs next to nothing.
//
// Python uses WebRTC's detector, which browsers don't expose. This one compares the energy of 20 ms with that of the quietest
// recent 20 ms, after the browser's own noise suppression.

/** Seconds of a frame. */
const FRAME = 0.02;
/** Frames of speech in a tick that are more than a click. */
const LEAST = 2;
/** Seconds for which speech is assumed to continue: the ends of words are quiet. */
const HOLD = 0.4;
/** Decibels above the noise from which a frame is speech. */
const ABOVE = 9;
/** Level, in decibels relative to full scale, below which nothing is speech. */
const SILENT = -58;
/** Decibels a second by which the noise estimate may rise: louder noise counts as speech for some seconds. */
const RISE = 2;

/** Feed it the sound of each tick in order; it decides whether that must be sent. */
export class VoiceActivity {
  #rate;
  #noise = -50;
  #left = 0;

  /** @param {number} rate of the samples, in Hz */
  constructor(rate) {
    this.#rate = rate;
  }

  /** Samples of a tick in [-1, 1] → whether somebody speaks, or has just done so. @param {Float32Array} samples */
  isSpeaking(samples) {
    const size = Math.round(this.#rate * FRAME);
    let speech = 0;
    for (let at = 0; at + size <= samples.length; at += size) {
      let energy = 0;
      for (let i = at; i < at + size; i += 1) energy += samples[i] ** 2;
      const level = 10 * Math.log10(energy / size + 1e-10);
      if (level > SILENT && level > this.#noise + ABOVE) speech += 1;
      if (energy === 0) continue; // no microphone is that quiet: it was muted, or its sound is missing
      this.#noise = Math.max(-80, Math.min(level, this.#noise + RISE * FRAME));
    }
    if (speech >= LEAST) {
      this.#left = HOLD;
      return true;
    }
    const speaking = this.#left > 0;
    this.#left -= samples.length / this.#rate;
    return speaking;
  }
}
