// Opus packets of several frames (RFC 6716, 3.2.5), made of packets of one frame each.

const FRAMES = 3;
/** Lengths below take one byte, others two (RFC 6716, 3.2.1). */
const ONE_BYTE = 252;
const LONGEST = 1275;

/**
 * Packets of one frame each, all coded alike, joined into one packet; else returned as they are. At most 120 ms in all.
 * @param {Uint8Array[]} packets
 */
export function joined(packets) {
  const first = packets[0]?.[0];
  const alike = packets.every((packet) => packet.length > 0 && packet.length <= LONGEST + 1 && packet[0] === first);
  if (packets.length < 2 || !alike || (first & 3) !== 0) return packets;
  const frames = packets.map((packet) => packet.subarray(1));
  const lengths = frames.slice(0, -1).flatMap(({ length }) => packedLength(length));
  const variable = 0x80;
  const head = [first | FRAMES, variable | frames.length, ...lengths];
  const out = new Uint8Array(head.length + frames.reduce((sum, frame) => sum + frame.length, 0));
  out.set(head);
  let at = head.length;
  for (const frame of frames) {
    out.set(frame, at);
    at += frame.length;
  }
  return [out];
}

/** @param {number} length */
function packedLength(length) {
  if (length < ONE_BYTE) return [length];
  const low = ONE_BYTE + (length & 3);
  return [low, (length - low) >> 2];
}
