// The buttons under the picture and their keys (controls.html), of both pages.

/** @type {Record<string, string>} */
const KEYS = { m: "mute", c: "camera", a: "away", r: "small", d: "devices", h: "hangup" };

/** What a screen reader says once a button's state has changed, whatever has the focus: off, on. @type {Record<string, [string, string]>} */
const SAID = {
  mute: ["Microphone on", "Microphone off"],
  camera: ["Camera on", "Camera off"],
  away: ["You are back", "You are away"],
  small: ["The face is shown", "The 8×8 pixels are shown"],
};

/** What counts as touching the page, so that it may play sound: of a screen reader it may be the click alone. */
export const TOUCHES = ["pointerdown", "click", "keydown"];

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/**
 * Let the buttons, and their keys where nobody is writing, do something. What is disabled or not shown does nothing.
 * @param {Record<string, () => void>} actions by the button's id; "devices" is done here
 * @param {() => Promise<void>} refresh brings the devices' menus up to date
 */
export function steer(actions, refresh) {
  const panel = byId("panel");
  const all = { ...actions, devices: () => togglePanel(panel, refresh) };
  for (const [id, action] of Object.entries(all)) byId(id).addEventListener("click", action);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) return all.devices();
    const id = KEYS[event.key.toLowerCase()];
    const writing = event.target instanceof Element && event.target.closest("input, select, textarea");
    if (!id || writing || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (byId(id).disabled || !byId(id).offsetParent) return;
    event.preventDefault();
    all[/** @type {keyof typeof all} */ (id)]();
  });
}

/** @param {HTMLElement} panel @param {() => Promise<void>} refresh */
function togglePanel(panel, refresh) {
  if (panel.contains(document.activeElement)) byId("devices").focus();
  panel.hidden = !panel.hidden;
  byId("devices").setAttribute("aria-expanded", String(!panel.hidden));
  if (!panel.hidden) refresh().then(() => panel.querySelector("select")?.focus());
}

/** Show a button as pressed or not, and under which name. @param {string} id @param {boolean} on @param {string} name */
export function press(id, on, name) {
  const button = byId(id);
  const before = button.dataset.on ?? "false";
  button.dataset.on = String(on);
  if (before !== String(on)) byId("said").textContent = SAID[id][Number(on)];
  const label = button.querySelector(".name");
  if (label.textContent !== name) label.textContent = name;
}

/** Say something, or nothing. @param {string} id @param {string} text */
export function note(id, text) {
  const element = byId(id);
  element.hidden = !text;
  if (text && element.textContent !== text) element.textContent = text;
}
