// The bundle: everything of one tick in one data-channel message. See docs/format.md for the bytes.

import { SyntaxLimitError } from "./errors.js";
import { joined, packLength, Reader, unsigned } from "./wirebytes.js";

/** Length of a tick in milliseconds, by the number in the flags. */
export const TICK_MODES = [200, 100, 60];
/** Milliseconds in a unit of the capture time field, which wraps at 65536 units (about 22 minutes). */
export const TIME_UNIT = 20;
export const MAX_PACKETS = 20;
export const MAX_BUNDLE = 16_384;

const PICTURE = 1;
const SOUND = 2;
const REPORT = 4;
const REDUNDANT = 8;
const STATUS = 16;
const TICK_MODE_AT = 5;
const SHAPE = 128;
// Bits of the status byte.
const FACE = 15;
const MUTED = 16;
const PAUSING = 32;

/** What the sender's tracker sees; TRACKED is the usual case and costs nothing on the wire. AWAY: the person is away
 * for a while, with camera and microphone off. */
export const Face = Object.freeze({ TRACKED: 0, NONE: 1, MANY: 2, LEAVING: 3, CAMERA_OFF: 4, AWAY: 5 });
/** @type {readonly number[]} */
export const NO_CAMERA = [Face.CAMERA_OFF, Face.AWAY];

/**
 * What the sender of this bundle has received: the bundle number of the newest picture, and the share of bundles lost
 * (0..255, where 255 means all).
 * @typedef {{ newest: number, loss: number }} Report
 */

/**
 * One tick. `number` counts bundles modulo 2^16 and names the picture. `time` is the capture time of the tick's first sound
 * sample, in units of 20 ms modulo 2^16; the picture is taken at the tick's end. `sound` and `redundant` are Opus packets
 * (RFC 6716) of this and of the previous tick. `pausing`: nobody speaks; the sender may omit the next tick's bundle.
 * @typedef {{
 *   number: number, time: number, tickMode: number, picture: Uint8Array | null, sound: Uint8Array[], report: Report | null,
 *   redundant: Uint8Array[], face: number, muted: boolean, pausing: boolean, shape: Uint8Array | null,
 * }} Bundle
 */

/**
 * A bundle with the fields given, the others empty.
 * @param {Partial<Bundle> & { number: number, time: number }} fields
 * @returns {Bundle}
 */
export function makeBundle(fields) {
  return {
    tickMode: 0,
    picture: null,
    sound: [],
    report: null,
    redundant: [],
    face: Face.TRACKED,
    muted: false,
    pausing: false,
    shape: null,
    ...fields,
  };
}

/** A bundle → its bytes. Throws {@link SyntaxLimitError} if a field does not fit. @param {Bundle} bundle */
export function packBundle(bundle) {
  if (!(bundle.tickMode in TICK_MODES)) throw new SyntaxLimitError(`tickMode ${bundle.tickMode} is not known`);
  const status = bundle.face | (bundle.muted ? MUTED : 0) | (bundle.pausing ? PAUSING : 0);
  let flags = bundle.tickMode << TICK_MODE_AT;
  /** @type {ArrayLike<number>[]} */
  const parts = [unsigned(bundle.number, 2, "bundle number"), unsigned(bundle.time, 2, "capture time")];
  if (bundle.report) {
    flags |= REPORT;
    parts.push(unsigned(bundle.report.newest, 2, "newest picture"), unsigned(bundle.report.loss, 1, "share lost"));
  }
  if (status) {
    flags |= STATUS;
    parts.push([status]);
  }
  if (bundle.picture) {
    flags |= PICTURE;
    parts.push(packLength(bundle.picture.length), bundle.picture);
  }
  if (bundle.shape) {
    if (!bundle.picture) throw new SyntaxLimitError("a shape needs a picture in the same bundle");
    flags |= SHAPE;
    parts.push(packLength(bundle.shape.length), bundle.shape);
  }
  for (const [bit, packets] of /** @type {[number, Uint8Array[]][]} */ ([
    [SOUND, bundle.sound],
    [REDUNDANT, bundle.redundant],
  ])) {
    if (!packets.length) continue;
    if (packets.length > MAX_PACKETS) throw new SyntaxLimitError(`${packets.length} Opus packets are over ${MAX_PACKETS}`);
    flags |= bit;
    parts.push([packets.length]);
    for (const packet of packets) parts.push(packLength(packet.length), packet);
  }
  const data = joined([flags], ...parts);
  if (data.length > MAX_BUNDLE) throw new SyntaxLimitError(`bundle of ${data.length} bytes is over ${MAX_BUNDLE}`);
  return data;
}

/**
 * Inverse of {@link packBundle}. Throws {@link TruncatedError} or {@link SyntaxLimitError}; allocates no more than the
 * input's length.
 * @param {Uint8Array} data @returns {Bundle}
 */
export function parseBundle(data) {
  if (data.length > MAX_BUNDLE) throw new SyntaxLimitError(`bundle of ${data.length} bytes is over ${MAX_BUNDLE}`);
  const reader = new Reader(data);
  const flags = reader.number(1);
  const tickMode = (flags >> TICK_MODE_AT) & 3;
  if (tickMode >= TICK_MODES.length || (flags & SHAPE && !(flags & PICTURE))) {
    throw new SyntaxLimitError(`bundle flags 0x${flags.toString(16).padStart(2, "0")} are not known`);
  }
  const number = reader.number(2);
  const time = reader.number(2);
  const report = flags & REPORT ? { newest: reader.number(2), loss: reader.number(1) } : null;
  const status = flags & STATUS ? reader.number(1) : 0;
  if (status & ~(FACE | MUTED | PAUSING) || (status & FACE) > Face.AWAY) {
    throw new SyntaxLimitError(`bundle status 0x${status.toString(16).padStart(2, "0")} is not known`);
  }
  const picture = flags & PICTURE ? reader.take(reader.length()) : null;
  const shape = flags & SHAPE ? reader.take(reader.length()) : null;
  const sound = flags & SOUND ? parsePackets(reader) : [];
  const redundant = flags & REDUNDANT ? parsePackets(reader) : [];
  if (reader.left) throw new SyntaxLimitError(`${reader.left} bytes left over after the bundle`);
  return {
    number,
    time,
    tickMode,
    picture,
    sound,
    report,
    redundant,
    face: status & FACE,
    muted: Boolean(status & MUTED),
    pausing: Boolean(status & PAUSING),
    shape,
  };
}

/** @param {Reader} reader */
function parsePackets(reader) {
  const count = reader.number(1);
  if (!count || count > MAX_PACKETS) throw new SyntaxLimitError(`${count} Opus packets in a bundle`);
  return Array.from({ length: count }, () => reader.take(reader.length()));
}
