// Reads the frames of a camera and the samples of a microphone in a worker, which continues at full rate in a hidden window.

const SIDE_MAX = 640;
const PIECE_SECONDS = 0.02;

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { alpha: false });

onmessage = ({ data }) => (data.kind === "video" ? pictures(data.readable) : sound(data.readable));

async function pictures(readable) {
  for await (const frame of frames(readable)) {
    const scale = Math.min(1, SIDE_MAX / Math.max(frame.displayWidth, frame.displayHeight));
    canvas.width = Math.round(frame.displayWidth * scale);
    canvas.height = Math.round(frame.displayHeight * scale);
    context.drawImage(frame, 0, 0, canvas.width, canvas.height);
    frame.close();
    try {
      const bytes = await (await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 })).arrayBuffer();
      postMessage({ kind: "video", bytes }, [bytes]);
    } catch (error) {
      console.warn("facewire: a picture was left out:", error);
    }
  }
}

async function sound(readable) {
  let waiting = [];
  let count = 0;
  for await (const data of frames(readable)) {
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    const rate = data.sampleRate;
    data.close();
    waiting.push(samples);
    count += samples.length;
    if (count < rate * PIECE_SECONDS) continue;
    postMessage({ kind: "audio", rate, pieces: waiting });
    waiting = [];
    count = 0;
  }
}

async function* frames(readable) {
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
