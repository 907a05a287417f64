// Runs the browser's codec under Node for the tests: one JSON request a line in, one answer a line out. Bytes are hexadecimal.
// An error of the codec is an answer, {"error": its class}; any other is {"crash": its stack}, which fails the test.

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { keyframeRequests } from "./keyframe_requests.mjs";
import { livePlayer } from "./live_player.mjs";
import { connecting } from "./connecting.mjs";
import { download, drawing, signaling } from "./recovery.mjs";
import { tickSound } from "./tick_sound.mjs";
import { VirtualTime } from "./virtual_time.mjs";

globalThis.crypto ??= webcrypto;

const root = new URL("../../../../", import.meta.url);
const peer = new URL("signaling/web/peer/", root);
const room = (folder) => (name) => import(new URL(`${folder}/${name}`, peer));
const load = room("codec");
const { CodecError } = await load("errors.js");
const { makeBundle, packBundle, parseBundle } = await load("bundle.js");
const { joinBundles, splitBundles } = await load("bundle_pair.js");
const { KeyframeAssembler, packMessage, parseMessage } = await load("control.js");
const { makeKeyframe, parseKeyframe } = await load("keyframe.js");
const { SafetyCode, fingerprint, onlySha256 } = await load("safety_code.js");
const { readFile } = await load("container.js");
const { imageSize } = await load("imagesize.js");
const { PictureDecoder, PictureEncoder, decodeAlone, encodeAlone } = await load("pictures/picture.js");
const { rgbToYcbcr, ycbcrToRgb } = await load("pictures/colour.js");
const { sample } = await load("pictures/sampling.js");
const { USUAL } = await load("pictures/header.js");
const { ShapeDecoder, ShapeEncoder, framesOf } = await load("shape/shape.js");
const { coefficients, movements } = await load("shape/basis.js");
const { packPoints, parsePoints } = await load("shape/keyframe_points.js");

const models = room("models");
const { BlazeFace } = await models("detector.js");
const { FaceMesh, eyeOpening, frontality, regionAround } = await models("landmarks.js");
const { Tracker } = await models("tracker.js");
const { PointFollower } = await models("following.js");
const { Crop } = await models("crop.js");
const { Network } = await models("onnx_network.js");
const { Interpolator, Upsampler } = await models("upsampler.js");
const { logMel, windowRows } = await models("mel.js");
const { planes, resize } = await import(new URL("media/image.js", peer));

const receiver = room("receiver");
const { TickDecoder } = await receiver("tick_decoder.js");
const { fit } = await receiver("stretch.js");
const { PlayoutClock } = await receiver("playout_delay.js");
const { Pace } = await receiver("pace.js");
const { Arrivals } = await receiver("arrivals.js");
const { consistency } = await receiver("consistency.js");
const { warpedFrame } = await receiver("motion_compensation.js");
const { Presenter } = await receiver("presenter.js");
const { Ladder, QueueWatch, Redundancy } = await import(new URL("sender/adaptation.js", peer));
const { Pairing, messages } = await import(new URL("call/pairing.js", peer));
const { VoiceActivity } = await import(new URL("sender/voice.js", peer));
const { Phase, lag } = await import(new URL("sender/phase.js", peer));
const { give } = await import(new URL("workers/load.js", peer));
const { Resampler } = await import(new URL("media/resampler.js", peer));
const { joined } = await import(new URL("media/opus_packets.js", peer));
const { plainWebp } = await import(new URL("media/still.js", peer));
const { outputLatency } = await import(new URL("media/output_latency.js", peer));

