// The landing page: a room name, the command for it, and who is in the room.

const WORDS = (
  "amber anchor aspen basil beacon birch bramble breeze canyon cedar cinder clover cobalt comet coral crane delta ember " +
  "falcon fern fjord garnet glacier harbor hazel heron indigo ivory jasper juniper kestrel lagoon lantern larch linen lotus " +
  "maple marble meadow nectar oasis olive onyx opal orchid otter pebble pepper pine plum quartz quill raven reed saffron " +
  "sage sparrow summit thistle tundra velvet willow"
).split(" ");
const ROOM = /^[A-Za-z0-9_-]{1,64}$/;
const PEOPLE = ["Nobody is here yet.", "One person is here and waits.", "Two people are here: the room is full."];

const room = document.getElementById("room");
const command = document.getElementById("command");
const copy = document.getElementById("copy");
const status = document.getElementById("status");

/** Three words and a number: about 38 bits, too many to guess over the network. */
function roomName() {
  const numbers = crypto.getRandomValues(new Uint32Array(4));
  const words = [...numbers.slice(0, 3)].map((number) => WORDS[number % WORDS.length]);
  return [...words, 1000 + (numbers[3] % 1_000_000)].join("-");
}

function show(name) {
  const valid = ROOM.test(name);
  const words = valid ? ["facewire", "call", name, "--server", location.origin] : ["Enter a room name above"];
  command.replaceChildren(...words.flatMap((word) => [" ", span(word)]).slice(1));
  copy.disabled = !valid;
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
    const { peers } = await answer.json();
    if (name === room.value) tell(PEOPLE[peers] ?? "", String(peers));
  } catch {
    tell("The server does not answer.", "");
  }
}

function tell(text, peers) {
  // Writing the same text again would make a screen reader say it again.
  if (status.textContent !== text) status.textContent = text;
  status.dataset.peers = peers;
}

copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(command.textContent);
    copy.textContent = "Copied";
  } catch {
    // Without https there is no clipboard: select the text, so that Ctrl+C takes it.
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
