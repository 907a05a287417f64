// Speech ↔ Opus packets (RFC 6716) through WebCodecs, with concealment of lost packets.

import { joined } from "./opus_packets.js";
import { Resampler } from "./resampler.js";
import { SoundQueue } from "./sound_queue.js";
import { RATE } from "./timing.js";

/** Samples a second at which Opus works in a browser. */
export const OPUS_RATE = 48_000;
/** Length of a packet by the tick's length, both in milliseconds: long packets waste least. @type {Record<number, number>} */
const PACKET_MS = { 200: 100, 100: 100, 60: 60 };
/** Milliseconds of a frame if the browser refuses packets that long, as Firefox does 100: then frames are joined. */
const FRAME = 20;
/** Milliseconds that a codec may take for a packet, on a busy machine; a packet that is later is lost. */
const PATIENCE = 250;
/** Lengths of a packet's frames in ms by the high bits of its first byte (RFC 6716 section 3.1). */
const FRAME_MS = [
  ...[10, 20, 40, 60],
  ...[10, 20, 40, 60],
  ...[10, 20, 40, 60],
  ...[10, 20],
  ...[10, 20],
  ...[2.5, 5, 10, 20],
  ...[2.5, 5, 10, 20],
  ...[2.5, 5, 10, 20],
  ...[2.5, 5, 10, 20],
]; // prettier-ignore

/** Whether this browser has what speech needs. */
export async function canSpeak() {
  if (typeof AudioEncoder === "undefined" || typeof AudioDecoder === "undefined") return false;
  return supports(FRAME);
}

/** @param {number} ms of a frame */
async function supports(ms) {
  return Boolean((await AudioEncoder.isConfigSupported(configuration(6000, ms)).catch(() => null))?.supported);
}

/** @param {number} bitrate @param {number} ms of a frame @returns {AudioEncoderConfig} */
function configuration(bitrate, ms) {
  const opus = { application: "voip", signal: "voice", complexity: 8, frameDuration: ms * 1000 };
  const fields = { codec: "opus", sampleRate: OPUS_RATE, numberOfChannels: 1, bitrate, bitrateMode: "variable", opus };
  return /** @type {AudioEncoderConfig} */ (fields);
}

/** Collects a codec's outputs, in order. @template T */
class Outputs {
  /** @type {T[]} */
  #items = [];
  #wake = () => {};

  /** @param {T} item */
  add(item) {
    this.#items.push(item);
    this.#wake();
  }

  /** `count` items, or as many as arrived in time. @param {number} count */
  async take(count) {
    const end = performance.now() + PATIENCE;
    while (this.#items.length < count && performance.now() < end) {
      await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, end - performance.now());
      });
    }
    return this.#items.splice(0, count);
  }

  clear() {
    this.#items = [];
  }
}

/** Mono speech at 48 kHz, variable bit rate, packets of 60 or 100 ms. */
export class SpeechEncoder {
  rate = OPUS_RATE;
  /** @type {Outputs<Uint8Array>} */
  #packets = new Outputs();
  /** Milliseconds of a frame, and frames of a packet. */
  #frameMs = FRAME;
  #joined = 1;
  #tickMs = 200;
  #bitrate = 6000;
  #changed = true;
  #at = 0;
  /** @type {AudioEncoder | null} */
  #encoder = null;

