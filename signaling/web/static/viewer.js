// Pictures of the call over WebRTC from the process on this machine: the remote face and the preview.

const RETRY_MS = 1000;
const GATHER_MS = 1000;
const PAINT_MS = 25; // encoding and the way to the screen, which nothing reports
const HOLD_FIRST_MS = 30; // until it is known what keeps them in time with their sound
const HOLD_MAX_MS = 200;

export class Viewer {
  #targets;
  #pc = null;
  #over = true;
  #seen = null;
  #hold = HOLD_FIRST_MS;

  /** `targets`: the elements for remote face and preview. */
  constructor(targets) {
    this.#targets = targets;
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
    const order = this.#targets.map(() => pc.addTransceiver("video", { direction: "recvonly" }));
    order.forEach(({ receiver }, index) => {
      // The call has its own playout clock: pictures are to be shown on arrival, or when their sound is heard.
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = index ? 0 : this.#hold;
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

  /** Mean milliseconds that the remote face's pictures have spent in this browser since the last invocation, from their
   * packets' arrival until they are seen; null if unknown. `sound`: how long the sound takes; pictures are held to be in time
   * with it. */
  async delay(sound) {
    const [receiver] = this.#pc?.getReceivers() ?? [];
    if (!receiver) return null;
    const now = [...(await receiver.getStats()).values()].find(({ type }) => type === "inbound-rtp");
    const before = this.#seen;
    this.#seen = now;
    if (!now || before?.id !== now.id) return null;
    const mean = (seconds, count) => (1000 * (now[seconds] - before[seconds])) / (now[count] - before[count]);
    const spent = mean("jitterBufferDelay", "jitterBufferEmittedCount") + mean("totalDecodeTime", "framesDecoded") + PAINT_MS;
    if (!Number.isFinite(spent)) return null;
    if (sound !== null && "jitterBufferTarget" in receiver) {
      this.#hold = Math.max(0, Math.min(HOLD_MAX_MS, this.#hold + (sound - spent) / 2));
      receiver.jitterBufferTarget = this.#hold;
    }
    return spent;
  }
}

/** Later candidates cannot be sent after the offer, so wait for them, but not long. */
function gathered(pc) {
  return new Promise((resolve) => {
    const check = () => pc.iceGatheringState === "complete" && resolve();
    pc.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, GATHER_MS);
    check();
  });
}
