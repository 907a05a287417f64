// One call of this page: the workers that send, receive and render, the connection to the peer, and the page's callbacks.

import { Face, makeBundle, packBundle } from "../codec/bundle.js";
import { splitBundles } from "../codec/bundle_pair.js";
import { packMessage, parseMessage, VERSION, Verb } from "../codec/control.js";
import { CodecError } from "../codec/errors.js";
import { parseKeyframe } from "../codec/keyframe.js";
import { now } from "../media/clock.js";
import { Ladder, QueueWatch, Redundancy } from "../sender/adaptation.js";
import { WANTED } from "../sender/wanted.js";
import { compiled, STEP_FILES } from "../workers/load.js";
import { Capture } from "./capture.js";
import { KeyframesIn, KeyframesOut } from "./keyframe_transfer.js";
import { Link } from "./link.js";
import { Pacer } from "./pacing.js";
import { messages, Pairing } from "./pairing.js";
import { RenderWorkers } from "./render_workers.js";
import { Safety } from "./safety.js";
import { SignalingClient } from "./signaling_client.js";
import { Speaker } from "./speaker.js";

/** Kbit/s that a call may take each way: the default of `facewire call`. */
const LIMIT_KBPS = 12;
/** Bundles whose sending time is remembered, to measure how long a report on them takes. */
const SENT_KEPT = 64;
/** Before the call one frame in this many is rendered: five a second. */
const PREVIEW = 5;
/** Gigabytes of memory from which a machine looks for better keyframes, which takes another ONNX Runtime. */
const MIRROR_GB = 4;
/** Seconds after which that is loaded in a call that was joined at once: the first face and the first keyframe come first. */
const MIRROR_LATER = 8;
/** Cores from which it does so if the browser doesn't report its memory. */
const MIRROR_CORES = 8;
/** Control messages that may wait to be handled; in a flood the rest is dropped. */
const WAITING_MAX = 256;
/** Media messages that may wait in the receiver; in a flood the rest is dropped. */
const MEDIA_WAITING_MAX = 64;
/** Seconds between two reports while nothing is sent that could carry them. */
const REPORT_SECONDS = 0.4;

/** @typedef {import("../workers/load.js").Listed} Listed */
/** @typedef {import("../receiver/presenter.js").Shown} Shown */
/** A keyframe of ours, and the slot in use. @typedef {{ slot: number, data: Uint8Array, digest: Uint8Array, using: number | null }} Made */
/** The state of a call, in one word. @typedef {"lobby" | "waiting" | "connecting" | "connected" | "ended"} State */
/**
 * The page's callbacks. `state`: the new state, with a line for the user or "". `view`: this side's crop, null while hidden.
 * `level`: the loudest sample of the microphone in a tick, 0 to 1, and whether the user speaks while muted. `shown`: a frame
 * to show now. `small`: the pixels that it would be rendered from, while nothing can be rendered yet. `hidden`: the peer's
 * camera went off. `safety`: the safety code, [] while unknown. `loading`: this many bytes more have arrived. `ready`:
 * milliseconds that a frame takes. `devices`: the devices have changed. `sound`: whether sound needs a touch of the page.
 * `trouble`: a line on what does not work, "" once it does.
 * @typedef {{
 *   state(state: State, told: string): void,
 *   view(crop: { width: number, data: Uint8ClampedArray<ArrayBuffer> } | null, face: number, enlarged: number): void,
 *   level(peak: number, unheard: boolean): void,
 *   shown(frame: Shown): void,
 *   small(pixels: Uint8ClampedArray): void,
 *   hidden(): void,
 *   safety(words: string[]): void,
 *   loading(bytes: number): void,
 *   ready(ms: number): void,
 *   devices(): void,
 *   sound(needsTouch: boolean): void,
 *   trouble(about: "drawing" | "worker" | "sound" | "sending", what: string): void,
 * }} CallEvents
 */

