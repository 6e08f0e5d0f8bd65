/*
 * TSMP, IP protocol 99 inside the tunnel (protocol/tunnel.md §5). Offsets in the IP payload:
 *
 *   ping      0 'p'   1 data 8
 *   pong      0 'o'   1 data 8   9 TCP port of the PeerAPI, big-endian, 0 = none (absent from old nodes)
 *   reject    0 '!'   1 protocol  2 reason  3 source port  5 destination port, both of the refused packet   7 flags, optional: bit 0 maybe broken
 *   disco     0 'a'   1 the sender's disco public key 32
 *
 * Trailing bytes are ignored. Whatever is made here has IHL 5, TTL 64, no options, and the checksum of its IPv4 header.
 */
#ifndef TN_TSMP_H
#define TN_TSMP_H

#include "tn_packet.h"

enum tn_tsmp_kind {
	TN_TSMP_NONE = 0,
	TN_TSMP_PING = 'p',
	TN_TSMP_PONG = 'o',
	TN_TSMP_REJECT = '!',
	TN_TSMP_DISCO = 'a',
};

enum tn_tsmp_reason {
	TN_TSMP_BY_RULES = 'A',
	TN_TSMP_BY_SHIELDS = 'S',
	TN_TSMP_NO_FORWARDING = 'F',
	TN_TSMP_HOST_FIREWALL = 'W',
};

/** A message read; pointers go into the packet. */
struct tn_tsmp {
	enum tn_tsmp_kind kind;
	const uint8_t *data;       /* ping, pong: 8 bytes to echo or match. disco: 32 bytes, the key */
	uint16_t peerapi_port;     /* pong */
	uint8_t protocol;          /* reject: of the refused flow */
	uint8_t reason;            /* reject: enum tn_tsmp_reason or something newer */
	bool maybe_broken;         /* reject: information only, the connection must not be failed */
	uint16_t source_port;      /* reject: of the refused packet, which came from the reject's IP destination */
	uint16_t destination_port; /* reject: of the refused packet, which went to the reject's IP source */
};

/** Largest packet made here: IPv6 with a disco advertisement. */
#define TN_TSMP_MAX 73

/** Reads a TSMP message. @return false (kind none) for another protocol, an unknown type, a message too short */
bool tn_tsmp_parse(struct tn_tsmp *message, const struct tn_packet *packet);

/**
 * Writes the pong that answers a ping: addresses swapped, IPv4 id or IPv6 flow label complemented.
 * @param ping a packet whose message is a ping
 * @param port TCP port of our PeerAPI on the pinged address, 0 = none
 * @return its length (31 or 51), 0 if it does not fit into size or ping is no TSMP ping
 */
size_t tn_tsmp_pong(uint8_t *out, size_t size, const struct tn_packet *ping, uint16_t port);

/** Writes the reject of a refused IPv4 TCP packet. @return its length (27), 0 if refused is not IPv4 with ports or it does not fit */
size_t tn_tsmp_reject(uint8_t *out, size_t size, const struct tn_packet *refused, enum tn_tsmp_reason reason);

/** Writes a ping from source to destination (16 bytes each, both IPv4 or both IPv6). @return its length (29 or 49), 0 if it does not fit or the families differ */
size_t tn_tsmp_ping(uint8_t *out, size_t size, const uint8_t source[16], const uint8_t destination[16], const uint8_t data[8]);

/** Writes a disco advertisement. @return its length (53 or 73), 0 if it does not fit or the families differ */
size_t tn_tsmp_disco(uint8_t *out, size_t size, const uint8_t source[16], const uint8_t destination[16], const uint8_t disco_key[32]);

#endif
