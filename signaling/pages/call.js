// The page of one call: pictures and sound over WebRTC from the process on this machine, numbers and commands over /live.

const RETRY_MS = 1500;
const GATHER_MS = 1000;
const TONES = { connected: "good", closed: "bad", failed: "bad", ended: "bad" };

const byId = (id) => document.getElementById(id);
const stage = byId("stage");
const sound = byId("sound");
const soundOn = byId("sound-on");
const buttons = { mute: byId("mute"), camera: byId("camera"), hangup: byId("hangup") };

let muted = false;
let cameraOn = true;
let ended = false;
let live = null;
let viewer = null;

// ---- pictures and sound ----

/** Ask the call's process for its tracks: remote face, preview, sound, in this order. Tries again until it answers. */
async function watch() {
  viewer?.close();
  const pc = (viewer = new RTCPeerConnection());
  const targets = [byId("remote"), byId("preview"), sound];
  const order = ["video", "video", "audio"].map((kind) => pc.addTransceiver(kind, { direction: "recvonly" }));
  order.forEach(({ receiver }, index) => {
    // The call has its own playout clock: what comes here is to be shown at once.
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    targets[index].srcObject = new MediaStream([receiver.track]);
  });
  pc.addEventListener("connectionstatechange", () => {
    if (pc === viewer && ["failed", "closed", "disconnected"].includes(pc.connectionState)) again(pc);
  });
  try {
    await pc.setLocalDescription();
    await gathered(pc);
    const answer = await fetch("/offer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(pc.localDescription),
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    await pc.setRemoteDescription(await answer.json());
    play();
  } catch (error) {
    console.warn("facewire:", error);
    again(pc);
  }
}

function again(pc) {
  setTimeout(() => {
    if (pc === viewer && !ended && pc.connectionState !== "connected") watch();
  }, RETRY_MS);
}

/** The answer has no way to learn of later candidates, so wait for them, but not long. */
function gathered(pc) {
  return new Promise((resolve) => {
    const check = () => pc.iceGatheringState === "complete" && resolve();
    pc.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, GATHER_MS);
    check();
  });
}

/** Sound may not start before the user has touched the page: then offer a button, and take any key or click for it. */
async function play() {
  try {
    await sound.play();
    soundOn.hidden = true;
  } catch (error) {
    if (error.name === "NotAllowedError") soundOn.hidden = false;
  }
}

soundOn.addEventListener("click", play);
addEventListener("pointerdown", () => soundOn.hidden || play());

// ---- numbers and commands ----

function listen() {
  live = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  live.addEventListener("open", () => enable(true));
  live.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "stats") show(message.stats);
    else console.warn("facewire:", message.message);
  });
  live.addEventListener("close", () => {
    enable(false);
    if (ended) return;
    setState("the call's program does not answer", "bad");
    setTimeout(listen, RETRY_MS);
  });
}

function enable(on) {
  for (const button of Object.values(buttons)) button.disabled = !on || ended;
}

function command(name, value) {
  if (live?.readyState === WebSocket.OPEN) live.send(JSON.stringify({ command: name, value }));
}

function hangUp() {
  command("hangup", true);
  end();
}

function end() {
  ended = true;
  enable(false);
  viewer?.close();
  setState("call ended", "bad");
  byId("waiting").textContent = "The call has ended. You can close this window.";
  stage.dataset.remote = "no";
  soundOn.hidden = true;
  byId("preview").srcObject = null;
  document.querySelector(".preview").hidden = true;
}

// ---- what is shown ----

const FORMAT = {
  bpp_video: (value) => value.toFixed(5),
  wire_kbps_out: (value) => value.toFixed(1),
  wire_kbps_in: (value) => value.toFixed(1),
  fps: (value) => value.toFixed(1),
  delay_ms: (value) => value.toFixed(0),
  loss: (value) => (100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0),
  consistency_db: (value) => value.toFixed(1),
};

function show(stats) {
  if (ended) return;
  if (stats.state === "ended") return end();
  for (const cell of document.querySelectorAll("[data-stat]")) {
    const value = stats[cell.dataset.stat];
    const known = typeof value === "number";
    const parts = [known ? FORMAT[cell.dataset.stat](value) : "–"];
    if (known && cell.dataset.unit) {
      const unit = document.createElement("span");
      unit.className = "unit";
      unit.textContent = cell.dataset.unit;
      parts.push(unit);
    }
    cell.replaceChildren(...parts);
  }
  const worst = stats.consistency_worst_db;
  byId("trust").value = typeof worst === "number" ? worst : 0;
  const state = typeof stats.state === "string" ? stats.state : "–";
  setState(state, TONES[state] ?? "wait");
  stage.dataset.remote = stats.peer_present === false ? "no" : "yes";
  note(byId("face"), stats.face);
  note(byId("local-face"), stats.local_face);
  setMuted(stats.muted === true);
  setCamera(stats.camera !== false);
}

/** A face that is tracked needs no words. */
function note(element, text) {
  const quiet = typeof text !== "string" || text === "" || text === "tracked";
  element.hidden = quiet;
  if (!quiet && element.textContent !== text) element.textContent = text;
}

function setState(text, tone) {
  const state = byId("state");
  if (state.textContent !== text) state.textContent = text;
  state.dataset.tone = tone;
}

function setMuted(on) {
  muted = on;
  press(buttons.mute, on, on ? "Unmute" : "Mute");
}

function setCamera(on) {
  cameraOn = on;
  press(buttons.camera, !on, on ? "Camera off" : "Camera on");
}

function press(button, on, name) {
  button.dataset.on = String(on); // For the eye; to a screen reader the changing name says it.
  const label = button.querySelector(".name");
  if (label.textContent !== name) label.textContent = name;
}

// ---- controls ----

const actions = {
  mute: () => command("mute", !muted),
  camera: () => command("camera", !cameraOn),
  hangup: hangUp,
};
const KEYS = { m: "mute", c: "camera", h: "hangup", escape: "hangup" };

for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", actions[name]);
addEventListener("keydown", (event) => {
  const name = KEYS[event.key.toLowerCase()];
  if (!name || event.repeat || event.ctrlKey || event.altKey || event.metaKey || buttons[name].disabled) return;
  event.preventDefault();
  actions[name]();
});

listen();
watch();
