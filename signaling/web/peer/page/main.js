// The page that is itself a peer: what it shows, its buttons and keys.

import { Call } from "../call/call.js";
import { refusal } from "../call/media_access.js";
import { Face } from "../codec/bundle.js";
import { canSpeak } from "../media/opus.js";
import { consistency } from "../receiver/consistency.js";
import { drawing } from "../workers/load.js";
import { note, press, steer, TOUCHES } from "./controls.js";
import { insteadOfFace, localNote, remoteNote, showPixels } from "./faces.js";
import { Menus } from "./menus.js";
import { showNumbers } from "./numbers.js";
import { showCode } from "./safety.js";
import { drawCode, showLink } from "./share.js";

const ROOM = /^\/call\/([A-Za-z0-9_-]{1,64})$/;
/** @type {Record<string, [string, string]>} */
const STATES = {
  lobby: ["not in a call", "wait"],
  waiting: ["waiting", "wait"],
  connecting: ["connecting", "wait"],
  connected: ["connected", "good"],
  ended: ["call ended", "bad"],
};
const TITLE = "facewire call";
/** Seconds without anything from the peer after which the page says so. */
const QUIET = 3;
/** Ticks in a row for which a muted user must speak before the page says so, and seconds for which it does. */
const UNHEARD_LEAST = 4;
const UNHEARD_SHOWN = 3;
/** Seconds of waiting after which a chime announces the other person. */
const LONG_WAIT = 5;

/** Milliseconds without a picture from the user's camera, while it is on, after which the page says so. */
const DARK = 2000;
/** Which browsers work: see docs/usage.md. */
const NEWER =
  "It needs iOS 26 on an iPhone or iPad, Chrome or Edge on Android, and the newest Chrome, Edge or Firefox on a computer.";

/** The name that faces.js uses. @param {number} face */
const faceName = (face) => (Object.entries(Face).find(([, value]) => value === face) ?? [""])[0].toLowerCase();

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);
const stage = byId("stage");
const soundOn = byId("sound-on");

/** @type {Call} */
let call;
let smallShown = false;
let [loaded, total, frameMs] = [0, 1, /** @type {number | null} */ (null)];
/** The frame that is shown, in a call. @type {import("../receiver/presenter.js").Shown | null} */
let shown = null;
/** Ticks in a row in which the muted user spoke, and until when the page says so. */
let [unheardTicks, unheardUntil] = [0, 0];
/** Since when the user has been alone. @type {number | null} */
let aloneSince = null;
/** Error messages by subject. @type {Map<string, string>} */
const troubles = new Map();
/** @type {WakeLockSentinel | null} */
let awake = null;
/** Whether nothing arrives from the peer: frames shown meanwhile are not based on anything received. */
let interrupted = false;
/** When the user's camera last gave a picture. */
let seenAt = 0;

/** What this browser lacks, in words; "" if nothing. */
async function lacking() {
  if (!isSecureContext) return "Open this page over https: browsers give no other page camera and microphone.";
  const wanted = {
    WebAssembly: "WebAssembly",
    RTCPeerConnection: "WebRTC",
    OffscreenCanvas: "OffscreenCanvas",
    AudioWorkletNode: "AudioWorklet",
  };
  const missing = Object.entries(wanted).flatMap(([name, words]) => (name in self ? [] : [words]));
  if (!(await canSpeak())) missing.push("WebCodecs for Opus");
  return missing.length ? `This browser lacks ${missing.join(" and ")}. ${NEWER}` : "";
}

/** Whether there is a WebGPU that the processor does not emulate. */
async function hasGpu() {
  const adapter = await /** @type {any} */ (navigator).gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
}

