// The buttons under the picture and their keys (controls.html), of both pages.

/** @type {Record<string, string>} */
const KEYS = { m: "mute", c: "camera", a: "away", r: "small", d: "devices", h: "hangup" };

/**
 * What a screen reader says when a button is switched off and on, wherever the focus is.
 * @type {Record<string, [string, string]>}
 */
const SAID = {
  mute: ["Microphone on", "Microphone off"],
  camera: ["Camera on", "Camera off"],
  away: ["You are back", "You are away"],
  small: ["The face is shown", "The 8×8 pixels are shown"],
};

/** Where the browser keeps whether the keys are on. */
const SHORTCUTS = "facewire.shortcuts";

/** What counts as touching the page, so that it may play sound; a screen reader may send only the click. */
export const TOUCHES = ["pointerdown", "click", "keydown"];

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/**
 * Connect the buttons, and their keys while nobody is typing, to actions. A button that is disabled or hidden does nothing.
 * @param {Record<string, () => void>} actions by the button's id; "devices" is handled here
 * @param {() => Promise<void>} refresh updates the device menus
 */
export function steer(actions, refresh) {
  const panel = byId("panel");
  const all = { ...actions, devices: () => togglePanel(panel, refresh) };
  for (const [id, action] of Object.entries(all)) byId(id).addEventListener("click", action);
  const shortcuts = shortcutSwitch();
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) return all.devices();
    const id = KEYS[event.key.toLowerCase()];
    const writing = event.target instanceof Element && event.target.closest("input:not([type=checkbox]), select, textarea");
    if (!id || !shortcuts.checked || writing || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (byId(id).disabled || !byId(id).offsetParent) return;
    event.preventDefault();
    all[/** @type {keyof typeof all} */ (id)]();
  });
}

/**
 * The checkbox that turns the keys off: speech input types letters that nobody meant (WCAG 2.1, criterion 2.1.4).
 * @returns {HTMLInputElement}
 */
function shortcutSwitch() {
  const box = byId("shortcuts");
  try {
    box.checked = localStorage.getItem(SHORTCUTS) !== "off";
  } catch {} // storage is blocked: the choice lasts as long as the page
  const apply = () => {
    document.body.dataset.shortcuts = box.checked ? "on" : "off";
    for (const [key, id] of Object.entries(KEYS)) {
      if (box.checked) byId(id).setAttribute("aria-keyshortcuts", key);
      else byId(id).removeAttribute("aria-keyshortcuts");
    }
  };
  box.addEventListener("change", () => {
    apply();
    try {
      localStorage.setItem(SHORTCUTS, box.checked ? "on" : "off");
    } catch {} // as above
  });
  apply();
  return box;
}

/** @param {HTMLElement} panel @param {() => Promise<void>} refresh */
function togglePanel(panel, refresh) {
  if (panel.contains(document.activeElement)) byId("devices").focus();
  panel.hidden = !panel.hidden;
  byId("devices").setAttribute("aria-expanded", String(!panel.hidden));
  if (!panel.hidden) refresh().then(() => panel.querySelector("select")?.focus());
}

/** Show a button as pressed or not, with this name. @param {string} id @param {boolean} on @param {string} name */
export function press(id, on, name) {
  const button = byId(id);
  const before = button.dataset.on ?? "false";
  button.dataset.on = String(on);
  if (before !== String(on)) byId("said").textContent = SAID[id][Number(on)];
  const label = button.querySelector(".name");
  if (label.textContent !== name) label.textContent = name;
}

/** Show a text in an element; without a text hide the element. @param {string} id @param {string} text */
export function note(id, text) {
  const element = byId(id);
  element.hidden = !text;
  if (text && element.textContent !== text) element.textContent = text;
}
