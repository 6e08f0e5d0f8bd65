/* Parser of IP packets and rewriting of addresses, see tn_packet.h. */
#include "tn_packet.h"

#include <string.h>

#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_config.h"

/* A fragment that starts earlier could overlay a transport header: 20 bytes of IP, 60 of options or TCP (RFC 1858). In units of 8 bytes. */
#define FRAGMENT_FIRST_SAFE 10

#define MORE_FRAGMENTS 0x2000
#define FRAGMENT_OFFSET 0x1fff

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool tn_address_is_ip4(const uint8_t address[16])
{
	return memcmp(address, mapped_prefix, sizeof mapped_prefix) == 0;
}

void tn_address_from_ip4(uint8_t address[16], const uint8_t ip4[4])
{
	memcpy(address, mapped_prefix, sizeof mapped_prefix);
	memcpy(address + 12, ip4, 4);
}

/** Bytes a protocol needs after the IP header; fewer make the packet unknown. */
static size_t minimum(unsigned version, uint8_t protocol)
{
	switch (protocol) {
	case TN_PROTOCOL_ICMP4:
		return version == 4 ? 4 : 0;
	case TN_PROTOCOL_ICMP6:
		return version == 6 ? 4 : 0;
	case TN_PROTOCOL_IGMP:
		return version == 4 ? 8 : 0;
	case TN_PROTOCOL_TCP:
		return 20;
	case TN_PROTOCOL_UDP:
		return 8;
	case TN_PROTOCOL_SCTP:
		return 12;
	case TN_PROTOCOL_TSMP:
		return 7;
	default:
		return 0;
	}
}

static uint8_t parse_transport(struct tn_packet *packet, uint8_t protocol, bool more_fragments)
{
	const uint8_t *transport = packet->bytes + packet->transport;
	/* Bytes behind the stated length count here, as upstream's do. */
	if (packet->present - packet->transport < minimum(packet->version, protocol))
		return TN_PROTOCOL_UNKNOWN;
	switch (protocol) {
	case 0:
	case TN_PROTOCOL_FRAGMENT: /* 255 on the wire is not our mark of a fragment */
		return TN_PROTOCOL_UNKNOWN;
	case TN_PROTOCOL_TSMP:
		return more_fragments ? TN_PROTOCOL_UNKNOWN : protocol;
	case TN_PROTOCOL_TCP:
		packet->tcp_flags = transport[13];
		break;
	case TN_PROTOCOL_UDP:
	case TN_PROTOCOL_SCTP:
		break;
	default:
		return protocol;
	}
	packet->source_port = tn_load16be(transport);
	packet->destination_port = tn_load16be(transport + 2);
	return protocol;
}

static uint8_t parse4(struct tn_packet *packet)
{
	const uint8_t *bytes = packet->bytes;
	packet->version = 4;
	tn_address_from_ip4(packet->source, bytes + 12);
	tn_address_from_ip4(packet->destination, bytes + 16);
	const size_t stated = tn_load16be(bytes + 2);
	const size_t header = (size_t)(bytes[0] & 15) * 4;
	if (stated > packet->present || header > stated || header < TN_IP4_HEADER)
		return TN_PROTOCOL_UNKNOWN;
	packet->length = stated;
	packet->transport = (uint16_t)header;
	const uint16_t fragment = tn_load16be(bytes + 6);
	const unsigned offset = fragment & FRAGMENT_OFFSET;
	if (offset != 0)
		return offset < FRAGMENT_FIRST_SAFE ? TN_PROTOCOL_UNKNOWN : TN_PROTOCOL_FRAGMENT;
	return parse_transport(packet, bytes[9], (fragment & MORE_FRAGMENTS) != 0);
}

#if TN_IPV6
static uint8_t parse6(struct tn_packet *packet)
{
	const uint8_t *bytes = packet->bytes;
	packet->version = 6;
	memcpy(packet->source, bytes + 8, 16);
	memcpy(packet->destination, bytes + 24, 16);
	const size_t stated = TN_IP6_HEADER + (size_t)tn_load16be(bytes + 4);
	if (stated > packet->present)
		return TN_PROTOCOL_UNKNOWN;
	packet->length = stated;
	packet->transport = TN_IP6_HEADER;
	return parse_transport(packet, bytes[6], false);
}
#endif

uint8_t tn_packet_parse(struct tn_packet *packet, const uint8_t *bytes, size_t length)
{
	memset(packet, 0, sizeof *packet);
	packet->bytes = bytes;
	packet->present = length;
	if (length >= TN_IP4_HEADER && bytes[0] >> 4 == 4)
		packet->protocol = parse4(packet);
#if TN_IPV6
	else if (length >= TN_IP6_HEADER && bytes[0] >> 4 == 6)
		packet->protocol = parse6(packet);
#endif
	return packet->protocol;
}

