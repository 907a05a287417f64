// The `.fw` file: the bundles and keyframes of a call, as they crossed the wire. See docs/format.md for the bytes.

import { MAX_BUNDLE, parseBundle } from "./bundle.js";
import { ContainerError, SyntaxLimitError } from "./errors.js";
import { MAX_KEYFRAME, parseKeyframe } from "./keyframe.js";
import { SLOTS } from "./pictures/header.js";
import { Reader } from "./wirebytes.js";

const MAGIC = [..."FACEWIRE"].map((letter) => letter.charCodeAt(0));
export const VERSION = 4;
/** @type {Record<string, number>} */
const LIMITS = { B: MAX_BUNDLE, K: MAX_KEYFRAME + 1, E: 4 };

/**
 * @typedef {{ kind: "keyframe", slot: number, keyframe: import("./keyframe.js").Keyframe }
 *   | { kind: "bundle", bundle: import("./bundle.js").Bundle } | { kind: "end", frames: number }} FileItem
 */

/**
 * The records of a `.fw` file in order, each parsed, or the error that parsing it gave; records of unknown kind are skipped.
 * Throws {@link ContainerError} if it is no such file, and at the first damaged record, where reading ends.
 * @param {Uint8Array} data @returns {AsyncGenerator<FileItem | import("./errors.js").CodecError>}
 */
export async function* readFile(data) {
  const head = data.subarray(0, MAGIC.length + 1);
  if (MAGIC.some((byte, i) => head[i] !== byte)) throw new ContainerError("not a .fw file");
  if (head[MAGIC.length] !== VERSION)
    throw new ContainerError(`version ${head[MAGIC.length] ?? "missing"} of .fw is not known`);
  const reader = new Reader(data);
  reader.at = MAGIC.length + 1;
  while (reader.left) {
    if (reader.left < 4) throw new ContainerError("file ends inside a record");
    const start = reader.at;
    const kind = String.fromCharCode(reader.number(1));
    const size = reader.number(3);
    if (size > (LIMITS[kind] ?? MAX_KEYFRAME)) throw new ContainerError(`record of ${size} bytes is over the limit`);
    if (reader.left < size + 4) throw new ContainerError("file ends inside a record");
    const payload = reader.take(size);
    if (crc32([data[start], ...payload]) !== reader.number(4)) throw new ContainerError("record is damaged (checksum)");
    const item = await parse(kind, payload).catch((error) => error);
    if (item) yield item;
  }
}

/** @param {string} kind @param {Uint8Array} payload @returns {Promise<FileItem | null>} */
async function parse(kind, payload) {
  if (kind === "K") {
    if (!payload.length || payload[0] >= SLOTS) throw new SyntaxLimitError("keyframe record without a valid slot");
    return { kind: "keyframe", slot: payload[0], keyframe: await parseKeyframe(payload.slice(1)) };
  }
  if (kind === "B") return { kind: "bundle", bundle: parseBundle(payload) };
  if (kind !== "E") return null;
  if (payload.length !== 4) throw new SyntaxLimitError("end record has the wrong length");
  return { kind: "end", frames: new Reader(payload).number(4) };
}

/** CRC-32 as in zlib. @param {Iterable<number>} bytes */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
