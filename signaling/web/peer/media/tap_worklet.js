// An AudioWorklet that passes on what the microphone hears, in pieces of 20 ms, to the port that it receives.

const PIECE_SECONDS = 0.02;

class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.out = null;
    this.piece = new Float32Array(Math.round(sampleRate * PIECE_SECONDS));
    this.filled = 0;
    this.port.onmessage = ({ data }) => {
      this.out = data;
    };
  }

  process([[channel]]) {
    for (let at = 0; channel && at < channel.length; ) {
      const part = channel.subarray(at, at + this.piece.length - this.filled);
      this.piece.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === this.piece.length) {
        this.out?.postMessage(this.piece.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("tap", Tap);
