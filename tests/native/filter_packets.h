/*
 * Packets and a filter for test_filter.c and test_filter_flows.c. Inbound packets go from the peer (100.64.0.2, fd7a:115c:a1e0::2), port 5000, to
 * us (100.64.0.1, fd7a:115c:a1e0::1) unless from() and to() say otherwise; outbound ones are judged as they are built.
 */
#ifndef FILTER_PACKETS_H
#define FILTER_PACKETS_H

#include "filter_blocks.h"
#include "tn_filter.h"
#include "tn_vectors.h"

struct built {
	uint8_t bytes[2048];
	size_t length;
};

/* The filter in use, its jailed companion is up to the test. */
static struct tn_flows own_flows;
static struct tn_filter own_filter;
/** Hex of the address that holds every capability, NULL = nobody. */
static const char *capability_holder;

static inline void hex_address(uint8_t address[16], const char *hex)
{
	if (strlen(hex) == 8) {
		uint8_t ip4[4];
		tn_test_hex(hex, ip4, 4);
		tn_address_from_ip4(address, ip4);
	} else {
		tn_test_hex(hex, address, 16);
	}
}

static inline bool is_holder(void *context, const uint8_t address[16], uint16_t capability)
{
	uint8_t holder[16];
	(void)context;
	(void)capability;
	if (!capability_holder)
		return false;
	hex_address(holder, capability_holder);
	return memcmp(holder, address, 16) == 0;
}

/** A fresh filter with that block; NULL blocks all. */
static inline void use(const struct filter_block *block)
{
	capability_holder = NULL;
	tn_flows_init(&own_flows, 1);
	tn_filter_init(&own_filter, &own_flows);
	if (block)
		CHECK_EQ(tn_filter_install(&own_filter, block->bytes, block->length, false), 0);
}

static inline enum tn_verdict in(struct built packet)
{
	struct tn_packet parsed;
	tn_packet_parse(&parsed, packet.bytes, packet.length);
	return tn_filter_in(&own_filter, &parsed, is_holder, NULL);
}

static inline enum tn_verdict out(struct built packet)
{
	struct tn_packet parsed;
	tn_packet_parse(&parsed, packet.bytes, packet.length);
	return tn_filter_out(&own_filter, &parsed);
}

/** An IP packet with size zero bytes after its header. */
static inline struct built plain(unsigned version, uint8_t protocol, size_t size)
{
	struct built packet = {.length = (version == 4 ? 20 : 40) + size};
	uint8_t *bytes = packet.bytes;
	if (version == 4) {
		static const uint8_t addresses[8] = {100, 64, 0, 2, 100, 64, 0, 1};
		bytes[0] = 0x45;
		bytes[3] = (uint8_t)packet.length;
		bytes[8] = 64;
		bytes[9] = protocol;
		memcpy(bytes + 12, addresses, 8);
	} else {
		bytes[0] = 0x60;
		bytes[5] = (uint8_t)size;
		bytes[6] = protocol;
		bytes[7] = 64;
		hex_address(bytes + 8, "fd7a115ca1e000000000000000000002");
		hex_address(bytes + 24, "fd7a115ca1e000000000000000000001");
	}
	return packet;
}

static inline uint8_t *transport_of(struct built *packet)
{
	return packet->bytes + (packet->bytes[0] >> 4 == 4 ? (packet->bytes[0] & 15) * 4 : 40);
}

static inline struct built ports(struct built packet, uint16_t source, uint16_t destination)
{
	uint8_t *transport = transport_of(&packet);
	transport[0] = (uint8_t)(source >> 8);
	transport[1] = (uint8_t)source;
	transport[2] = (uint8_t)(destination >> 8);
	transport[3] = (uint8_t)destination;
	return packet;
}

static inline struct built tcp(unsigned version, uint8_t flags, uint16_t port)
{
	struct built packet = ports(plain(version, 6, 20), 5000, port);
	transport_of(&packet)[12] = 0x50;
	transport_of(&packet)[13] = flags;
	return packet;
}

static inline struct built udp_ports(unsigned version, uint16_t source, uint16_t destination)
{
	return ports(plain(version, 17, 8), source, destination);
}

static inline struct built udp(unsigned version, uint16_t port)
{
	return udp_ports(version, 5000, port);
}

static inline struct built sctp(unsigned version, uint16_t port)
{
	return ports(plain(version, 132, 12), 5000, port);
}

static inline struct built icmp_as(unsigned version, uint8_t protocol, uint8_t type, uint8_t code, size_t size)
{
	struct built packet = plain(version, protocol, size);
	transport_of(&packet)[0] = type;
	transport_of(&packet)[1] = code;
	return packet;
}

static inline struct built icmp(unsigned version, uint8_t type, uint8_t code, size_t size)
{
	return icmp_as(version, version == 4 ? 1 : 58, type, code, size);
}

/** Sets flags and offset of an IPv4 packet. */
static inline struct built fragmented(struct built packet, uint16_t field)
{
	packet.bytes[6] = (uint8_t)(field >> 8);
	packet.bytes[7] = (uint8_t)field;
	return packet;
}

/** A later UDP fragment. @param offset in units of 8 bytes */
static inline struct built fragment(uint16_t offset)
{
	return fragmented(plain(4, 17, 16), offset);
}

static inline struct built set_address(struct built packet, const char *hex, size_t at4, size_t at6)
{
	const size_t size = strlen(hex) / 2;
	tn_test_hex(hex, packet.bytes + (size == 4 ? at4 : at6), size);
	return packet;
}

static inline struct built from(struct built packet, const char *hex)
{
	return set_address(packet, hex, 12, 8);
}

static inline struct built to(struct built packet, const char *hex)
{
	return set_address(packet, hex, 16, 24);
}

/** Keeps length bytes of it, or adds zeros. */
static inline struct built cut(struct built packet, size_t length)
{
	packet.length = length;
	return packet;
}

/** Puts size bytes of IPv4 options (a multiple of 4) in. */
static inline struct built with_options(struct built packet, size_t size)
{
	memmove(packet.bytes + 20 + size, packet.bytes + 20, packet.length - 20);
	memset(packet.bytes + 20, 1, size);
	packet.length += size;
	packet.bytes[0] = (uint8_t)(0x45 + size / 4);
	packet.bytes[3] = (uint8_t)packet.length;
	return packet;
}

#endif
