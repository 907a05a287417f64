// What a connection has carried, from the browser's statistics.

/**
 * Bytes and packets of a connection so far, without the headers of UDP and IP. Firefox counts no packets: there each message
 * counts as one, and every second one as answered by a separate SACK packet.
 * @param {RTCStatsReport} stats
 * @returns {{ bytesSent: number, bytesReceived: number, packetsSent: number, packetsReceived: number }}
 */
export function traffic(stats) {
  const all = [...stats.values()];
  const transport = all.find(({ type }) => type === "transport");
  if (transport?.packetsSent !== undefined) return transport;
  const pair = stats.get(transport?.selectedCandidatePairId ?? "");
  const channels = all.filter(({ type }) => type === "data-channel");
  const messages = (/** @type {string} */ name) => channels.reduce((sum, channel) => sum + channel[name], 0);
  const [sent, received] = [messages("messagesSent"), messages("messagesReceived")];
  return {
    bytesSent: pair?.bytesSent ?? 0,
    bytesReceived: pair?.bytesReceived ?? 0,
    packetsSent: sent + Math.ceil(received / 2),
    packetsReceived: received + Math.ceil(sent / 2),
  };
}
