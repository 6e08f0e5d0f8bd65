/*
 * The Internet checksum (RFC 1071) of IPv4, TCP, UDP and ICMP, and its incremental update (RFC 1624) for changed addresses.
 * A checksum here is the number that stands in the packet, most significant byte first.
 */
#ifndef TN_CHECKSUM_H
#define TN_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One's complement sum of length bytes, added to sum; start with 0. Odd lengths only for the last part. */
uint32_t tn_checksum_add(uint32_t sum, const uint8_t *bytes, size_t length);

/** The checksum of a finished sum: folded and complemented. */
uint16_t tn_checksum_finish(uint32_t sum);

/** Checksum of an IPv4 header of length bytes, taking its checksum field as zero. */
uint16_t tn_checksum_ip4(const uint8_t *header, size_t length);

/**
 * Checksum of TCP, UDP or ICMPv6 over the pseudo-header, or of ICMPv4, with the checksum field counted as it stands (make it zero first;
 * over a correct packet the result is 0).
 * @param version 4 or 6
 * @param source, destination 16 bytes each, IPv4 v4-mapped
 */
uint16_t tn_checksum_transport(unsigned version, const uint8_t source[16], const uint8_t destination[16], uint8_t protocol, const uint8_t *segment,
                               size_t length);

/** Corrects a checksum for length bytes (even) that change from before to after. */
uint16_t tn_checksum_update(uint16_t checksum, const uint8_t *before, const uint8_t *after, size_t length);

/**
 * Fills in all checksums of a whole packet of ours: IPv4 header, and TCP, UDP, ICMP. Other protocols are left alone.
 * @return false if it is not a whole IP packet
 */
bool tn_checksum_fill(uint8_t *packet, size_t length);

#endif