async function begin() {
  const room = ROOM.exec(location.pathname)?.[1];
  if (!room) return tell("page", "This address names no room: a name has 1 to 64 letters, digits, - and _.");
  showLink(location.href);
  const answer = await fetch("/peer/files.json");
  const files = await answer.json();
  if (answer.ok) drawCode(location.href, files.runtime).catch((error) => console.info("facewire: no QR code:", error));
  const missing = await lacking();
  if (missing) {
    byId("join").disabled = true;
    return tell("page", missing);
  }
  if (!answer.ok) return tell("page", files.error.message);
  const gpu = await hasGpu();
  const needed = [...drawing(gpu), "blazeface.onnx", "face_landmark.onnx"];
  total = needed.reduce((sum, name) => sum + files.files[name].bytes, 0);
  call = new Call(
    files,
    { gpu, cores: navigator.hardwareConcurrency || 2, shared: self.crossOriginIsolated },
    {
      state: showState,
      view: showView,
      level: (peak, unheard) => {
        byId("level").value = Math.sqrt(peak); // so that quiet speech is visible, too
        unheardTicks = unheard ? unheardTicks + 1 : 0;
        if (unheardTicks >= UNHEARD_LEAST) unheardUntil = performance.now() + UNHEARD_SHOWN * 1000;
      },
      shown: showFrame,
      small: showSmall,
      safety: (words) => showCode(words.join(" ")),
      hidden: () => {
        shown = null;
        byId("remote").getContext("2d").clearRect(0, 0, 256, 256);
      },
      loading: (bytes) => {
        loaded += bytes;
        showLoading();
      },
      ready: (ms) => {
        frameMs = ms;
        showLoading();
      },
      devices: devicesChanged,
      sound: showTouch,
      trouble: tell,
    },
  );
  call.visible(!document.hidden);
  menus = new Menus(call.speaker);
  menus.use(call.capture, ["video", "audio"]);
  byId("join").disabled = false;
  showLoading();
  setInterval(everySecond, 1000);
  await call.capture.open();
}

/** @type {Menus | null} */
let menus = null;

// ---- what is shown ----

/** @param {string} about @param {string} text "" once it is resolved */
function tell(about, text) {
  if (text) troubles.set(about, text);
  else troubles.delete(about);
  note("trouble", [...troubles.values()].join(" "));
}

/** @param {import("../call/call.js").State} state @param {string} told */
function showState(state, told) {
  const [words, tone] = STATES[state];
  byId("state").textContent = words;
  byId("state").dataset.tone = tone;
  document.body.dataset.phase = state === "lobby" || state === "ended" ? state : "call";
  document.body.dataset.seen = "no";
  document.body.dataset.alone = state === "waiting" ? "yes" : "no";
  document.title = state === "connected" ? `${TITLE}: connected` : TITLE;
  if (state !== "connected") {
    note("face", "");
    showNumbers({});
    interrupted = false;
    shown = null;
  }
  if (state === "waiting") aloneSince ??= performance.now();
  if (state === "connected") {
    if (aloneSince !== null && (document.hidden || performance.now() - aloneSince > LONG_WAIT * 1000)) call.speaker.chime();
    aloneSince = null;
  }
  if (state === "waiting") setRemote("Waiting for the other person");
  else if (state === "connecting") setRemote("Connecting");
  else if (state === "connected") setRemote("Connected: waiting for the picture");
  else if (state === "ended") end(told);
  tell("signaling", state === "waiting" || state === "connecting" ? told : "");
  byId("own-caption").textContent = "your picture";
}

/** @param {string} told */
function end(told) {
  setRemote(`${told} You can close this window, or call again.`);
  byId("again").hidden = false;
  byId("panel").hidden = true;
  byId("devices").setAttribute("aria-expanded", "false");
  if (focusLost()) byId("again").focus();
  awake?.release();
  awake = null;
}

/** Whether the focused element is no longer shown: a screen reader would begin at the top. */
function focusLost() {
  const element = /** @type {HTMLElement | null} */ (document.activeElement);
  return !element || element === document.body || !element.offsetParent;
}

/** Offer a button if the browser waits for a touch before it plays sound or listens. In the lobby there is nothing to hear. */
function showTouch() {
  soundOn.hidden = !call || call.state === "lobby" || call.state === "ended" || !(call.speaker.asleep || call.capture.asleep);
}

/** Show a text in place of the face; "" shows the face. @param {string} text */
function setRemote(text) {
  stage.dataset.remote = text ? "no" : "yes";
  if (text && byId("waiting").textContent !== text) byId("waiting").textContent = text;
}

/**
 * @param {{ width: number, data: Uint8ClampedArray<ArrayBuffer> } | null} crop
 * @param {number} face
 * @param {number} enlarged
 */
function showView(crop, face, enlarged) {
  const context = byId("preview").getContext("2d", { alpha: false });
  if (crop) context.putImageData(new ImageData(crop.data, crop.width), 0, 0);
  else context.clearRect(0, 0, 256, 256);
  const wanted = !call.cameraOff && !call.away && Boolean(call.capture.current("video"));
  if (crop || !wanted) seenAt = performance.now();
  const dark = performance.now() - seenAt > DARK;
  const unheard = call.muted && performance.now() < unheardUntil;
  note(
    "local-face",
    unheard ? "you are muted" : crop ? localNote(faceName(face), enlarged) : dark ? "your camera gives no picture" : "",
  );
}

