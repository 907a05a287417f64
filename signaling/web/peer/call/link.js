// The connection to the peer in the room, replaced whenever it breaks.
//
// A connection that was quiet for QUIET seconds although UNANSWERED packets were sent, while the signaling server can be
// reached, is replaced. A new one is negotiated over the signaling socket. Until it is up, the old one carries what it can,
// because its network may come back first. Python's (signaling/transport/link.py) also replaces one after four seconds with
// three packets unanswered.

import { fingerprint, onlySha256 } from "../codec/safety_code.js";
import { sleep } from "../media/clock.js";
import { traffic } from "./traffic.js";

/** Bytes of the largest message on each channel, in and out. */
const MAX_MEDIA = 16_384;
const MAX_CONTROL = 65_536;
/** Bytes that may wait in the media channel: a message beyond them would be late anyway, and is dropped. */
const MEDIA_LIMIT = 1024;
/** Bytes waiting in the control channel at which more of a keyframe has to wait. */
const CONTROL_HIGH = 4096;
/** Seconds until the next attempt, after a connection broke, and after none could be made. */
const AGAIN = 0.2;
const AGAIN_LATER = 2;
/** Milliseconds for gathering this machine's addresses before an offer is sent; later ones follow it. */
const GATHER_MS = 800;
/** Seconds that connecting may take, and replacing a connection. */
const CONNECT_SECONDS = 20;
const RENEW_SECONDS = 6;
/** Seconds without a packet; the quietest call has one every 0.4 s. */
const QUIET = 2;
/** Packets that must have been sent meanwhile. */
const UNANSWERED = 5;
const MAX_CANDIDATES = 64;
/** Bytes of a packet that the browser doesn't count: the headers of IPv4 and UDP. */
const IP_UDP = 28;

/** @typedef {import("./signaling_client.js").SignalingClient} SignalingClient */

/** One RTCPeerConnection with its two channels. */
class Connection {
  /** @type {Map<string, RTCDataChannel>} */
  channels = new Map();
  /** Control messages that arrived before both channels were open. @type {Uint8Array[]} */
  early = [];
  open = false;
  over = false;
  candidates = 0;
  bytes = { out: 0, in: 0 };
  /** The newest round trip that ICE has measured, and the fastest, in seconds; 0 while unknown. */
  trip = { newest: 0, fastest: 0 };
  /** When bytes last arrived, how many had arrived by then, and how many packets had been sent. */
  quiet = { packetsSent: 0, bytesReceived: -1, since: performance.now() };
  sent = 0;

  /** @param {RTCPeerConnection} pc @param {string} session */
  constructor(pc, session) {
    this.pc = pc;
    this.session = session;
    this.began = performance.now();
  }

  close() {
    this.over = true;
    this.pc.close();
  }
}

/** Makes one connection after another. `connected`: whether one is up. */
export class Link {
  #client;
  #on;
  #certificate;
  /** The connection that carries messages now; it may be dead. @type {Connection | null} */
  #active = null;
  /** The connection that is being negotiated. @type {Connection | null} */
  #next = null;
  #closed = false;
  #everOpen = false;
  /** Signaling events are handled one after another. */
  #turn = Promise.resolve();
  #total = { out: 0, in: 0, seconds: 0 };
  connected = false;

  /**
   * @param {SignalingClient} client @param {RTCCertificate} certificate this side's, the same for all connections
   * @param {{
   *   media(data: Uint8Array): void, control(data: Uint8Array): void, up(peer: string): void, down(): void, failed(): unknown,
   *   bye(): void,
   * }} on `up`: a connection is up, to the peer of this session; `failed`: there was none, and none could be made
   */
  constructor(client, certificate, on) {
    this.#client = client;
    this.#certificate = certificate;
    this.#on = on;
    this.#watch();
  }

  /** A signaling event has arrived. @param {import("./signaling_client.js").Event} event */
  event(event) {
    this.#turn = this.#turn.then(() => this.#negotiate(event)).catch((error) => this.#failed(error));
  }

