/*
 * What the tunnel reads of an IP packet: addresses, protocol, ports. The verdicts are those of the reference's parser
 * (protocol/tunnel.md §4.3, protocol/filter.md §3.1) with one exception: IPv4 with a header length below 20 is unknown here.
 *
 *            IPv4                                    IPv6
 *   0        version 4, header length in words       version 6, traffic class, flow label
 *   2        total length                            4: payload length   6: protocol   7: hop limit
 *   6        flags (0x2000 more fragments), offset   8: source 16
 *   9        protocol                                24: destination 16
 *   10       header checksum                         40: transport
 *   12, 16   source, destination
 *
 * No IPv6 extension header is walked: its number counts as the protocol.
 */
#ifndef TN_PACKET_H
#define TN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TN_PROTOCOL_UNKNOWN = 0, /* dropped everywhere */
	TN_PROTOCOL_ICMP4 = 1,
	TN_PROTOCOL_IGMP = 2,
	TN_PROTOCOL_TCP = 6,
	TN_PROTOCOL_UDP = 17,
	TN_PROTOCOL_ICMP6 = 58,
	TN_PROTOCOL_TSMP = 99,
	TN_PROTOCOL_SCTP = 132,
	TN_PROTOCOL_FRAGMENT = 255, /* an IPv4 fragment that starts at byte 80 or later: no ports */
};

enum {
	TN_TCP_FIN = 0x01,
	TN_TCP_SYN = 0x02,
	TN_TCP_RST = 0x04,
	TN_TCP_ACK = 0x10,
};

#define TN_IP4_HEADER 20
#define TN_IP6_HEADER 40

/** A parsed packet. It points into the bytes it was parsed from. */
struct tn_packet {
	const uint8_t *bytes;
	size_t present;          /* bytes given */
	size_t length;           /* bytes the IP header says; never above present. 0 when the header was not read */
	uint16_t transport;      /* offset of the transport header; valid unless protocol is unknown */
	uint8_t version;         /* 4, 6; 0: not IP or shorter than an IP header */
	uint8_t protocol;        /* of the IP header, or TN_PROTOCOL_UNKNOWN or TN_PROTOCOL_FRAGMENT */
	uint8_t tcp_flags;       /* of TCP, else 0 */
	uint8_t source[16];      /* IPv4 as ::ffff:a.b.c.d; zero when version is 0 */
	uint8_t destination[16]; /* the same */
	uint16_t source_port;    /* of TCP, UDP, SCTP, else 0 */
	uint16_t destination_port;
};

/**
 * Parses length bytes (0 is allowed) into *packet, every member of it. Bytes after the stated length are tolerated, as upstream does;
 * cut them first (packet->length) before handing the packet on.
 * @return packet->protocol
 */
uint8_t tn_packet_parse(struct tn_packet *packet, const uint8_t *bytes, size_t length);

/** TCP with SYN and without ACK: the opening of a connection, whatever the other flags. */
static inline bool tn_packet_is_tcp_open(const struct tn_packet *packet)
{
	return packet->protocol == TN_PROTOCOL_TCP && (packet->tcp_flags & (TN_TCP_SYN | TN_TCP_ACK)) == TN_TCP_SYN;
}

/** TCP with SYN, with or without ACK (protocol/tunnel.md §4.1 rows 12, 13). */
static inline bool tn_packet_has_tcp_syn(const struct tn_packet *packet)
{
	return packet->protocol == TN_PROTOCOL_TCP && (packet->tcp_flags & TN_TCP_SYN) != 0;
}

/** ICMP of the packet's own family: 1 in IPv4, 58 in IPv6. */
bool tn_packet_is_icmp(const struct tn_packet *packet);

/** An ICMP echo request, code 0, at least 8 bytes. */
bool tn_packet_is_echo_request(const struct tn_packet *packet);

/** An ICMP echo reply, code 0, at least 8 bytes; id and sequence are the 4 bytes at transport + 4. */
bool tn_packet_is_echo_reply(const struct tn_packet *packet);

/** An ICMP error as upstream understands it: v4 types 3, 11, 18; v6 types 1 to 4. */
bool tn_packet_is_icmp_error(const struct tn_packet *packet);

/** Destination is multicast, also v4-mapped. */
bool tn_packet_is_to_multicast(const struct tn_packet *packet);

/** Destination is link-local unicast, also v4-mapped; 169.254.169.254 in IPv4 is not counted. */
bool tn_packet_is_to_link_local(const struct tn_packet *packet);

/**
 * Replaces the source address and corrects the checksums that cover it (IP header, TCP, UDP, ICMPv6; first fragments included), for masquerade.
 * @param bytes the packet's own bytes, writable
 * @param packet of these bytes; its source is replaced too
 * @param address 16 bytes of the packet's family (v4-mapped for IPv4)
 * @return false, and nothing done, if version is 0 or the address is of the other family
 */
bool tn_packet_set_source(struct tn_packet *packet, uint8_t *bytes, const uint8_t address[16]);

/** The same for the destination. */
bool tn_packet_set_destination(struct tn_packet *packet, uint8_t *bytes, const uint8_t address[16]);

/** Whether 16 bytes are an IPv4 address in v4-mapped form. */
bool tn_address_is_ip4(const uint8_t address[16]);

/** Writes the v4-mapped form of 4 bytes. */
void tn_address_from_ip4(uint8_t address[16], const uint8_t ip4[4]);

#endif