/** Show the 8×8 pixels in place of the face until it can be rendered. @param {Uint8ClampedArray} small */
function showSmall(small) {
  if (call.state !== "connected") return;
  if (!interrupted) setRemote("");
  stage.dataset.rough = "yes";
  showPixels(small);
}

/** @param {import("../receiver/presenter.js").Shown} frame */
function showFrame(frame) {
  byId("remote").getContext("2d", { alpha: false }).putImageData(new ImageData(frame.rgba, 256), 0, 0);
  if (call.state === "lobby") {
    document.body.dataset.seen = "yes";
    byId("own-caption").textContent = "your camera";
    setRemote("");
    return;
  }
  if (call.state !== "connected") return;
  if (!interrupted) setRemote("");
  stage.dataset.rough = "no";
  shown = frame;
  if (smallShown) showPixels(frame.small);
}

function showLoading() {
  const over = frameMs !== null;
  byId("loading").hidden = over;
  byId("progress").value = loaded / total;
  const mb = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(1);
  const text = loaded < total ? `Loading the networks: ${mb(loaded)} of ${mb(total)} MB, once` : "Starting the networks";
  byId("loading-text").textContent = text;
}

function devicesChanged() {
  for (const kind of /** @type {const} */ (["video", "audio"])) {
    tell(kind, refusal(kind, call.capture.troubles[kind]));
  }
  menus?.refresh();
  showTouch();
}

function everySecond() {
  const numbers = call.numbers();
  if (call.state === "connected") {
    const face = faceName(Number(numbers.face));
    const frames = insteadOfFace(face) ? { fps: null, drawn: null } : {}; // none are wanted
    showNumbers({ ...numbers, ...frames, draw: frameMs, consistency: shown && consistency(shown.rgba, shown.small) });
    byId("readout").title = `${numbers.concealed} of ${numbers.ticks} ticks of sound concealed`;
    interrupted = numbers.quiet > QUIET;
    if (interrupted) setRemote("Nothing arrives from the other person: the connection is interrupted.");
    else if (insteadOfFace(face)) setRemote(insteadOfFace(face));
    note("face", remoteNote(face, Boolean(numbers.muted)));
  }
}

// ---- controls ----

/** @param {MouseEvent} event */
async function join(event) {
  byId("join").disabled = true;
  const room = /** @type {RegExpExecArray} */ (ROOM.exec(location.pathname))[1];
  // A token is the URL's fragment (after #), which browsers do not send to servers.
  try {
    await call.join(room, location.hash.slice(1) || null);
    call.capture.play();
    showTouch();
    // Only for keyboard users: after a click, a space or Enter meant for something else would mute.
    if (event.detail === 0 && focusLost()) byId("mute").focus();
    keepAwake();
  } catch (error) {
    tell("join", `The call could not be joined: ${/** @type {Error} */ (error).message}.`);
    byId("join").disabled = false;
  }
}

const isOver = () => call.state === "ended";

/** Keep the screen on: a phone that sleeps ends the call. */
async function keepAwake() {
  if (call.state === "ended" || call.state === "lobby" || document.hidden) return;
  const lock = await navigator.wakeLock?.request("screen").catch(() => null);
  if (isOver()) lock?.release();
  else awake = lock ?? null;
}

/** @type {Record<string, () => void>} */
const actions = {
  mute: () => {
    call.turn("muted", !call.muted);
    press("mute", call.muted, call.muted ? "Unmute" : "Mute");
    if (!call.muted) call.capture.retry("audio");
  },
  camera: () => {
    call.turn("cameraOff", !call.cameraOff);
    press("camera", call.cameraOff, call.cameraOff ? "Camera on" : "Camera off");
  },
  away: () => {
    call.turn("away", !call.away);
    press("away", call.away, call.away ? "I'm back" : "Away");
  },
  small: () => {
    smallShown = !smallShown;
    stage.dataset.small = smallShown ? "yes" : "no";
    press("small", smallShown, smallShown ? "Face" : "8×8");
  },
  hangup: () => call.hangUp(),
};
steer(Object.fromEntries(Object.entries(actions).map(([id, action]) => [id, () => call && action()])), async () =>
  menus?.refresh(),
);
byId("join").addEventListener("click", join);
byId("again").addEventListener("click", () => location.reload());
for (const touch of TOUCHES) {
  addEventListener(touch, () => {
    call?.speaker.play();
    call?.capture.play();
  });
}
document.addEventListener("visibilitychange", () => {
  call?.visible(!document.hidden);
  if (call) keepAwake();
});
addEventListener("pagehide", () => call && call.state !== "lobby" && call.hangUp());

begin().catch((error) => tell("page", `The page could not be started: ${error.message}`));