  /** @param {unknown} error */
  #failed(error) {
    console.warn("facewire: negotiating failed:", error);
    this.#next?.close();
    this.#next = null;
    this.#again(AGAIN_LATER);
  }

  /** Try again after so many seconds, unless there is another connection by then. @param {number} seconds */
  #again(seconds) {
    if (this.#active) return;
    sleep(seconds).then(() => {
      if (!this.#next && !this.#active) this.#begin().catch((error) => this.#failed(error));
    });
  }

  /** @param {import("./signaling_client.js").Event} event */
  async #negotiate(event) {
    const next = this.#next;
    switch (event.type) {
      case "peer":
        // Another peer, or the same one is back: what was exchanged is void. A connection that is up no longer needs signaling.
        if (!event.present) return;
        if (this.#active && !this.#active.over && this.#active.session === event.peer) return;
        return this.#begin();
      case "bye":
        // A peer that leaves before there was a connection may come back.
        if (this.#everOpen) this.#on.bye();
        else {
          next?.close();
          this.#next = null;
        }
        return;
      case "ready":
        // The peer has restarted, and waits for an offer; one that is on its way suffices.
        if (this.#client.peer.offer && !(next && !next.pc.remoteDescription)) await this.#begin();
        return;
      case "offer":
        if (this.#client.peer.offer) return;
        return this.#answer(event.sdp);
      case "answer":
        if (next?.pc.signalingState === "have-local-offer")
          await next.pc.setRemoteDescription({ type: "answer", sdp: onlySha256(event.sdp) });
        return;
      case "candidate": {
        if (!next?.pc.remoteDescription || next.candidates >= MAX_CANDIDATES) return;
        next.candidates += 1;
        const line = { candidate: event.candidate, sdpMid: event.id, sdpMLineIndex: event.label };
        await next.pc.addIceCandidate(line).catch((error) => console.info("facewire: candidate skipped:", error));
      }
    }
  }

  /** Start with a fresh connection: send an offer, or request one. */
  async #begin() {
    const { peer } = this.#client;
    if (this.#closed || !peer.present) return;
    const next = this.#make();
    if (!peer.offer) {
      this.#client.send({ type: "ready" });
      return;
    }
    this.#adopt(next, next.pc.createDataChannel("media", { ordered: false, maxRetransmits: 0 }));
    this.#adopt(next, next.pc.createDataChannel("control"));
    await next.pc.setLocalDescription();
    await this.#describe(next);
  }

  /** @param {string} sdp */
  async #answer(sdp) {
    const next = this.#next && !this.#next.pc.remoteDescription ? this.#next : this.#make();
    await next.pc.setRemoteDescription({ type: "offer", sdp: onlySha256(sdp) });
    await next.pc.setLocalDescription();
    await this.#describe(next);
  }

  #make() {
    this.#next?.close();
    const pc = new RTCPeerConnection({ iceServers: this.#client.ice, certificates: [this.#certificate] });
    const made = new Connection(pc, this.#client.peer.peer);
    pc.ondatachannel = ({ channel }) => this.#accept(made, channel);
    // Measure the round trip before the DTLS handshake fills a slow link's queue.
    pc.oniceconnectionstatechange = () => this.#measure(made);
    pc.onsignalingstatechange = () => this.#opened(made);
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "failed") this.#lost(made);
    };
    this.#next = made;
    return made;
  }

  /** Send the description once most addresses are known; the rest follow. @param {Connection} next */
  async #describe(next) {
    const { pc } = next;
    await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      setTimeout(resolve, GATHER_MS);
      const check = () => pc.iceGatheringState === "complete" && resolve();
      pc.onicegatheringstatechange = check;
      check();
    });
    if (next.over || !pc.localDescription) return;
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate && !next.over) {
        this.#client.send({
          type: "candidate",
          candidate: candidate.candidate,
          id: candidate.sdpMid,
          label: candidate.sdpMLineIndex,
        });
      }
    };
    this.#client.send({ type: pc.localDescription.type, sdp: pc.localDescription.sdp });
  }

  /**
   * Take a channel that the peer has opened; one other than the two, or of another reliability, is closed.
   * @param {Connection} made
   * @param {RTCDataChannel} channel
   */
  #accept(made, channel) {
    const { label, ordered, maxRetransmits, maxPacketLifeTime } = channel;
    const reliable = ordered && maxRetransmits === null && maxPacketLifeTime === null;
    const fits = label === "media" ? !ordered && maxRetransmits === 0 : label === "control" && reliable;
    if (fits && !made.channels.has(label)) this.#adopt(made, channel);
    else channel.close();
  }

  /** @param {Connection} made @param {RTCDataChannel} channel */
  #adopt(made, channel) {
    made.channels.set(channel.label, channel);
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => this.#received(made, channel.label, data);
    channel.onopen = () => this.#opened(made);
    channel.onclose = () => this.#lost(made);
    if (channel.readyState === "open") this.#opened(made);
  }

  /** @param {Connection} made */
  #opened(made) {
    if (
      made.open ||
      made.over ||
      made.channels.size < 2 ||
      !made.pc.remoteDescription || // channels may open before it is known, and the safety code needs it
      [...made.channels.values()].some(({ readyState }) => readyState !== "open")
    )
      return;
    made.open = true;
    this.#everOpen = true;
    const old = this.#active;
    this.#active = made;
    if (this.#next === made) this.#next = null;
    if (old && !old.over) this.#count(old);
    old?.close();
    this.connected = true;
    this.#on.up(made.session);
    for (const data of made.early.splice(0)) this.#on.control(data);
  }

  /** @param {Connection} made @param {string} label @param {unknown} data */
  #received(made, label, data) {
    const limit = label === "media" ? MAX_MEDIA : MAX_CONTROL;
    if (!(data instanceof ArrayBuffer) || data.byteLength > limit || made.over) return;
    const bytes = new Uint8Array(data);
    if (label === "media") this.#on.media(bytes);
    else if (made.open) this.#on.control(bytes);
    else if (made.early.push(bytes) > 64) this.#lost(made);
  }

  /** @param {Connection} made */
  #lost(made) {
    if (made.over) return;
    if (made.open) this.#count(made);
    made.close();
    const tried = this.#next === made;
    if (tried) this.#next = null;
    if (this.#active === made) {
      this.#active = null;
      this.connected = false;
      this.#on.down();
      this.#again(AGAIN);
    } else if (tried && !this.#active) {
      this.#on.failed();
      this.#again(AGAIN_LATER);
    }
  }

  /** @param {Connection} made */
  #count(made) {
    this.#total.out += made.bytes.out;
    this.#total.in += made.bytes.in;
    this.#total.seconds += (performance.now() - made.began) / 1000;
  }

  /** Watch the connections: what they carry, whether they are quiet, whether one takes too long. */
  async #watch() {
    while (!this.#closed) {
      await sleep(0.5);
      await this.#look().catch((error) => this.#failed(error));
    }
  }

  async #look() {
    const [active, next] = [this.#active, this.#next];
    if (active) await this.#measure(active);
    const patience = this.connected ? RENEW_SECONDS : CONNECT_SECONDS;
    if (next && next === this.#next && !next.open && performance.now() - next.began > patience * 1000) {
      next.close();
      this.#next = null;
      if (!active) this.#on.failed();
      // A socket may look open long after the network has changed: nothing arrived over it, and the server can be reached.
      if (!next.pc.remoteDescription && (await this.#reachable())) this.#client.reopen();
      else if (!this.#next) await this.#begin();
    }
    if (!active || active !== this.#active || this.#next || !this.#dead(active) || !this.#client.peer.present) return;
    if ((await this.#reachable()) && !this.#next) await this.#begin();
  }

  /** Seconds since the connection last received anything. */
  get quietSeconds() {
    return this.#active ? (performance.now() - this.#active.quiet.since) / 1000 : 0;
  }

  /** @param {Connection} made */
  #dead(made) {
    return performance.now() - made.quiet.since > QUIET * 1000 && made.sent - made.quiet.packetsSent >= UNANSWERED;
  }

  /** Whether the signaling server answers; if not, it is this side's network that is down. */
  async #reachable() {
    if (!this.#client.open) return false;
    const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(1500) }).catch(() => null);
    return answer !== null;
  }

  /** @param {Connection} made */
  async #measure(made) {
    const stats = await made.pc.getStats().catch(() => null);
    if (!stats || made.over) return;
    const { bytesSent, packetsSent, bytesReceived, packetsReceived } = traffic(stats);
    made.bytes = { out: bytesSent + IP_UDP * packetsSent, in: bytesReceived + IP_UDP * packetsReceived };
    made.sent = packetsSent;
    if (bytesReceived !== made.quiet.bytesReceived) {
      made.quiet = { bytesReceived, packetsSent, since: performance.now() };
    }
    for (const entry of stats.values()) {
      if (entry.type === "candidate-pair" && entry.nominated && entry.currentRoundTripTime) {
        const newest = entry.currentRoundTripTime;
        made.trip = { newest, fastest: Math.min(made.trip.fastest || newest, newest) };
      }
    }
  }

  /** Seconds of this connection's newest round trip, as ICE measures it; 0 while unknown. */
  get roundTrip() {
    return this.#active?.trip.newest ?? 0;
  }

  /** The fastest so far; 0 while unknown. */
  get fastest() {
    return this.#active?.trip.fastest ?? 0;
  }

  /** Bytes on the wire over all connections so far, all headers down to IP included, and seconds. */
  wireTotal() {
    const made = this.#active;
    const now = made ? { ...made.bytes, seconds: (performance.now() - made.began) / 1000 } : { out: 0, in: 0, seconds: 0 };
    return { out: this.#total.out + now.out, in: this.#total.in + now.in, seconds: this.#total.seconds + now.seconds };
  }

  /** SHA-256 of this side's certificate and of the peer's, which DTLS has checked; null while unknown. */
  fingerprints() {
    const { localDescription, remoteDescription } = this.#active?.pc ?? {};
    const [own, other] = [localDescription, remoteDescription].map((description) => fingerprint(description?.sdp ?? ""));
    return own && other ? { own, other } : null;
  }

  /** Send a bundle without waiting; false if it was dropped. @param {Uint8Array} data */
  sendMedia(data) {
    const channel = this.#active?.channels.get("media");
    if (channel?.readyState !== "open" || channel.bufferedAmount > MEDIA_LIMIT) return false;
    channel.send(/** @type {Uint8Array<ArrayBuffer>} */ (data));
    return true;
  }

  /** Send reliably and in order; false without a connection. @param {Uint8Array} data */
  sendControl(data) {
    const channel = this.#active?.channels.get("control");
    if (channel?.readyState !== "open") return false;
    channel.send(/** @type {Uint8Array<ArrayBuffer>} */ (data));
    return true;
  }

  /** Whether more may be sent on the control channel without holding up the bundles. */
  get controlFree() {
    return (this.#active?.channels.get("control")?.bufferedAmount ?? 0) < CONTROL_HIGH;
  }

  close() {
    this.#closed = true;
    this.connected = false;
    for (const made of [this.#active, this.#next]) if (made && !made.over) made.close();
  }
}
