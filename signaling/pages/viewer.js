// Pictures and sound of the call over WebRTC from the process on this machine: the remote face, the preview, the sound.

const RETRY_MS = 1000;
const GATHER_MS = 1000;

export class Viewer {
  #targets;
  #needsTouch;
  #pc = null;
  #over = true;
  #seen = new WeakMap();

  /** `targets`: the elements for remote face, preview and sound. `needsTouch(yes)` is told whether the browser wants the user to
   * touch the page before it plays sound. */
  constructor(targets, needsTouch) {
    this.#targets = targets;
    this.#needsTouch = needsTouch;
  }

  start() {
    if (!this.#over) return;
    this.#over = false;
    this.#connect();
  }

  stop() {
    this.#over = true;
    this.#pc?.close();
    this.#pc = null;
    for (const target of this.#targets) target.srcObject = null;
  }

  /** Ask the call's process for its tracks, again and again until it answers. */
  async #connect() {
    this.#pc?.close();
    const pc = (this.#pc = new RTCPeerConnection());
    const order = ["video", "video", "audio"].map((kind) => pc.addTransceiver(kind, { direction: "recvonly" }));
    order.forEach(({ receiver }, index) => {
      // The call has its own playout clock: what comes here is to be shown at once.
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      this.#targets[index].srcObject = new MediaStream([receiver.track]);
    });
    pc.addEventListener("connectionstatechange", () => {
      if (["failed", "closed", "disconnected"].includes(pc.connectionState)) this.#again(pc);
    });
    try {
      await pc.setLocalDescription();
      await gathered(pc);
      const answer = await fetch("/offer", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(pc.localDescription),
      });
      if (!answer.ok) throw new Error((await answer.json()).error.message);
      if (pc !== this.#pc) return;
      await pc.setRemoteDescription(await answer.json());
      this.play();
    } catch (error) {
      console.warn("facewire:", error);
      this.#again(pc);
    }
  }

  #again(pc) {
    setTimeout(() => {
      if (pc === this.#pc && !this.#over && pc.connectionState !== "connected") this.#connect();
    }, RETRY_MS);
  }

  /** Milliseconds that remote face and sound have spent in this browser since the last call, from their packets' arrival until they
   * were handed to screen and loudspeakers: {picture, sound}, null where that isn't known. */
  async delays() {
    const [picture, , sound] = this.#pc?.getReceivers() ?? [];
    if (!sound) return { picture: null, sound: null };
    const [a, b] = await Promise.all([this.#spent(picture), this.#spent(sound)]);
    return { picture: a, sound: b };
  }

  async #spent(receiver) {
    const reports = [...(await receiver.getStats()).values()];
    const now = reports.find(({ type }) => type === "inbound-rtp");
    const before = this.#seen.get(receiver);
    this.#seen.set(receiver, now);
    if (!now || !before) return null;
    const mean = (seconds, count) => (1000 * (now[seconds] - before[seconds])) / (now[count] - before[count]);
    const decoding = now.kind === "video" ? mean("totalDecodeTime", "framesDecoded") : 0;
    const all = mean("jitterBufferDelay", "jitterBufferEmittedCount") + decoding;
    return Number.isFinite(all) ? all : null;
  }

  /** Sound may not start before the user has touched the page. */
  async play() {
    try {
      await this.#targets[2].play();
      this.#needsTouch(false);
    } catch (error) {
      if (error.name === "NotAllowedError") this.#needsTouch(true);
    }
  }
}

/** The answer has no way to learn of later candidates, so wait for them, but not long. */
function gathered(pc) {
  return new Promise((resolve) => {
    const check = () => pc.iceGatheringState === "complete" && resolve();
    pc.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, GATHER_MS);
    check();
  });
}
