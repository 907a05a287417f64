// A peer's side of the signaling socket: join a room, pass on offers and answers, survive a lost connection. Messages are those
// of signaling/protocol.py.

import { sleep } from "../media/clock.js";

const MAX_MESSAGE = 65_536;
/** Seconds between two attempts, at most. */
const PAUSE_MAX = 2;
/** Codes of temporary errors: the socket is opened again. */
const PASSING = ["lost", "shutdown", "stale", "unavailable"];
/** Seconds for which a lost server is tried again. */
const PATIENCE = 60;

/**
 * Whether the other peer is in the room, its session, and whether this side makes the offer.
 * @typedef {{ type: "peer", present: boolean, offer: boolean, peer: string }} Presence
 */
/**
 * An event of a room.
 * @typedef {Presence
 *   | { type: "offer" | "answer", sdp: string }
 *   | { type: "candidate", candidate: string, id: string | null, label: number | null }
 *   | { type: "bye" } | { type: "ready" }} Event
 */

/** Signaling cannot continue: `code` is one word for programs, the text one line for people. */
export class SignalingError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {number} bytes */
function randomToken(bytes) {
  const data = crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...data))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** One peer in one room. The socket is opened again when it is lost, with the same token: the peer keeps its place. */
export class SignalingClient {
  #room;
  #access;
  #on;
  /** A new one for each page, by which the peer notices a restart. */
  #token = randomToken(24);
  /** @type {WebSocket | null} */
  #socket = null;
  #over = false;
  #leave = () => {};
  /** ICE servers from the signaling server. @type {RTCIceServer[]} */
  ice = [];
  /** @type {Presence} */
  peer = { type: "peer", present: false, offer: false, peer: "" };

  /**
   * @param {string} room @param {string | null} access a token, if the server requires one
   * @param {{ event(event: Event): void, ended(error: SignalingError): void, lost(): void, joined(): void, isConnected(): boolean }} on
   * `isConnected`: whether a connection is up, which needs no signaling: a lost server is tried again for as long as that lasts
   */
  constructor(room, access, on) {
    this.#room = room;
    this.#access = access;
    this.#on = on;
  }

  /** Join, and stay in the room until {@link close} or until the server ends it. */
  async run() {
    let since = performance.now();
    let pause = 0.2;
    while (!this.#over) {
      const error = await this.#converse(() => {
        since = Number.POSITIVE_INFINITY;
        pause = 0.2;
      });
      if (this.#over) return;
      if (since === Number.POSITIVE_INFINITY || this.#on.isConnected()) since = performance.now();
      const tired = performance.now() - since > PATIENCE * 1000;
      if (!PASSING.includes(error.code) || tired) {
        this.#over = true;
        this.#on.ended(error);
        return;
      }
      this.peer = { ...this.peer, present: false };
      this.#on.lost();
      await sleep(pause);
      pause = Math.min(PAUSE_MAX, pause * 1.6);
    }
  }

  /** One socket from its opening to its end. @param {() => void} joined @returns {Promise<SignalingError>} */
  #converse(joined) {
    return new Promise((resolve) => {
      const socket = new WebSocket(new URL("/ws", location.href.replace(/^http/, "ws")));
      let why = new SignalingError("lost", "the signaling server does not answer");
      this.#leave = () => resolve(why);
      this.#socket = socket;
      socket.onopen = () => {
        const access = this.#access ? { access: this.#access } : {};
        socket.send(JSON.stringify({ type: "join", room: this.#room, token: this.#token, ...access }));
      };
      socket.onmessage = ({ data }) => {
        if (socket !== this.#socket) return;
        const message = parse(data);
        if (message?.type === "error") {
          why = new SignalingError(String(message.code), String(message.message));
        } else if (message?.type === "joined") {
          this.ice = Array.isArray(message.ice) ? message.ice.slice(0, 8) : [];
          joined();
          this.#on.joined();
        } else if (message) {
          if (message.type === "peer") this.peer = message;
          this.#on.event(message);
        }
      };
      socket.onclose = () => resolve(why);
    });
  }

  /** Send to the other peer; false while the socket is not open. @param {Record<string, unknown>} message */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** The socket is dead, though it looks open: open another. */
  reopen() {
    this.#socket?.close();
    this.#leave(); // a dead one reports its end minutes later
  }

  /** Say bye and leave. */
  close() {
    this.#over = true;
    this.send({ type: "bye" });
    this.#socket?.close();
  }
}

/** A message with valid fields; null for any other. @param {unknown} data @returns {any} */
function parse(data) {
  if (typeof data !== "string" || data.length > MAX_MESSAGE) return null;
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    return null;
  }
  const text = (/** @type {unknown} */ value) => typeof value === "string";
  switch (message?.type) {
    case "peer":
      return {
        type: "peer",
        present: message.present === true,
        offer: message.offer === true,
        peer: text(message.peer) ? message.peer : "",
      };
    case "offer":
    case "answer":
      return text(message.sdp) ? { type: message.type, sdp: message.sdp } : null;
    case "candidate":
      return text(message.candidate)
        ? {
            type: "candidate",
            candidate: message.candidate,
            id: text(message.id) ? message.id : null,
            label: Number.isInteger(message.label) ? message.label : null,
          }
        : null;
    case "joined":
    case "error":
    case "bye":
    case "ready":
      return message;
    default:
      return null;
  }
}
