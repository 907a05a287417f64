// By what the signaling server knows a window in a room. Whoever loads the page again after the network was away has the same place
// again: the server still keeps it for the socket that it believes to be open. A second window has another.

const TOKEN_BYTES = 24;

/** @param {string} room */
const nameOf = (room) => `place in ${room}`;

/** A token for this window, from {@link keep} or new. @param {string} room */
export function take(room) {
  const kept = stored((storage) => storage.getItem(nameOf(room)));
  stored((storage) => storage.removeItem(nameOf(room))); // a copy of this window must not find it
  return kept ?? made();
}

/** The page is left: it may be loaded again. @param {string} room @param {string} token */
export function keep(room, token) {
  stored((storage) => storage.setItem(nameOf(room), token));
}

/** @template T @param {(storage: Storage) => T} use @returns {T | null} */
function stored(use) {
  try {
    return use(sessionStorage);
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

function made() {
  const data = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
  return btoa(String.fromCharCode(...data))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