/** What some of the server's refusals mean for a user who followed a link. @type {Record<string, string>} */
const ENDINGS = {
  room_full: "Two people are in this room already. Someone who has just lost the connection still counts for up to a minute.",
  no_access: "This server requires a token, which is the end of the link: ask for the whole link.",
  access_over: "This link has expired: ask for a new one.",
  idle: "Nobody else came for hours.",
  replaced: "The call continues in another window.",
};

const NO_WAY =
  "No direct connection to the other person was found; another attempt is made. The server may have to offer a relay.";

/** @param {string} text */
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** @param {string} name */
const worker = (name) => new Worker(new URL(`../workers/${name}_worker.js`, import.meta.url), { type: "module" });

/** A call, from the lobby to hanging up. */
export class Call {
  #told;
  #sender = worker("sender");
  #receiver = worker("receiver");
  /** @type {Worker | null} */
  #mirroring = null;
  /** Whether the mirror worker follows the stream. */
  #mirrors = false;
  #files;
  #gpu;
  #drawing;
  #safety;
  /** @type {SignalingClient | null} */
  #client = null;
  /** @type {Link | null} */
  #link = null;
  /** @type {KeyframesOut | null} */
  #keyframesOut = null;
  /** @type {KeyframesIn | null} */
  #keyframesIn = null;
  #ladder = new Ladder(LIMIT_KBPS);
  #queue = new QueueWatch();
  #pacer = new Pacer(LIMIT_KBPS);
  #redundancy = new Redundancy();
  #pairing = new Pairing();
  /** @type {Map<number, number>} */
  #sentAt = new Map();
  /** @type {import("../codec/bundle.js").Report | null} */
  #report = null;
  #lastSent = 0;
  #wanted = { ...WANTED };
  /** Control messages are handled one after another. */
  #control = Promise.resolve();
  #waiting = 0; // control messages that wait to be handled
  #arriving = 0; // media messages that the receiver has not answered
  #connections = 0;
  /** The peer of the last connection; "" before the first. */
  #peer = "";
  /** Why signaling has ended, while the connection lasts; "" while it has not. */
  #signalingOver = "";
  #wire = { out: 0, in: 0, seconds: 0 };
  #timer = 0;
  /** Whether this side's own face is rendered, as a preview. */
  #looking = false;
  /** @type {State} */
  state = "lobby";
  /** The receiver's figures. @type {Record<string, any>} */
  stats = {};

