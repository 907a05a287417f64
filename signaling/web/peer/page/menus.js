// The menus of cameras, microphones and loudspeakers, of both pages.

import { NAMES } from "../call/media_access.js";

/** @typedef {import("../call/media_access.js").Kind} Kind */
/**
 * The owner of camera and microphone. `troubles`: what is wrong with each, in words; `current`: the device in use, or "".
 * @typedef {{ troubles: Partial<Record<Kind, string>>, current(kind: Kind): string, choose(kind: Kind, id: string): void }} Capture
 */
/**
 * The player of the sound. `sink`: the device in use; "" is the browser's choice.
 * @typedef {{ readonly canChoose: boolean, readonly sink: string, choose(id: string): Promise<void> }} Player
 */

const DEVICES = { video: "videoinput", audio: "audioinput", speakers: "audiooutput" };
const CAPTURED = /** @type {Kind[]} */ (["video", "audio"]);

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

export class Menus {
  #player;
  /** @type {Capture | null} */
  #capture = null;

  /** @param {Player} player */
  constructor(player) {
    this.#player = player;
    for (const kind of CAPTURED) {
      byId(`menu-${kind}`).addEventListener("change", (/** @type {any} */ { target }) =>
        this.#capture?.choose(kind, target.value),
      );
    }
    byId("menu-speakers").addEventListener("change", (/** @type {any} */ { target }) => this.#play(target.value));
    navigator.mediaDevices?.addEventListener("devicechange", () => this.refresh());
  }

  /** @param {Capture | null} capture null if the call takes neither from this page @param {Kind[]} kinds that it takes */
  async use(capture, kinds) {
    this.#capture = capture;
    for (const kind of CAPTURED) byId(`menu-${kind}`).closest("label").hidden = !kinds.includes(kind);
    byId("native").hidden = kinds.length > 0;
    await this.refresh();
  }

  /** List the devices that are present, and what is wrong with those in use. */
  async refresh() {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    for (const kind of CAPTURED) {
      list(kind, all, this.#capture?.current(kind) ?? "");
      const trouble = this.#capture?.troubles[kind] ?? "";
      byId(`note-${kind}`).textContent = trouble;
      byId(`note-${kind}`).hidden = !trouble;
    }
    const { sink } = this.#player;
    if (!list("speakers", all, sink) && sink) this.#play(""); // unplugged: use any other
    byId("menu-speakers").closest("label").hidden = !this.#player.canChoose;
  }

  /** @param {string} id */
  async #play(id) {
    try {
      await this.#player.choose(id);
    } catch (error) {
      console.warn("facewire:", error);
      await this.#player.choose("").catch(() => {});
      await this.refresh();
    }
  }
}

/**
 * Fill a menu; returns whether the device in use is present.
 * @param {keyof typeof DEVICES} kind
 * @param {MediaDeviceInfo[]} all
 * @param {string} current
 */
function list(kind, all, current) {
  const found = all.filter(({ kind: its, deviceId }) => its === DEVICES[kind] && deviceId);
  const name = kind === "speakers" ? kind : NAMES[kind];
  const entries = found.map(({ label, deviceId }, i) => new Option(label || `${name} ${i + 1}`, deviceId));
  const menu = byId(`menu-${kind}`);
  menu.replaceChildren(new Option("the browser's choice", ""), ...entries);
  const there = found.some(({ deviceId }) => deviceId === current);
  menu.value = there ? current : "";
  return there;
}
