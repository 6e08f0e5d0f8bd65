/**
 * IPv4 packets by hand, right in every field that is not asked to be wrong.
 *
 *   0 version and header length | 1 TOS | 2 total length | 4 identification | 6 flags and offset | 8 TTL | 9 protocol | 10 checksum | 12 source | 16 destination
 */
const octets = (address) => address.split(".").map(Number);

function checksum(bytes, sum = 0) {
	for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
	while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
	return ~sum & 0xffff;
}

/** @param {{from: string, to: string, protocol: number, fragment?: number, first?: number, total?: number}} header fragment: flags and offset; first: first byte; total: length that is claimed */
export function ipv4({ from, to, protocol, fragment = 0, first = 0x45, total }, payload) {
	const packet = Buffer.alloc(20 + payload.length);
	packet[0] = first;
	packet.writeUInt16BE(total ?? packet.length, 2);
	packet.writeUInt16BE(fragment ? 7 : 0, 4);
	packet.writeUInt16BE(fragment, 6);
	packet.set([64, protocol], 8);
	packet.set([...octets(from), ...octets(to)], 12);
	packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
	packet.set(payload, 20);
	return packet;
}

/** With the checksum over the pseudo header in its place. */
function transport(header, protocol, segment, checksumAt) {
	const pseudo = Buffer.from([...octets(header.from), ...octets(header.to), 0, protocol, segment.length >> 8, segment.length & 255]);
	segment.writeUInt16BE(checksum(Buffer.concat([pseudo, segment])), checksumAt);
	return ipv4({ ...header, protocol }, segment);
}

export function udp(header, fromPort, toPort, payload) {
	const datagram = Buffer.alloc(8 + payload.length);
	datagram.writeUInt16BE(fromPort, 0);
	datagram.writeUInt16BE(toPort, 2);
	datagram.writeUInt16BE(datagram.length, 4);
	datagram.set(payload, 8);
	return transport(header, 17, datagram, 6);
}

export function tcp(header, fromPort, toPort, flags, payload = Buffer.alloc(0)) {
	const segment = Buffer.alloc(20 + payload.length);
	segment.writeUInt16BE(fromPort, 0);
	segment.writeUInt16BE(toPort, 2);
	segment.writeUInt32BE(0x01020304 + fromPort, 4);
	segment.set([0x50, flags, 0xff, 0xff], 12);
	segment.set(payload, 20);
	return transport(header, 6, segment, 16);
}

/** ICMP of a type; the rest of the message as given. */
export function icmp(header, type, code, rest) {
	const message = Buffer.concat([Buffer.from([type, code, 0, 0]), rest]);
	message.writeUInt16BE(checksum(message), 2);
	return ipv4({ ...header, protocol: 1 }, message);
}
