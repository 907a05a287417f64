// When the page takes a connection to be up. A stand-in for the browser's connection; time jumps from timer to timer.

import { instead } from "./virtual_time.mjs";

const peer = new URL("../../../../signaling/web/peer/", import.meta.url);
const { Link } = await import(new URL("call/link.js", peer));

const sdp = (byte) => `v=0\r\na=fingerprint:sha-256 ${Array(32).fill(byte).join(":")}\r\n`;

/** `late`: by how many seconds the answer's description is known after the channels have opened. */
export function connecting({ late }) {
  return instead({}, async (time) => {
    const told = [];
    globalThis.RTCPeerConnection = class {
      signalingState = "have-local-offer";
      iceGatheringState = "complete";
      localDescription = null;
      remoteDescription = null;
      channels = [];
      createDataChannel(label) {
        this.channels.push({ label, readyState: "connecting", close() {} });
        return this.channels.at(-1);
      }
      async setLocalDescription() {
        this.localDescription = { type: "offer", sdp: sdp("AA") };
      }
      setRemoteDescription(description) {
        for (const channel of this.channels) {
          channel.readyState = "open";
          channel.onopen();
        }
        return new Promise((resolve) => {
          time.at(time.now() + late, () => {
            this.remoteDescription = description;
            this.signalingState = "stable";
            this.onsignalingstatechange?.();
            resolve();
          });
        });
      }
      getStats = async () => new Map();
      close() {}
    };
    const client = { ice: [], peer: { present: true, offer: true, peer: "other" }, open: true, send() {} };
    const link = new Link(client, null, {
      up: (session) => told.push({ session, at: time.now(), fingerprints: link.fingerprints() !== null }),
      down: () => told.push("down"),
      failed: () => told.push("failed"),
    });
    link.event({ type: "peer", present: true, peer: "other" });
    time.at(2, () => link.event({ type: "answer", sdp: sdp("BB") }));
    await time.run(5);
    link.close();
    await time.run(8);
    delete globalThis.RTCPeerConnection;
    return told;
  });
}
