// The page of one call: shows what its process reports over /live, and connects the buttons, keys and other modules.

import { refusal } from "./call/media_access.js";
import { Capture } from "./capture.js";
import { Lobby } from "./lobby.js";
import { note, press, steer, TOUCHES } from "./page/controls.js";
import { insteadOfFace, localNote, remoteNote, showPixels } from "./page/faces.js";
import { Menus } from "./page/menus.js";
import { forgetCode, showCode } from "./page/safety.js";
import { showNumbers } from "./readout.js";
import { Sound } from "./sound.js";
import { Viewer } from "./viewer.js";

const RETRY_MS = 1500;
const SOON_MS = 250;
const DELAYS_MS = 1000;
const TONES = { connected: "good", closed: "bad", failed: "bad", ended: "bad" };

const byId = (id) => document.getElementById(id);
const stage = byId("stage");
const soundOn = byId("sound-on");
const steering = ["mute", "camera", "away", "hangup"];

const viewer = new Viewer([byId("remote"), byId("preview")]);
const sound = new Sound(byId("sound"), (yes) => (soundOn.hidden = !yes));
const menus = new Menus(sound);
const lobby = new Lobby(() => setState("joining", "wait"));

let live = null;
let capture = null;
let phase = "starting"; // lobby, call, ended
let now = { muted: false, camera: true, away: false };
/** Switches requested of the process that it has not reported yet, so that a button pressed twice takes effect twice. */
let wished = {};
let smallShown = false;
let browser = { picture: null, sound: null };

for (const touch of TOUCHES) addEventListener(touch, () => sound.play());

// ---- numbers and commands ----

function listen() {
  live = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  live.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "stats") show(message.stats);
    else if (message.type === "small") showPixels(message.rgb);
    else {
      console.warn("facewire:", message.message);
      wished = {}; // the request was refused
    }
  });
  live.addEventListener("open", () => smallShown && command("small", true));
  live.addEventListener("close", () => {
    if (phase === "ended") phase = "over"; // whatever arrives now belongs to another call
    wished = {};
    enable(false);
    if (phase === "call") setState("the call's program does not answer", "bad");
    setTimeout(listen, phase === "lobby" ? SOON_MS : RETRY_MS);
  });
}

function command(name, value) {
  if (live?.readyState === WebSocket.OPEN) live.send(JSON.stringify({ command: name, value }));
}

function enable(on) {
  for (const name of steering) byId(name).disabled = !on;
}

// ---- what is shown ----

function show(stats) {
  if (stats.state === "lobby") return enterLobby(stats);
  if (stats.state === "joining" && phase !== "call") return enterJoining();
  if (stats.state === "ended") return end();
  if (phase === "ended" && stats.state !== "starting") return;
  enterCall(stats);
  enable(stats.state !== "starting"); // before that the process ignores the buttons
  showNumbers(insteadOfFace(stats.face) ? { ...stats, fps: null, drawn_fps: null } : stats, browser);
  const state = typeof stats.state === "string" ? stats.state : "–";
  setState(state, TONES[state] ?? "wait");
  const present = stats.peer_present === true;
  showCode(stats.safety_code ?? "");
  const hidden = present ? insteadOfFace(stats.face) : "Waiting for the other person";
  stage.dataset.remote = hidden ? "no" : "yes";
  if (hidden && byId("waiting").textContent !== hidden) byId("waiting").textContent = hidden;
  note("face", present ? remoteNote(stats.face, stats.remote_muted === true) : "");
  note("local-face", localNote(stats.local_face, Number(stats.local_enlarged) || 1));
  const told = { muted: stats.muted === true, camera: stats.camera !== false, away: stats.away === true };
  wished = Object.fromEntries(Object.entries(wished).filter(([name, value]) => told[name] !== value));
  showSwitches({ ...told, ...wished });
}

function showSwitches(switches) {
  now = switches;
  press("mute", now.muted, now.muted ? "Unmute" : "Mute");
  press("camera", !now.camera, now.camera ? "Camera off" : "Camera on");
  press("away", now.away, now.away ? "I'm back" : "Away");
  capture?.turn("video", now.camera && !now.away);
}

/** Flip a switch on the page at once; the process follows. */
function turn(name, called = name) {
  wished[name] = !now[name];
  command(called, wished[name]);
  showSwitches({ ...now, ...wished });
}

function enterLobby(stats) {
  leaveCall();
  setPhase("lobby");
  enable(false);
  setState("not in a call", "wait");
  byId("waiting").textContent = "";
  lobby.show(stats);
}

function enterJoining() {
  lobby.hide();
  setState("joining", "wait");
}

function enterCall(stats) {
  if (phase === "call") return;
  setPhase("call");
  lobby.hide();
  document.querySelector(".preview").hidden = false;
  const kinds = [stats.page_camera && "video", stats.page_microphone && "audio"].filter(Boolean);
  if (kinds.length) capture = new Capture(kinds, captureChanged);
  menus.use(capture, kinds);
  viewer.start();
  sound.start();
}

function leaveCall() {
  capture?.stop();
  capture = null;
  viewer.stop();
  sound.stop();
  stage.dataset.remote = "no";
  soundOn.hidden = true;
  document.querySelector(".preview").hidden = true;
  note("trouble", "");
  note("face", "");
  forgetCode();
}

function end() {
  if (phase === "ended") return;
  leaveCall();
  setPhase("ended");
  enable(false);
  setState("call ended", "bad");
  byId("waiting").textContent = "The call has ended. You can close this window.";
}

function captureChanged(troubles) {
  note("trouble", Object.entries(troubles).map(([kind, why]) => refusal(kind, why)).join(" "));
  menus.refresh();
}

function setPhase(name) {
  phase = name;
  document.body.dataset.phase = name;
}

function setState(text, tone) {
  const state = byId("state");
  if (state.textContent !== text) state.textContent = text;
  state.dataset.tone = tone;
}

// ---- controls ----

const actions = {
  mute: () => turn("muted", "mute"),
  camera: () => turn("camera"),
  away: () => turn("away"),
  small: () => {
    smallShown = !smallShown;
    stage.dataset.small = smallShown ? "yes" : "no";
    press("small", smallShown, smallShown ? "Face" : "8×8");
    command("small", smallShown);
  },
  hangup: () => {
    command("hangup", true);
    end();
  },
};

steer(actions, () => menus.refresh());
setInterval(async () => (browser = { sound: sound.delay, picture: await viewer.delay(sound.delay) }), DELAYS_MS);

enable(false);
listen();
