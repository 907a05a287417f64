// An AudioWorklet that plays the call's sound. A message is to be played from now on: 16-bit samples at this rate. A late one
// leaves a gap; those after it wait that much longer, so that the next one may be as late. A lasting surplus is removed again
// (codec/media/audio_queue.py does the same for devices).

const SPARE = 0.01; // seconds that may always be left when more arrives
const SLACK = 0.06; // and at most
const LOOKS = 25; // messages over which the lasting surplus is measured
const STEP = 0.01; // seconds removed at a time, at most
const FADE = 0.005; // seconds of the cross-fade over it
const CALM = 0.97; // share of a step between two samples that remains after each further sample

class Speaker extends AudioWorkletProcessor {
  constructor() {
    super();
    const count = (seconds) => Math.round(seconds * sampleRate);
    [this.spare, this.slack, this.step, this.fade] = [SPARE, SLACK, STEP, FADE].map(count);
    this.samples = null;
    this.looks = [];
    this.had = false;
    this.last = this.residue = 0;
    const heard = ({ data }) => this.put(new Int16Array(data));
    // Samples arrive on this port, or on one sent over it.
    this.told = true; // whether a sender on this port is told how much waits
    this.port.onmessage = (message) => {
      if (!message.data.port) return heard(message);
      message.data.port.onmessage = heard;
      this.told = false;
    };
  }

  put(pcm) {
    this.samples ??= new Float32Array(this.spare); // a late message may follow the first
    const left = this.samples.length;
    const joined = new Float32Array(left + pcm.length);
    joined.set(this.samples);
    for (let i = 0; i < pcm.length; i++) joined[left + i] = pcm[i] / 32768;
    this.samples = joined;
    if (left > this.slack) this.forget(left - this.slack);
    else this.settle(left);
    if (this.told) this.port.postMessage(Math.min(left, this.slack) / sampleRate);
  }

  /** Drop the oldest at once. */
  forget(extra) {
    this.samples = this.samples.subarray(extra);
    this.looks = [];
    this.had = false; // playing continues with a step
  }

  /** Remove, with a cross-fade, what was left every time. */
  settle(left) {
    this.looks = [...this.looks.slice(1 - LOOKS), left];
    const extra = Math.min(Math.min(...this.looks) - this.spare, this.step);
    if (this.looks.length < LOOKS || extra <= 0 || this.samples.length < extra + this.fade) return;
    const rest = this.samples.slice(extra);
    for (let i = 0; i < this.fade; i++) rest[i] += (this.samples[i] - rest[i]) * (1 - i / this.fade);
    this.samples = rest;
    this.looks = this.looks.map((n) => n - extra);
  }

  process(_, [output]) {
    if (!this.samples) return true;
    const [out] = output;
    const have = Math.min(out.length, this.samples.length);
    for (let i = 0; i < out.length; i++) {
      const sample = i < have ? this.samples[i] : 0;
      if (this.had !== i < have) this.residue = this.last - sample;
      this.had = i < have;
      this.last = out[i] = sample + this.residue;
      this.residue *= CALM;
    }
    for (const other of output.slice(1)) other.set(out);
    this.samples = this.samples.subarray(have);
    return true;
  }
}

registerProcessor("speaker", Speaker);
