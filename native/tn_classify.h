/*
 * What a UDP datagram on the node's port is (protocol/relay.md §1.1). The first test that holds decides:
 *
 *   STUN       20 bytes or more, byte 0 & c0 = 00, byte 1 = 01, bytes 4..7 = 21 12 a4 42
 *   Geneve     8 bytes or more, byte 0 & c0 = 00, byte 1 & 3f = 00, byte 7 = 00, bytes 2..3 = 7a 11 (and DISCO follows) or 7a 12
 *   DISCO      38 bytes or more, bytes 0..5 = 54 53 f0 9f 92 ac
 *   WireGuard  anything else; WireGuard checks type and length
 */
#ifndef TN_CLASSIFY_H
#define TN_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tn_datagram {
	TN_DATAGRAM_WIREGUARD = 0,
	TN_DATAGRAM_STUN = 1,
	TN_DATAGRAM_DISCO = 2,
};

/** Bytes of a Geneve header of a peer relay. */
#define TN_GENEVE_HEADER 8

/**
 * Classifies a datagram; length 0 is allowed.
 * @param geneve set to true when TN_GENEVE_HEADER bytes of peer relay framing precede the message; a node that takes no part in peer relays
 *               drops those. May be NULL
 */
enum tn_datagram tn_classify(const uint8_t *datagram, size_t length, bool *geneve);

/** The DISCO test alone: for packets that came over DERP, where there is neither STUN nor Geneve (protocol/relay.md §1.3). */
bool tn_classify_is_disco(const uint8_t *packet, size_t length);

/**
 * Whether a datagram that is none of the others answers a question about port mappings: NAT-PMP or PCP (from port 5351; byte 0 = 00 or 02, bit 80 of byte 1),
 * or SSDP ("HTTP/1."; some routers answer from another port than 1900). WireGuard has 00 in byte 1. Only from private IPv4 addresses: a gateway's.
 * @param source 18 bytes, address and port
 */
bool tn_classify_is_mapping(const uint8_t *source, const uint8_t *datagram, size_t length);

#endif
