// Whether somebody speaks: what tells silence, in which a call costs next to nothing, from speech.
//
// Python asks WebRTC's detector, which browsers don't hand out. This one compares the energy of 20 ms with that of the
// quietest 20 ms of late; the browser's own noise suppression has gone before it.

/** Seconds looked at together. */
const FRAME = 0.02;
/** Frames of speech in a tick that are no click. */
const LEAST = 2;
/** Seconds for which speech goes on after it was last heard: the ends of words are quiet. */
const HOLD = 0.4;
/** Decibels above the noise from which on it is speech. */
const ABOVE = 9;
/** Decibels below full scale under which nothing is. */
const SILENT = -58;
/** Decibels a second by which the noise is held to rise: louder noise is taken for speech for some seconds. */
const RISE = 2;

/** Fed with the sound of each tick in order; tells whether it must be sent. */
export class VoiceActivity {
  #rate;
  #noise = -50;
  #left = 0;

  /** @param {number} rate of the samples, in Hz */
  constructor(rate) {
    this.#rate = rate;
  }

  /** Samples of a tick in [-1, 1] → whether somebody speaks, or has just done so. @param {Float32Array} samples */
  heard(samples) {
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