bool tn_packet_is_icmp(const struct tn_packet *packet)
{
	return packet->protocol == (packet->version == 4 ? TN_PROTOCOL_ICMP4 : TN_PROTOCOL_ICMP6) && packet->version != 0;
}

/** Whether the packet is ICMP of its family with a whole 8-byte head. */
static bool has_icmp_head(const struct tn_packet *packet)
{
	return tn_packet_is_icmp(packet) && packet->present - packet->transport >= 8;
}

static bool is_icmp(const struct tn_packet *packet, uint8_t type4, uint8_t type6)
{
	if (!has_icmp_head(packet))
		return false;
	const uint8_t *icmp = packet->bytes + packet->transport;
	return icmp[0] == (packet->version == 4 ? type4 : type6) && icmp[1] == 0;
}

bool tn_packet_is_echo_request(const struct tn_packet *packet)
{
	return is_icmp(packet, 8, 128);
}

bool tn_packet_is_echo_reply(const struct tn_packet *packet)
{
	return is_icmp(packet, 0, 129);
}

bool tn_packet_is_icmp_error(const struct tn_packet *packet)
{
	if (!has_icmp_head(packet))
		return false;
	const uint8_t type = packet->bytes[packet->transport];
	/* 18 is upstream's "parameter problem", written in hexadecimal 12 by mistake; the real type 12 is not among its errors. */
	return packet->version == 4 ? type == 3 || type == 11 || type == 18 : type >= 1 && type <= 4;
}

bool tn_packet_is_to_multicast(const struct tn_packet *packet)
{
	const uint8_t *to = packet->destination;
	if (tn_address_is_ip4(to))
		return (to[12] & 0xf0) == 224;
	return packet->version == 6 && to[0] == 0xff;
}

bool tn_packet_is_to_link_local(const struct tn_packet *packet)
{
	const uint8_t *to = packet->destination;
	if (tn_address_is_ip4(to))
		return to[12] == 169 && to[13] == 254 && !(packet->version == 4 && to[14] == 169 && to[15] == 254);
	return packet->version == 6 && to[0] == 0xfe && (to[1] & 0xc0) == 0x80;
}

/** Where the checksum that covers the addresses stands in the transport header, 0 if there is none. */
static size_t covered_checksum(const struct tn_packet *packet)
{
	const size_t size = packet->length - packet->transport;
	switch (packet->protocol) {
	case TN_PROTOCOL_TCP:
		return size >= 18 ? 16 : 0;
	case TN_PROTOCOL_UDP:
		return size >= 8 ? 6 : 0;
	case TN_PROTOCOL_ICMP6:
		return packet->version == 6 && size >= 4 ? 2 : 0;
	default:
		return 0;
	}
}

static bool rewrite(struct tn_packet *packet, uint8_t *bytes, const uint8_t address[16], uint8_t field[16], size_t offset4, size_t offset6)
{
	if (packet->version == 0 || packet->length == 0)
		return false;
	const bool is4 = packet->version == 4;
	if (is4 && !tn_address_is_ip4(address))
		return false;
	const size_t size = is4 ? 4 : 16;
	uint8_t *at = bytes + (is4 ? offset4 : offset6);
	const uint8_t *after = address + 16 - size;
	const size_t checksum = packet->protocol == TN_PROTOCOL_UNKNOWN ? 0 : covered_checksum(packet);
	if (checksum != 0) {
		uint8_t *sum = bytes + packet->transport + checksum;
		const uint16_t before = tn_load16be(sum);
		/* A UDP checksum of zero means none, in IPv4: it stays none. */
		if (packet->protocol != TN_PROTOCOL_UDP || before != 0) {
			uint16_t value = tn_checksum_update(before, at, after, size);
			if (packet->protocol == TN_PROTOCOL_UDP && value == 0)
				value = 0xffff;
			tn_store16be(sum, value);
		}
	}
	if (is4)
		tn_store16be(bytes + 10, tn_checksum_update(tn_load16be(bytes + 10), at, after, size));
	memcpy(at, after, size);
	memcpy(field, address, 16);
	return true;
}

bool tn_packet_set_source(struct tn_packet *packet, uint8_t *bytes, const uint8_t address[16])
{
	return rewrite(packet, bytes, address, packet->source, 12, 8);
}

bool tn_packet_set_destination(struct tn_packet *packet, uint8_t *bytes, const uint8_t address[16])
{
	return rewrite(packet, bytes, address, packet->destination, 16, 24);
}
