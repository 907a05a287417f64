// The landing page: a room name, the command for it, and who is in the room.

import { ROOM, roomName } from "./names.js";

const PEOPLE = ["Nobody is here yet.", "One person is here, waiting.", "Two people are here: the room is full."];

const room = document.getElementById("room");
const command = document.getElementById("command");
const copy = document.getElementById("copy");
const here = document.getElementById("here");
const there = document.getElementById("there");
const status = document.getElementById("status");

function show(name) {
  const valid = ROOM.test(name);
  const words = valid ? ["facewire", "call", name, "--server", location.origin] : ["Enter a room name above"];
  command.replaceChildren(...words.flatMap((word) => [" ", span(word)]).slice(1));
  copy.disabled = !valid;
  here.href = valid ? `/call/${name}` : "";
  here.hidden = !valid;
  // facewire's own page on this computer, where it waits for a room.
  there.href = valid ? `http://localhost:8791/?${new URLSearchParams({ room: name, server: location.origin })}` : "";
  there.hidden = !valid;
  if (valid) history.replaceState(null, "", `?room=${name}`);
  refresh();
}

function span(text) {
  const element = document.createElement("span");
  element.textContent = text;
  return element;
}

async function refresh() {
  const name = room.value;
  if (!ROOM.test(name)) {
    tell("", "");
    return;
  }
  try {
    const answer = await fetch(`/rooms/${name}`);
    document.getElementById("token").hidden = answer.status !== 403;
    if (!answer.ok) return tell("", "");
    const { peers } = await answer.json();
    if (name === room.value) tell(PEOPLE[peers] ?? "", String(peers));
  } catch {
    tell("The server does not answer.", "");
  }
}

function tell(text, peers) {
  // Writing the same text again would make a screen reader repeat it.
  if (status.textContent !== text) status.textContent = text;
  status.dataset.peers = peers;
}

copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(command.textContent);
    copy.textContent = "Copied";
  } catch {
    // Without https there is no clipboard: select the text, so that Ctrl+C copies it.
    getSelection().selectAllChildren(command);
    copy.textContent = "Press Ctrl+C";
  }
  setTimeout(() => (copy.textContent = "Copy"), 2000);
});
document.getElementById("another").addEventListener("click", () => show((room.value = roomName())));
room.addEventListener("input", () => show(room.value));

const asked = new URLSearchParams(location.search).get("room") ?? "";
room.value = ROOM.test(asked) ? asked : roomName();
show(room.value);
setInterval(() => document.hidden || refresh(), 3000);