  /** Change bit rate, in bit/s, and tick length from the next packet on. @param {number} bitrate @param {number} tickMs */
  set(bitrate, tickMs) {
    this.#changed ||= bitrate !== this.#bitrate || tickMs !== this.#tickMs;
    [this.#bitrate, this.#tickMs] = [bitrate, tickMs];
  }

  async #prepare() {
    if (!this.#changed && this.#encoder?.state === "configured") return;
    const whole = PACKET_MS[this.#tickMs];
    this.#frameMs = (await supports(whole)) ? whole : FRAME;
    this.#joined = whole / this.#frameMs;
    if (this.#encoder?.state !== "configured") this.#renew();
    this.#encoder?.configure(configuration(this.#bitrate, this.#frameMs));
    this.#changed = false;
  }

  #renew() {
    this.#packets.clear();
    this.#encoder = new AudioEncoder({
      output: (chunk) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        this.#packets.add(data);
      },
      error: (error) => console.warn("facewire: the speech encoder failed:", error),
    });
  }

  /** A whole number of packets' samples in [-1, 1] → packets. @param {Float32Array} samples */
  async encode(samples) {
    await this.#prepare();
    const size = (OPUS_RATE * this.#frameMs) / 1000;
    const count = Math.floor(samples.length / size);
    for (let i = 0; i < count; i += 1) {
      const data = new AudioData({
        format: "f32-planar",
        sampleRate: OPUS_RATE,
        numberOfFrames: size,
        numberOfChannels: 1,
        timestamp: this.#at,
        data: samples.slice(i * size, (i + 1) * size),
      });
      this.#at += this.#frameMs * 1000;
      this.#encoder?.encode(data);
      data.close();
    }
    const frames = await this.#packets.take(count);
    if (frames.length < count) this.close(); // late packets must not shift all that follow: another encoder begins
    const packets = [];
    for (let i = 0; i < frames.length; i += this.#joined) packets.push(...joined(frames.slice(i, i + this.#joined)));
    return packets;
  }

  close() {
    if (this.#encoder?.state !== "closed") this.#encoder?.close();
  }
}

/** Mono at 16 kHz. Bytes that are no Opus packet are concealed like lost ones and counted in `bad`. */
export class SpeechDecoder {
  bad = 0;
  concealed = 0;
  /** @type {AudioDecoder | null} */
  #decoder = null;
  /** @type {Outputs<Float32Array>} */
  #sounds = new Outputs();
  #resampler = new Resampler(OPUS_RATE, RATE);
  #queue = new SoundQueue();
  #at = 0;
  /** How the last packet was coded: concealment continues in that mode. @type {number | null} */
  #like = null;

  constructor() {
    this.#queue.put(new Float32Array(RATE / 500)); // what the resampler holds back
  }

  #open() {
    this.#sounds.clear();
    this.#decoder = new AudioDecoder({
      output: (data) => {
        const samples = new Float32Array(data.numberOfFrames);
        data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        data.close();
        this.#sounds.add(samples);
      },
      error: () => {
        this.bad += 1;
      },
    });
    this.#decoder.configure({ codec: "opus", sampleRate: OPUS_RATE, numberOfChannels: 1 });
    return this.#decoder;
  }

  /**
   * A tick's packets → exactly `samples` samples; without packets they are concealed.
   * @param {Uint8Array[]} packets
   * @param {number} samples
   */
  async decode(packets, samples) {
    if (!packets.length) this.concealed += 1;
    const share = samples / Math.max(1, packets.length);
    let waiting = 0;
    for (const packet of packets.length ? packets : [new Uint8Array()]) {
      const whole = packet.length ? [packet] : this.#missing(share);
      if (packet.length) this.#like = packet[0] & 0xf8;
      for (const data of whole) waiting += this.#feed(data);
    }
    const sounds = await this.#sounds.take(waiting);
    if (sounds.length < waiting) this.close(); // late sound must not shift all that follows: another decoder begins
    for (const sound of sounds) this.#queue.put(this.#resampler.push(sound));
    // What remains beyond this tick and the resampler's delay comes from packets that were longer than they should be.
    const out = this.#queue.taken(samples);
    this.#queue.limit(RATE / 50);
    return out;
  }

  /**
   * Packets that make the decoder conceal `samples` samples: one byte gives the frame's mode, and no data follows (RFC 6716
   * section 3.2.1; libopus then conceals, as for a lost packet).
   * @param {number} samples
   */
  #missing(samples) {
    if (this.#like === null) return [];
    const frames = Math.round((samples / RATE) * 1000) / FRAME_MS[this.#like >> 3];
    return Array.from({ length: Math.max(1, Math.floor(frames)) }, () => Uint8Array.of(/** @type {number} */ (this.#like)));
  }

  /** @param {Uint8Array} data @returns {number} 1 if an output will follow */
  #feed(data) {
    try {
      const decoder = this.#decoder?.state === "configured" ? this.#decoder : this.#open();
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: this.#at, data }));
      this.#at += 100_000;
      return 1;
    } catch {
      this.bad += 1;
      return 0;
    }
  }

  close() {
    if (this.#decoder?.state === "configured") this.#decoder.close();
  }
}
