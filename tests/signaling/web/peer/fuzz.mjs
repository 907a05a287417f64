// Spoilt inputs through every parser of the page, here alone because it takes many: `node fuzz.mjs CORPUS.json ROUNDS`.
// CORPUS.json: valid inputs (hexadecimal) by the parser's name. Only the codec's own errors may come of it. Prints how many.

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";

globalThis.crypto ??= webcrypto;

const codec = new URL("../../../../signaling/web/peer/codec/", import.meta.url);
const load = (name) => import(new URL(name, codec));
const { CodecError } = await load("errors.js");
const { parseBundle } = await load("bundle.js");
const { splitBundles } = await load("bundle_pair.js");
const { KeyframeAssembler, parseMessage } = await load("control.js");
const { parseKeyframe } = await load("keyframe.js");
const { readFile } = await load("container.js");
const { PictureDecoder, decodeAlone } = await load("pictures/picture.js");
const { USUAL } = await load("pictures/header.js");
const { ShapeDecoder, framesOf } = await load("shape/shape.js");

const grey = { side: 8, ycbcr: new Uint8Array(192).fill(128) };
const pictures = new PictureDecoder();
pictures.setKeyframe(0, grey);
const shapes = new ShapeDecoder();
const assembler = new KeyframeAssembler();
let number = 0;
const parsers = {
  parseBundle,
  splitBundles: (data) => splitBundles(data).map(parseBundle),
  parseMessage: (data) => {
    const message = parseMessage(data);
    return message?.kind === "chunk" ? assembler.add(message) : message;
  },
  parseKeyframe,
  decodeAlone,
  decodePicture: (data) => pictures.decode((number = (number + 1) & 0xffff), data),
  decodeShape: (data) => framesOf(shapes.decode((number = (number + 1) & 0xffff), { ...USUAL, distance: number % 3 }, data), null, 5),
  readFile: async (data) => {
    for await (const item of readFile(data)) if (item instanceof Error && !(item instanceof CodecError)) throw item;
  },
};

let seed = 2022;
/** mulberry32: below `n`, the same every time. */
const below = (n) => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
};

function mutate(data, others) {
  const out = [...data];
  for (let i = [1, 1, 2, 3, 6][below(5)]; i; i -= 1) {
    const at = below(out.length + 1);
    const kind = below(6);
    if (kind === 0 && at < out.length) out[at] ^= 1 << below(8);
    else if (kind === 1 && at < out.length) out[at] = [0, 1, 127, 128, 251, 252, 255, below(256)][below(8)];
    else if (kind === 2) out.length = at;
    else if (kind === 3) out.splice(at, 1 + below(8));
    else if (kind === 4) out.splice(at, 0, ...Array.from({ length: [1, 2, 4, 300][below(4)] }, () => below(256)));
    else out.splice(at, out.length, ...others[below(others.length)].slice(below(40)));
  }
  return Uint8Array.from(out);
}

const corpus = JSON.parse(readFileSync(process.argv[2], "utf8"));
const counts = { inputs: 0, refused: 0 };
for (const [name, list] of Object.entries(corpus)) {
  const valid = list.map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
  // A file is as long as all others together.
  const rounds = Math.ceil(Number(process.argv[3]) / (name === "readFile" ? 100 : 6));
  for (let i = 0; i < rounds; i += 1) {
    const data = mutate(valid[below(valid.length)], valid);
    counts.inputs += 1;
    try {
      await parsers[name](data);
    } catch (error) {
      if (!(error instanceof CodecError)) throw new Error(`${name} of ${Buffer.from(data).toString("hex")}`, { cause: error });
      counts.refused += 1;
    }
  }
}
console.log(JSON.stringify(counts));