let ort;
const networks = new Map();
/** One of the shipped networks, as the page runs it without a GPU. */
async function network(name) {
  if (!ort) {
    ort = await import(pathToFileURL(createRequire(new URL("package.json", peer)).resolve("onnxruntime-web")));
    ort.env.wasm.numThreads = 1;
  }
  if (!networks.has(name)) networks.set(name, await Network.load(ort, readFileSync(new URL(`models/weights/${name}`, root))));
  return networks.get(name);
}
const detector = async () => new BlazeFace(await network("blazeface.onnx"));
const mesh = async () => new FaceMesh(await network("face_landmark.onnx"));
const image = ({ width, height, data }) => ({ width, height, data: new Uint8ClampedArray(Buffer.from(data, "base64")) });
const floats = (list) => Float32Array.from(list);

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data) => Buffer.from(data).toString("hex");
const picture = ({ side, ycbcr }) => ({ side, ycbcr: bytes(ycbcr) });
const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (ArrayBuffer.isView(v) ? (v instanceof Uint8Array ? hex(v) : [...v]) : v)));
/** Objects with a state, by the name that the test gave them. */
const kept = new Map();
const make = {
  pictureEncoder: (...a) => new PictureEncoder(...a), pictureDecoder: () => new PictureDecoder(),
  shapeEncoder: (...a) => new ShapeEncoder(...a), shapeDecoder: () => new ShapeDecoder(), assembler: () => new KeyframeAssembler(),
  safetyCode: (...parts) => new SafetyCode(...parts.map(bytes)),
};

