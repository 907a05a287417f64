// What the page does when a part of it fails: draw workers, the signaling socket, downloads. The browser's own parts are stood
// in for; time jumps from timer to timer.

import { instead } from "./virtual_time.mjs";

const peer = new URL("../../../../signaling/web/peer/", import.meta.url);
const { RenderWorkers } = await import(new URL("call/render_workers.js", peer));
const { SignalingClient } = await import(new URL("call/signaling_client.js", peer));
const { loadNetwork } = await import(new URL("workers/load.js", peer));

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** `said`: [number of the worker, what it says], in turn. Gives what the page was told and what became of the workers. */
export function drawing({ said, close }) {
  const workers = [];
  class Worker {
    sent = [];
    ended = false;
    constructor() {
      workers.push(this);
    }
    postMessage(message) {
      this.sent.push({ ...message, files: undefined, port: undefined, file: undefined });
    }
    terminate() {
      this.ended = true;
    }
  }
  return instead({ Worker }, async () => {
    const told = [];
    const names = ["port", "gone", "loading", "ready", "chosen", "complete", "failed"];
    const on = Object.fromEntries(names.map((name) => [name, (value) => told.push(name === "failed" ? `failed: ${value}` : name)]));
    const made = new RenderWorkers(Promise.resolve({ files: {} }), { gpu: false, cores: 4, shared: false }, on);
    made.keyframe(3, new Uint8Array(9), "webp");
    for (const [number, data] of said) {
      await turn();
      workers[number].onmessage({ data });
    }
    await turn();
    if (close) made.close();
    if (close) workers.at(-1).onmessage({ data: { kind: "broken" } });
    await turn();
    return { told, workers: workers.map(({ sent, ended }) => ({ sent, ended })) };
  });
}

/**
 * `script`: for each socket in turn what it does, each [seconds after it was made, what]: "open", "close", a message of the
 * server's, or {do: what the page does}. `connectedUntil`: until when there is a connection.
 */
export function signaling({ script, until, connectedUntil = 0 }) {
  const sockets = [];
  const told = [];
  let client;
  return instead({ location: { href: "https://here/call/r" } }, async (time) => {
    globalThis.WebSocket = class {
      static OPEN = 1;
      readyState = 0;
      sent = [];
      constructor() {
        this.at = time.now();
        for (const [after, what] of script[Math.min(sockets.length, script.length - 1)]) {
          time.at(time.now() + after, () => {
            if (what === "open") {
              this.readyState = 1;
              this.onopen();
            } else if (what === "close") {
              this.readyState = 3;
              this.onclose?.();
            } else if (what.do) client[what.do]();
            else this.onmessage({ data: JSON.stringify(what) });
          });
        }
        sockets.push(this);
      }
      send(text) {
        this.sent.push(JSON.parse(text));
      }
      close() {} // a dead one tells nobody
    };
    client = new SignalingClient("r", null, {
      event: ({ type }) => told.push(`event: ${type}`),
      ended: ({ code }) => told.push(`ended: ${code} at ${Math.round(time.now())}`),
      lost: () => told.push("lost"),
      joined: () => told.push("joined"),
      isConnected: () => time.now() < connectedUntil,
    });
    let over = false;
    client.run().then(() => {
      over = true;
    });
    await time.run(until);
    delete globalThis.WebSocket;
    return { told, over, sockets: sockets.map(({ at, sent }) => ({ at, sent })) };
  });
}

/** `answers`: for each request in turn the sizes of the pieces that come, and whether it ends well. */
export function download({ answers }) {
  let asked = 0;
  let progress = 0;
  const fetch = async () => {
    const { pieces, well } = answers[asked++];
    const body = new ReadableStream({
      start(stream) {
        for (const size of pieces) stream.enqueue(new Uint8Array(size).fill(asked));
      },
      pull(stream) {
        well ? stream.close() : stream.error(new Error("the network is away"));
      },
    });
    return { ok: true, status: 200, body };
  };
  const given = [];
  const create = async (data) => {
    given.push([data.length, data[0]]);
    return { inputNames: [], outputNames: [], inputMetadata: [] };
  };
  return instead({ fetch }, async (time) => {
    let failed = "";
    const ort = { InferenceSession: { create } };
    const listed = { files: { "step.onnx": { url: "/networks/0/step.onnx", bytes: 0 } } };
    const loading = loadNetwork(ort, listed, "step.onnx", false, (bytes) => {
      progress += bytes;
    }).catch((error) => {
      failed = error.message;
    });
    let done = false;
    loading.then(() => {
      done = true;
    });
    for (let i = 0; i < 1000 && !done; i += 1) {
      await turn();
      await time.run(time.now() + 10);
    }
    return { asked, progress, given, failed, seconds: time.now() };
  });
}
