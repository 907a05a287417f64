// An AudioWorklet that passes on what the microphone hears, in pieces of 20 ms. For browsers without MediaStreamTrackProcessor.

class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.waiting = [];
    this.count = 0;
  }

  process([input]) {
    if (input.length) {
      this.waiting.push(input[0].slice());
      this.count += input[0].length;
      if (this.count >= sampleRate * 0.02) {
        this.port.postMessage({ kind: "audio", rate: sampleRate, pieces: this.waiting });
        this.waiting = [];
        this.count = 0;
      }
    }
    return true;
  }
}

registerProcessor("tap", Tap);