const requests = {
  make: ({ name, kind, args }) => (kept.set(name, make[kind](...(args ?? []))), null),
  call: ({ name, method, args }) => kept.get(name)[method](...args) ?? null,
  committed: ({ name, data }) => kept.get(name).committed(bytes(data)),
  revealed: ({ name, data }) => kept.get(name).revealed(bytes(data)),
  fingerprint: ({ sdp }) => fingerprint(sdp),
  onlySha256: ({ sdp }) => onlySha256(sdp),
  set: ({ name, field, value }) => ((kept.get(name)[field] = value), null),
  keyframeFor: ({ name, slot, own }) => (kept.get(name).setKeyframe(slot, picture(own)), null),
  encodePicture: ({ name, number, wanted, limit }) => {
    const encoder = kept.get(name);
    return { ...encoder.encode(number, picture(wanted), limit ?? null), header: encoder.header };
  },
  decodePicture: ({ name, number, data }) => kept.get(name).decode(number, bytes(data)),
  encodeShape: ({ name, number, header, frames }) => kept.get(name).encode(number, { ...USUAL, ...header }, frames.map((row) => Float32Array.from(row))),
  decodeShape: ({ name, number, header, data }) => kept.get(name).decode(number, { ...USUAL, ...header }, bytes(data)),
  framesOf: ({ shape, before, count }) => framesOf(shape, before, count),
  movements: ({ values }) => movements(values),
  coefficients: ({ moved }) => coefficients(moved),
  packPoints: ({ points }) => packPoints(Float32Array.from(points)),
  parsePoints: ({ data }) => parsePoints(bytes(data)),
  encodeAlone: ({ own }) => encodeAlone(picture(own)),
  decodeAlone: ({ data }) => decodeAlone(bytes(data)),
  rgbToYcbcr: ({ data }) => rgbToYcbcr(bytes(data)),
  ycbcrToRgb: ({ data }) => ycbcrToRgb(bytes(data)),
  sample: ({ data, side, size }) => sample(bytes(data), side, size),
  parseBundle: ({ data }) => parseBundle(bytes(data)),
  packBundle: ({ bundle }) => {
    const packets = (list) => (list ?? []).map(bytes);
    const { sound, redundant, picture, shape, ...rest } = bundle;
    return packBundle(makeBundle({ ...rest, sound: packets(sound), redundant: packets(redundant), picture: picture == null ? null : bytes(picture), shape: shape == null ? null : bytes(shape) }));
  },
  repackBundle: ({ data }) => packBundle(parseBundle(bytes(data))),
  joinBundles: ({ first, second }) => joinBundles(bytes(first), bytes(second)),
  splitBundles: ({ data }) => splitBundles(bytes(data)).map(parseBundle),
  paired: ({ ticks }) => {
    const pairing = new Pairing();
    return ticks.map(([bundle, pausing, on]) => {
      if (bundle === "drop") return pairing.drop();
      const going = pairing.put(bundle && { data: bytes(bundle), number: 0, pausing }, on);
      return [going.length ? messages(going) : [], pairing.holding];
    });
  },
  parseMessage: ({ data }) => parseMessage(bytes(data)),
  repackMessage: ({ data }) => {
    const message = parseMessage(bytes(data));
    return message && packMessage(message);
  },
  assemble: ({ name, data }) => kept.get(name).add(parseMessage(bytes(data))),
  imageSize: ({ data }) => imageSize(bytes(data)),
  parseKeyframe: ({ data }) => parseKeyframe(bytes(data)),
  makeKeyframe: ({ image, own, points }) => makeKeyframe(bytes(image), picture(own), points && Float32Array.from(points)),
  readFile: async ({ data }) => {
    const out = [];
    for await (const item of readFile(bytes(data))) out.push(item instanceof CodecError ? { error: item.name } : item);
    return out;
  },
  resize: ({ picture, width, height }) => Buffer.from(resize(image(picture), width, height).data).toString("base64"),
  detect: async ({ picture }) => (await detector()).detect(image(picture)),
  mesh: async ({ picture, face }) => {
    const found = await (await mesh()).within(image(picture), regionAround(face));
    return { ...found, eyes: eyeOpening(found.points), frontal: frontality(found.points) };
  },
  track: async ({ pictures }) => {
    const tracker = new Tracker(await detector(), await mesh());
    const follower = new PointFollower(await detector(), await mesh());
    const out = [];
    for (const each of pictures.map(image)) {
      const found = await tracker.update(each);
      out.push({ ...found, points: await follower.see(each, found.crop) });
    }
    return out;
  },
  inside: ({ x, y, side, points }) => {
    const crop = new Crop(x, y, side);
    return { inside: crop.inside(floats(points)), back: crop.outside(crop.inside(floats(points))) };
  },
  cut: ({ picture, x, y, side }) => Buffer.from(new Crop(x, y, side).cut(image(picture)).data).toString("base64"),
  mel: ({ samples, row, newest }) => {
    const found = logMel(floats(samples));
    return { rows: found.map((each) => [...each]), window: windowRows(found, row, newest) };
  },
  interpolate: async ({ pictures }) => (await new Interpolator(await network("interpolator.onnx")).tick(pictures.map(floats))).map((each) => [...each]),
  draw: async ({ keyframe, pictures, speech, shape, step }) => {
    const upsampler = new Upsampler(await network("identity.onnx"), await network(step ?? "step.onnx"));
    upsampler.use(await upsampler.identity(planes(image(keyframe))));
    const frame = await upsampler.step({ pictures: floats(pictures), speech: floats(speech), detail: null, shape: shape && floats(shape) });
    return { frame: Buffer.from(frame).toString("base64"), doubt: upsampler.doubt };
  },
  ticks: async ({ keyframes, bundles, sounds }) => {
    const left = sounds.map(floats);
    const decoder = new TickDecoder(new Interpolator(await network("interpolator.onnx")), { decode: async () => left.shift() });
    const out = [];
    for (const { atMs, tickMs, bundle } of bundles) {
      for (const { slot, data } of keyframes.filter((k) => k.atMs === atMs)) decoder.setKeyframe(slot, await parseKeyframe(bytes(data)));
      const parsed = bundle && parseBundle(bytes(bundle));
      if (parsed) decoder.arrived(parsed);
      out.push(await decoder.tick(atMs, tickMs, parsed));
    }
    return out;
  },
  fit: ({ sound, change }) => fit(floats(sound), change),
  playout: ({ arrivals }) => {
    const clock = new PlayoutClock();
    return arrivals.map(([end, now, late]) => {
      clock.arrived(end, now);
      const change = clock.change(0.2, late);
      clock.move(change);
      return [clock.due(end), clock.margin, change, clock.buffered()];
    });
  },
  give: async ({ urls }) => {
    const streaming = WebAssembly.instantiateStreaming;
    const module = new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])); // an empty one
    WebAssembly.instantiateStreaming = async () => ({ module: null });
    give(module);
    const found = [];
    for (const url of urls) {
      const answer = { url, cancelled: false, body: { cancel: () => (answer.cancelled = true) } };
      const { module: used, instance } = await WebAssembly.instantiateStreaming(Promise.resolve(answer), {});
      found.push([used === module, instance instanceof WebAssembly.Instance, answer.cancelled]);
    }
    WebAssembly.instantiateStreaming = streaming;
    return found;
  },
  pace: ({ frames }) => {
    const pace = new Pace();
    return frames.map(([seconds, now]) => (pace.rendered(seconds, now), pace.stride));
  },
  arrivals: ({ numbers }) => {
    const arrivals = new Arrivals();
    return numbers.map(([number, picture]) => (arrivals.add(number, picture), [arrivals.report(), arrivals.loss]));
  },
  adapt: ({ limit, pairs, trip, restart, reports }) => {
    const [ladder, queue, redundancy] = [new Ladder(limit), new QueueWatch(), new Redundancy()];
    ladder.pairs = pairs;
    queue.restarted(0, trip);
    return reports.map(([way, loss, now, newest], i) => {
      if (i === restart) {
        [queue, redundancy, ladder].map((part) => part.restarted(now, trip));
        ladder.pairs = pairs;
      }
      const filling = queue.report(way, now, newest);
      ladder.report(loss, filling, now, queue.confirmed, queue.knownEmpty);
      const { tickMode, bitrate, paired } = ladder.step;
      return [filling, tickMode, bitrate, redundancy.report(loss, filling || paired, now), paired, ladder.proven(now)];
    });
  },
  voice: ({ ticks, rate }) => {
    const voice = new VoiceActivity(rate);
    return ticks.map((samples) => voice.isSpeaking(floats(samples)));
  },
  resample: ({ from, to, pieces }) => {
    const resampler = new Resampler(from, to);
    return pieces.flatMap((piece) => [...resampler.push(floats(piece))]);
  },
  moved: ({ rgba, drawn, frame }) => {
    const driven = ({ pictures, shape }) => ({ pictures: floats(pictures), shape: floats(shape) });
    return warpedFrame(image({ width: 256, height: 256, data: rgba }).data, driven(drawn), driven(frame));
  },
  /** What is shown, and when, of `steps` at their times; a drawn frame is grey, of the level that is its number. */
  presenter: async ({ steps, until }) => {
    const [shown, time] = [[], new VirtualTime()];
    const presenter = new Presenter({
      now: time.now,
      sleep: time.sleep,
      shown: ({ rgba }) => shown.push([time.now(), rgba[0]]),
      hidden: () => shown.push([time.now(), null]),
    });
    const input = ({ number, shape = true }) => ({
      number, driven: { pictures: new Float32Array(960), shape: shape ? new Float32Array(216).fill(0.1) : null },
    });
    for (const step of steps) {
      time.at(step.at, () => {
        if (step.kind === "frame") presenter.frame(input(step), step.due, step.asked);
        else if (step.kind === "drawn") {
          const rgba = new Uint8ClampedArray(4 * 65536).fill(step.number);
          presenter.drawn({ frame: input(step), due: step.due, rgba });
        } else presenter[step.kind](step.due);
      });
    }
    await time.run(until);
    return { shown, fps: presenter.fps };
  },
  lag: ({ tick, trip }) => lag(tick, trip),
  latency: ({ agent, told, base }) => {
    let asked = 0;
    const context = {
      baseLatency: base,
      get outputLatency() {
        asked++;
        return told;
      },
    };
    return { seconds: outputLatency(context, agent), asked };
  },
  /** When a wait that starts at `start` ends, bundles being heard at the times of `heard`. */
  phase: async ({ heard, start, tick }) => {
    const time = new VirtualTime();
    const phase = new Phase(time);
    let ended = null;
    for (const { at, trip } of heard) time.at(at, () => phase.heard(at, trip));
    time.at(start, () => phase.wait(tick).then(() => (ended = time.now())));
    await time.run(60);
    return ended;
  },
  tickSound,
  livePlayer,
  connecting,
  drawing,
  signaling,
  download,
  consistency: ({ frame, small }) => consistency(Buffer.from(frame, "base64"), small),
  ...keyframeRequests({ network, detector, mesh, image, floats, bytes, hex }),
  joined: ({ packets }) => joined(packets.map(bytes)).map(hex),
  plainWebp: ({ data }) => plainWebp(bytes(data)),
  many: async ({ requests: list }) => {
    const out = [];
    for (const request of list) out.push(await answer(request));
    return out;
  },
};

async function answer(request) {
  try {
    return { ok: plain(await requests[request.op](request)) };
  } catch (error) {
    return error instanceof CodecError ? { error: error.name, message: error.message } : { crash: String(error?.stack ?? error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
