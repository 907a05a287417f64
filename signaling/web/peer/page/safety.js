// The safety code, and that a renewed connection has changed it, on both pages.

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** Show the words, or nothing while they are not known. @param {string} words */
export function showCode(words) {
  byId("safety").hidden = !words;
  const before = byId("code").textContent;
  if (!words || words === before) return;
  byId("renewed").hidden = !before; // a user who compared the words has to do it again
  byId("code").textContent = words;
}

/** The call is over: the next one's code does not count as renewed. */
export function forgetCode() {
  byId("safety").hidden = true;
  byId("code").textContent = "";
  byId("renewed").hidden = true;
}
