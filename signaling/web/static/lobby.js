// Before a call: which room, and through which server.

import { ROOM, roomName } from "./names.js";

export class Lobby {
  #form = document.getElementById("lobby");
  #room = document.getElementById("room");
  #server = document.getElementById("server");
  #token = document.getElementById("token");
  #told = document.getElementById("told");
  #join = document.getElementById("join");
  #shown = false;

  /** `joined()` is called once the process has accepted the request. */
  constructor(joined) {
    const asked = new URLSearchParams(location.search);
    this.#room.value = ROOM.test(asked.get("room") ?? "") ? asked.get("room") : roomName();
    this.#server.value = asked.get("server") ?? "";
    this.#token.value = asked.get("token") ?? "";
    if (asked.has("token")) {
      asked.delete("token"); // it must not stay in the history
      history.replaceState(null, "", `?${asked}`);
    }
    document.getElementById("another").addEventListener("click", () => (this.#room.value = roomName()));
    this.#form.addEventListener("submit", async (event) => {
      event.preventDefault();
      this.#join.disabled = true;
      try {
        await this.#ask();
        this.hide();
        joined();
      } catch (error) {
        this.#tell(error.message);
      } finally {
        this.#join.disabled = false;
      }
    });
  }

  /** `server` is proposed; `told`: how the previous call ended. */
  show({ server, told }) {
    if (this.#shown) return;
    this.#shown = true;
    this.#form.hidden = false;
    if (!this.#server.value) this.#server.value = server ?? "";
    this.#tell(told ?? "");
    this.#room.focus();
  }

  hide() {
    this.#shown = false;
    this.#form.hidden = true;
  }

  #tell(text) {
    this.#told.textContent = text;
    this.#told.hidden = !text;
  }

  async #ask() {
    const room = this.#room.value.trim();
    if (!ROOM.test(room)) throw new Error("A room's name has up to 64 letters, digits, - and _.");
    const wish = { room, server: this.#server.value.trim(), token: this.#token.value.trim() || null };
    const answer = await fetch("/join", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(wish),
    }).catch(() => null);
    if (!answer) throw new Error("The program does not answer: is it still running?");
    if (!answer.ok) throw new Error((await answer.json()).error.message);
  }
}
