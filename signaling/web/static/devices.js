// The menus of cameras, microphones and loudspeakers.

import { NAMES } from "./wishes.js";

const KINDS = { video: "videoinput", audio: "audioinput", speakers: "audiooutput" };

export class Devices {
  #menus;
  #notes;
  #sound;
  #capture = null;

  /** `sound`: who plays. */
  constructor(sound) {
    this.#sound = sound;
    const byKind = (prefix) => Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, document.getElementById(prefix + kind)]));
    this.#menus = byKind("menu-");
    this.#notes = byKind("note-");
    for (const kind of ["video", "audio"]) {
      this.#menus[kind].addEventListener("change", ({ target }) => this.#capture?.choose(kind, target.value));
    }
    this.#menus.speakers.addEventListener("change", ({ target }) => this.#play(target.value));
    navigator.mediaDevices?.addEventListener("devicechange", () => this.refresh());
  }

  /** `capture` is null where the call takes neither from here; `kinds` are those that it takes. */
  async use(capture, kinds) {
    this.#capture = capture;
    for (const kind of ["video", "audio"]) this.#menus[kind].closest("label").hidden = !kinds.includes(kind);
    document.getElementById("native").hidden = kinds.length > 0;
    this.refresh();
  }

  async #play(id) {
    try {
      await this.#sound.choose(id);
    } catch (error) {
      console.warn("facewire:", error);
      await this.#sound.choose("");
      this.refresh();
    }
  }

  async refresh() {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    for (const [kind, menu] of Object.entries(this.#menus)) {
      const found = all.filter((device) => device.kind === KINDS[kind] && device.deviceId);
      const current = kind === "speakers" ? this.#sound.sink : (this.#capture?.current(kind) ?? "");
      const entries = found.map((device, index) => new Option(device.label || `${NAMES[kind] ?? kind} ${index + 1}`, device.deviceId));
      menu.replaceChildren(new Option("the browser's choice", ""), ...entries);
      menu.value = found.some((device) => device.deviceId === current) ? current : "";
      if (kind === "speakers" && current && !menu.value) this.#play(""); // unplugged: any other
      const trouble = this.#capture?.troubles[kind] ?? "";
      this.#notes[kind].textContent = trouble;
      this.#notes[kind].hidden = !trouble;
    }
    this.#menus.speakers.closest("label").hidden = !this.#sound.canChoose;
  }
}
