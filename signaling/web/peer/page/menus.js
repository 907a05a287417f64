// The menus of cameras, microphones and loudspeakers.

import { NAMES } from "../call/wishes.js";

const KINDS = { video: "videoinput", audio: "audioinput", speakers: "audiooutput" };

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

export class Menus {
  #call;
  #speakers = "";

  /** @param {import("../call/call.js").Call} call */
  constructor(call) {
    this.#call = call;
    for (const kind of /** @type {const} */ (["video", "audio"])) {
      byId(`menu-${kind}`).addEventListener("change", (/** @type {any} */ { target }) =>
        call.capture.choose(kind, target.value),
      );
    }
    byId("menu-speakers").addEventListener("change", async (/** @type {any} */ { target }) => {
      this.#speakers = target.value;
      await call.speaker.choose(target.value).catch((error) => console.warn("facewire:", error));
    });
  }

  async refresh() {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    for (const [kind, device] of Object.entries(KINDS)) {
      const found = all.filter(({ kind: its, deviceId }) => its === device && deviceId);
      const known = kind === "speakers" ? this.#speakers : this.#call.capture.current(/** @type {"video" | "audio"} */ (kind));
      const name = NAMES[/** @type {"video" | "audio"} */ (kind)] ?? kind;
      const entries = found.map(({ label, deviceId }, i) => new Option(label || `${name} ${i + 1}`, deviceId));
      const menu = byId(`menu-${kind}`);
      menu.replaceChildren(new Option("the browser's choice", ""), ...entries);
      menu.value = found.some(({ deviceId }) => deviceId === known) ? known : "";
    }
    for (const kind of /** @type {const} */ (["video", "audio"])) {
      const trouble = this.#call.capture.troubles[kind] ?? "";
      byId(`note-${kind}`).textContent = trouble;
      byId(`note-${kind}`).hidden = !trouble;
    }
    byId("menu-speakers").closest("label").hidden = !this.#call.speaker.canChoose;
  }
}