  /** @param {Listed} files @param {{ gpu: boolean, cores: number, shared: boolean }} drawing @param {CallEvents} told */
  constructor(files, drawing, told) {
    this.#told = told;
    this.#files = compiled(files);
    this.#gpu = drawing.gpu;
    this.#safety = new Safety((data) => this.#link?.sendControl(data), told.safety);
    this.#drawing = new RenderWorkers(this.#files, drawing, {
      port: (port) => this.#receiver.postMessage({ kind: "drawer", port }, [port]),
      gone: () => this.#receiver.postMessage({ kind: "drawers gone" }),
      loading: told.loading,
      ready: (ms) => {
        told.ready(ms);
        if (this.state === "lobby") this.#preview(true);
      },
      chosen: told.ready,
      complete: () => {
        if (this.state === "lobby" || this.state === "waiting") this.#loadMirror(0);
      },
      failed: (what) => told.trouble("drawing", `The other person's face cannot be rendered: ${what}`),
    });
    this.#sender.onmessage = ({ data }) => this.#fromSender(data);
    this.#receiver.onmessage = ({ data }) => this.#fromReceiver(data);
    this.#watch(this.#sender);
    this.#watch(this.#receiver);
    for (const part of [this.#sender, this.#receiver])
      this.#files.then((given) => part.postMessage({ kind: "start", files: given }));
    this.capture = new Capture(this.#sender, () => told.devices());
    this.speaker = new Speaker(this.#receiver, (yes) => told.sound(yes));
  }

  /** @param {Worker} part */
  #watch(part) {
    part.onerror = (event) => this.#told.trouble("worker", event.message || "A part of the page could not be loaded.");
  }

  /** @param {State} state */
  #become(state, told = "") {
    if (this.state === "ended") return;
    this.state = state;
    this.#told.state(state, told);
  }

  /** In a hidden tab nothing is rendered; sound continues. @param {boolean} yes */
  visible(yes) {
    this.#receiver.postMessage({ kind: "visible", yes });
  }

  /** Before the call: render this side's own face as the peer will, from what would be sent. @param {boolean} on */
  #preview(on) {
    this.#looking = on;
    this.#receiver.postMessage({ kind: "every", frames: on ? PREVIEW : 0 });
    for (const each of [this.#sender, this.#receiver]) each.postMessage({ kind: "reset" });
    this.#drawing.reset();
    this.#want({ live: on });
  }

  /** Enter a room. @param {string} room @param {string | null} access */
  async join(room, access) {
    this.#preview(false);
    this.#become("waiting");
    await this.speaker.start().catch((error) => this.#told.trouble("sound", `Sound cannot be played: ${error.message}.`));
    const certificate = await RTCPeerConnection.generateCertificate(
      /** @type {EcKeyGenParams} */ ({ name: "ECDSA", namedCurve: "P-256" }),
    );
    if (this.state !== "waiting") return; // hung up meanwhile
    const client = new SignalingClient(room, access, {
      event: (event) => {
        if (event.type === "peer" && this.state !== "connected") this.#become(event.present ? "connecting" : "waiting");
        this.#link?.event(event);
      },
      ended: ({ code, message }) => {
        this.#signalingOver = ENDINGS[code] ?? sentence(message);
        if (!this.#link?.connected) this.#end(this.#signalingOver);
      },
      lost: () => this.state === "connected" || this.#become("waiting", "The signaling server does not answer; trying again."),
      joined: () => this.state === "connected" || this.#become("waiting"),
      isConnected: () => this.#link?.connected ?? false,
    });
    const link = new Link(client, certificate, {
      media: (data) => {
        this.#sender.postMessage({ kind: "heard", at: now(), trip: link.roundTrip / 2 });
        this.#received(data);
      },
      control: (data) => {
        const connection = this.#connections;
        const handle = async () => {
          if (connection === this.#connections) await this.#onControl(data);
        };
        if (this.#waiting < WAITING_MAX) this.#inTurn(handle);
      },
      up: (peer) => this.#up(peer),
      failed: () => client.peer.present && this.#become("connecting", NO_WAY),
      down: () => {
        if (this.#signalingOver) this.#end(this.#signalingOver);
        else this.#become(client.peer.present ? "connecting" : "waiting");
      },
      bye: () => this.#end("The other person has hung up."),
    });
    this.#client = client;
    this.#link = link;
    this.#keyframesOut = new KeyframesOut(link);
    this.#keyframesIn = this.#incoming(link);
    this.#timer = window.setInterval(() => this.#every(), 200);
    client.run();
  }

  /** A new connection is up: what was exchanged on the previous one is void. @param {string} peer its peer's session */
  #up(peer) {
    if (this.state === "ended") return;
    if (this.#peer && this.#peer !== peer) this.#forget();
    this.#peer = peer;
    this.#connections += 1; // waiting messages of the previous one are void
    this.#become("connected");
    this.#sentAt.clear();
    this.#pairing.drop();
    this.#queue.restarted(now(), this.#link?.fastest);
    this.#redundancy.restarted();
    this.#ladder.restarted(now());
    this.#sender.postMessage({ kind: "reconnected" });
    const hello = packMessage({
      kind: "hello",
      version: VERSION,
      size: 8,
      tickModes: [200, 100, 60],
      model: "call",
      pairs: true,
    });
    this.#link?.sendControl(hello);
    this.#keyframesOut?.reconnected();
    this.#mirror();
    this.#want({ live: true, between: !this.#client?.peer.offer });
    this.#inTurn(() => this.#safety.begin(this.#link?.fingerprints() ?? null));
  }

  /** A new session, of another person or the same: nothing from before may be rendered, nor count as theirs. */
  #forget() {
    this.#receiver.postMessage({ kind: "reset" });
    this.#drawing.reset();
    this.#keyframesIn = this.#incoming(/** @type {Link} */ (this.#link));
    this.#report = null;
    this.#told.hidden();
  }

  /** @param {Link} link */
  #incoming(link) {
    return new KeyframesIn(link, (slot, keyframe) => this.#keyframe(slot, keyframe));
  }

  /**
   * Load the worker that looks for better keyframes, if there are a core and memory for it. Loading takes seconds of a core:
   * do it before the call, or `later` seconds from now.
   * @param {number} later
   */
  #loadMirror(later) {
    const cores = navigator.hardwareConcurrency || 1;
    const { deviceMemory } = /** @type {{ deviceMemory?: number }} */ (navigator); // only Chromium reports it
    const enough = deviceMemory === undefined ? cores >= MIRROR_CORES : deviceMemory >= MIRROR_GB;
    if (this.#mirroring || cores < 2 || !enough) return;
    const mirror = worker("mirror");
    this.#mirroring = mirror;
    // A network fetched before the call: on a low-bandwidth link no large download may compete with the sound.
    const step = this.#gpu ? STEP_FILES.whole : STEP_FILES.small;
    this.#files.then((files) => mirror.postMessage({ kind: "load", files, step, later }));
  }

  /** Look for better keyframes from the stream's first tick on. */
  #mirror() {
    this.#loadMirror(MIRROR_LATER);
    const mirror = this.#mirroring;
    if (!mirror || this.#mirrors) return;
    this.#mirrors = true;
    const { port1, port2 } = new MessageChannel();
    this.#files.then(() => mirror.postMessage({ kind: "begin", port: port1 }, [port1]));
    this.#sender.postMessage({ kind: "mirror", port: port2 }, [port2]);
  }

  /** @param {Record<string, number | boolean>} wanted */
  #want(wanted) {
    Object.assign(this.#wanted, wanted);
    this.#sender.postMessage({ kind: "want", wanted });
  }

  get muted() {
    return this.#wanted.muted;
  }

  get cameraOff() {
    return this.#wanted.cameraOff;
  }

  get away() {
    return this.#wanted.away;
  }

  /** @param {"muted" | "cameraOff" | "away"} what @param {boolean} on */
  turn(what, on) {
    this.#want({ [what]: on });
    if (what === "muted") return;
    this.capture.turnCamera(!this.#wanted.cameraOff && !this.#wanted.away);
    this.#withhold(true); // until a current picture is seen
  }

  /** While the camera is off no keyframe is offered, so that a new peer sees nothing. @param {boolean} hidden */
  #withhold(hidden) {
    this.#keyframesOut?.withhold(hidden || this.#wanted.cameraOff || this.#wanted.away);
  }

  /** End the call. */
  hangUp() {
    this.#link?.sendControl(packMessage({ kind: "bye" }));
    this.#end("You have hung up.");
  }

  /** @param {string} told */
  #end(told) {
    if (this.state === "ended") return;
    this.#become("ended", told);
    clearInterval(this.#timer);
    this.#keyframesOut?.withhold(true);
    this.#client?.close();
    // Let the last message be sent first.
    setTimeout(() => this.#link?.close(), 200);
    this.capture.close();
    this.speaker.close();
    for (const each of [this.#sender, this.#receiver, this.#mirroring]) each?.terminate();
    this.#drawing.close();
  }

  // ---- messages from the workers ----

  /** @param {any} data */
  #fromSender(data) {
    if (data.kind === "tick") this.#tick(data);
    else if (data.kind === "loading") this.#told.loading(data.bytes);
    else if (data.kind === "failed") this.#told.trouble("sending", `Nothing can be sent: ${data.message}`);
    else if (data.kind === "recovered") this.#told.trouble("sending", "");
    else if (data.kind === "keyframe" && this.#looking) this.#ownKeyframe(data);
    else if (data.kind === "keyframe" && this.#wanted.live) this.#add(data); // else it belongs to the preview
  }

  /** A keyframe of ours, for the peer. @param {Made} made */
  #add({ slot, data, digest, using }) {
    if (!this.#keyframesOut) return;
    this.#keyframesOut.using = using;
    this.#keyframesOut.add(slot, data, digest);
  }

  /** @param {{ slot: number, data: Uint8Array }} made */
  async #ownKeyframe({ slot, data }) {
    const keyframe = await parseKeyframe(data);
    this.#keyframe(slot, keyframe);
    this.#sender.postMessage({ kind: "confirm", slot, digest: keyframe.digest });
  }

  /**
   * @param {{
   *   bundle: import("./pairing.js").Packed | null, using: number | null,
   *   crop: any, face: number, enlarged: number, hidden: boolean, level?: number, unheard?: boolean,
   * }} tick
   */
  #tick({ bundle, using, crop, face, enlarged, hidden, level = 0, unheard = false }) {
    this.#told.level(level, unheard);
    this.#told.view(crop, face, enlarged);
    this.#withhold(hidden);
    this.#hold(this.#keyframesOut?.holdBundles ?? false);
    if (bundle && this.#looking) this.#receiver.postMessage({ kind: "media", data: bundle.data.buffer });
    const going = this.#pairing.put(bundle, this.#ladder.step.paired);
    if (!going.length || !this.#link) return;
    if (this.#keyframesOut) {
      if (bundle) this.#keyframesOut.using = using;
      this.#pacer.carried(this.#ladder.proven(now()));
      const room = this.#pacer.room(this.#link.wireTotal().out, now());
      this.#pacer.spent(this.#keyframesOut.sendPiece(this.#queue.filling ? 0 : room));
    }
    for (const message of messages(going)) if (!this.#link.sendMedia(message)) return;
    this.#lastSent = now();
    for (const { number } of going) this.#sentAt.set(number, now());
    for (const number of this.#sentAt.keys()) if (this.#sentAt.size > SENT_KEPT) this.#sentAt.delete(number);
  }

  /** Set whether the first keyframe has the link to itself. @param {boolean} hold */
  #hold(hold) {
    if (hold === this.#wanted.hold) return;
    this.#want({ hold });
    if (!hold && this.#keyframesOut?.slow) this.#ladder.slow(now());
  }

  /** One bundle has arrived, or two. @param {Uint8Array} message */
  #received(message) {
    /** @type {Uint8Array[]} */
    let bundles = [message]; // a broken pair goes to the receiver, which counts it as broken
    try {
      bundles = splitBundles(message);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
    }
    for (const { buffer } of bundles) {
      if (this.#arriving >= MEDIA_WAITING_MAX) return;
      this.#arriving += 1;
      this.#receiver.postMessage({ kind: "media", data: buffer }, [/** @type {ArrayBuffer} */ (buffer)]);
    }
  }

  /** @param {any} data */
  #fromReceiver(data) {
    if (data.kind === "stats") {
      this.stats = data.stats;
      return;
    }
    if (data.kind === "small") {
      this.#told.small(data.small);
      return;
    }
    if (data.kind === "shown") {
      this.#told.shown(data.frame);
      return;
    }
    if (data.kind === "hidden") {
      this.#told.hidden();
      return;
    }
    const { own, theirs } = data;
    this.#arriving = Math.max(0, this.#arriving - 1);
    if (this.#looking && own) this.#sender.postMessage({ kind: "acknowledged", number: own.newest });
    if (this.#looking) return;
    this.#report = own;
    this.#sender.postMessage({ kind: "report", report: own });
    if (theirs) this.#reported(theirs);
  }

  /** The peer's report decides what is sent from now on. @param {import("../codec/bundle.js").Report} report */
  #reported({ newest, loss }) {
    const sent = this.#sentAt.get(newest);
    this.#sentAt.delete(newest);
    const filling = this.#queue.report(sent === undefined ? null : now() - sent, now(), this.#link?.roundTrip);
    this.#ladder.report(loss / 255, filling, now(), this.#queue.confirmed, this.#queue.knownEmpty);
    this.#sender.postMessage({ kind: "acknowledged", number: newest });
    const { tickMode, bitrate, paired } = this.#ladder.step;
    this.#want({ redundant: this.#redundancy.report(loss / 255, filling || paired, now()), tickMode, bitrate });
  }

  /** @param {number} slot @param {import("../codec/keyframe.js").Keyframe} keyframe */
  #keyframe(slot, { data, image, form }) {
    this.#receiver.postMessage({ kind: "keyframe", slot, data });
    this.#drawing.keyframe(slot, image, form);
  }

  // ---- control ----

  /** Run this after the actions before it. @param {() => Promise<void>} action */
  #inTurn(action) {
    this.#waiting += 1;
    this.#control = this.#control
      .then(action)
      .catch((error) => console.warn("facewire:", error))
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  /** @param {Uint8Array} data */
  async #onControl(data) {
    try {
      const message = parseMessage(data);
      if (message?.kind === "hello" && message.version !== VERSION) {
        this.#end(
          `The other side speaks version ${message.version} of the protocol, this page ${VERSION}: update the older of the two.`,
        );
      } else if (message?.kind === "hello") {
        this.#ladder.pairs = message.pairs;
      } else if (message?.kind === "bye") {
        this.#end("The other person has hung up.");
      } else if (message?.kind === "chunk") {
        await this.#keyframesIn?.chunk(message);
      } else if (message?.kind === "notice") {
        this.#onNotice(message);
      } else if (message?.kind === "commitment" || message?.kind === "number") {
        await this.#safety.received(message);
      }
    } catch (error) {
      // Whatever the error is, the next message must still be handled.
      console.warn("facewire: control message ignored:", error instanceof CodecError ? error.message : error);
    }
  }

  /** @param {import("../codec/control.js").KeyframeNotice} notice */
  #onNotice(notice) {
    const { verb, slot, digest } = notice;
    if (verb === Verb.OFFER) this.#keyframesIn?.offered(notice);
    else if (verb === Verb.REQUEST) this.#keyframesOut?.requested(notice);
    else {
      if (this.#keyframesOut?.confirmed(notice)) this.#sender.postMessage({ kind: "confirm", slot, digest });
    }
  }

  #every() {
    const latency = this.speaker.latency;
    this.#receiver.postMessage({ kind: "outputs", seconds: latency });
    // While a bundle is held back, or the first keyframe has a low-bandwidth link to itself, reports are rarer.
    const wait = this.#pairing.holding || this.#wanted.hold ? 3 * REPORT_SECONDS : REPORT_SECONDS;
    if (now() - this.#lastSent < wait || !this.#report || !this.#link) return;
    // Nothing is sent that could carry it: the peer must still learn what arrived.
    this.#link.sendMedia(packBundle(makeBundle({ number: 0, time: 0, report: this.#report })));
    this.#lastSent = now();
  }

  /**
   * The call's numbers, null where unknown. `up`, `down`: kbit/s over the last one to three seconds; `quiet`: seconds since
   * anything was received.
   */
  numbers() {
    const wire = this.#link?.wireTotal() ?? { out: 0, in: 0, seconds: 0 };
    const seconds = wire.seconds - this.#wire.seconds;
    const rate = (/** @type {"out" | "in"} */ way) =>
      seconds > 0.1 && this.state === "connected" ? ((wire[way] - this.#wire[way]) * 8e-3) / seconds : null;
    const [up, down] = [rate("out"), rate("in")];
    if (seconds > 2) this.#wire = wire;
    const quiet = this.#link?.quietSeconds ?? 0;
    const { loss = null, delay = null, face = Face.TRACKED, muted = false, ticks = 0, concealed = 0, fps } = this.stats;
    const whole =
      delay === null ? null : Number(delay) * 1000 + 1000 * (this.speaker.latency + (this.#link?.roundTrip ?? 0) / 2);
    return {
      up,
      down,
      fps: fps?.shown ?? 0,
      drawn: fps?.drawn ?? 0,
      delay: whole,
      loss,
      face,
      muted,
      ticks,
      concealed,
      quiet,
    };
  }
}
