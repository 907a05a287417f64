// An AudioWorklet that plays the call's sound. A message is what is to be heard from now on: 16-bit samples at this rate. What comes
// late leaves a gap, and what follows lies here that much longer, so that the next one may be as late; what always lies here is
// taken away again (codec/media/audio_queue.py does the same for devices).

const SPARE = 0.01; // seconds that may always lie here when more comes
const SLACK = 0.06; // and at most
const LOOKS = 25; // messages over which is looked what always lies here
const STEP = 0.01; // seconds taken away at once,
const FADE = 0.005; // blended
const CALM = 0.97; // of what is left of a step from one sample to the next, after each

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
    // Samples come by this port, or by one that it brings.
    this.told = true; // how much waits, to who sends by this port
    this.port.onmessage = (message) => {
      if (!message.data.port) return heard(message);
      message.data.port.onmessage = heard;
      this.told = false;
    };
  }

  put(pcm) {
    this.samples ??= new Float32Array(this.spare); // the first may be followed by one that is late
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
    this.had = false; // where it goes on is a step
  }

  /** Take away, blended, what was left every time. */
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
