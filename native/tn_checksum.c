/* The Internet checksum, see tn_checksum.h. */
#include "tn_checksum.h"

#include "tn_bytes.h"
#include "tn_packet.h"

uint32_t tn_checksum_add(uint32_t sum, const uint8_t *bytes, size_t length)
{
	uint64_t wide = sum;
	for (; length >= 4; bytes += 4, length -= 4)
		wide += tn_load32be(bytes);
	if (length >= 2) {
		wide += tn_load16be(bytes);
		bytes += 2;
		length -= 2;
	}
	if (length > 0)
		wide += (uint32_t)bytes[0] << 8;
	while (wide >> 16)
		wide = (wide & 0xffff) + (wide >> 16);
	return (uint32_t)wide;
}

uint16_t tn_checksum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint16_t tn_checksum_ip4(const uint8_t *header, size_t length)
{
	uint32_t sum = tn_checksum_add(0, header, 10);
	return tn_checksum_finish(tn_checksum_add(sum, header + 12, length - 12));
}

uint16_t tn_checksum_transport(unsigned version, const uint8_t source[16], const uint8_t destination[16], uint8_t protocol, const uint8_t *segment,
                               size_t length)
{
	uint32_t sum = 0;
	if (version == 6 || protocol != TN_PROTOCOL_ICMP4) {
		const size_t skip = version == 6 ? 0 : 12;
		sum = tn_checksum_add(sum, source + skip, 16 - skip);
		sum = tn_checksum_add(sum, destination + skip, 16 - skip);
		sum += (uint32_t)(length >> 16) + (uint32_t)(length & 0xffff) + protocol;
	}
	return tn_checksum_finish(tn_checksum_add(sum, segment, length));
}

uint16_t tn_checksum_update(uint16_t checksum, const uint8_t *before, const uint8_t *after, size_t length)
{
	/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m') */
	uint32_t sum = (uint16_t)~checksum;
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)(uint16_t)~tn_load16be(before + i) + tn_load16be(after + i);
	return tn_checksum_finish(sum);
}

static size_t checksum_offset(uint8_t protocol)
{
	switch (protocol) {
	case TN_PROTOCOL_TCP:
		return 16;
	case TN_PROTOCOL_UDP:
		return 6;
	case TN_PROTOCOL_ICMP4:
	case TN_PROTOCOL_ICMP6:
		return 2;
	default:
		return 0;
	}
}

bool tn_checksum_fill(uint8_t *packet, size_t length)
{
	struct tn_packet parsed;
	tn_packet_parse(&parsed, packet, length);
	if (parsed.version == 0 || parsed.length == 0 || parsed.protocol == TN_PROTOCOL_UNKNOWN)
		return false;
	if (parsed.version == 4)
		tn_store16be(packet + 10, tn_checksum_ip4(packet, (size_t)(packet[0] & 15) * 4));
	const size_t offset = checksum_offset(parsed.protocol);
	const size_t size = parsed.length - parsed.transport;
	if (offset == 0 || size < offset + 2)
		return true;
	uint8_t *segment = packet + parsed.transport;
	tn_store16be(segment + offset, 0);
	uint16_t checksum = tn_checksum_transport(parsed.version, parsed.source, parsed.destination, parsed.protocol, segment, size);
	if (checksum == 0 && parsed.protocol == TN_PROTOCOL_UDP)
		checksum = 0xffff; /* zero means "none" in UDP */
	tn_store16be(segment + offset, checksum);
	return true;
}
