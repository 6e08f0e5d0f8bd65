/*
 * Neighbouring TCP segments of one connection, handed to lwIP as one: it then looks the connection up once, acknowledges once and calls back once.
 *
 * Only what lwIP is certain to take at once is coalesced: data, in order, of an established connection that has nothing out of order. Such packets are also
 * passed without a copy, since lwIP has given every buffer back when it returns. The checksum of the whole follows from those of the parts, so a
 * damaged segment spoils the whole, which is dropped and repeated.
 */
#ifndef TN_COALESCE_H
#define TN_COALESCE_H

#include "tn_lwip.h"
#include "tn_config.h"
#include "tn_packet.h"

struct tn_coalesce_part {
	struct pbuf_custom custom;
	unsigned *alive;
};

struct tn_coalesce {
	struct tcp_pcb *pcb;
	uint8_t *first; /* the first packet; its headers become those of the whole */
	uint16_t header;
	unsigned count, alive;
	uint32_t next_sequence;
	uint32_t payload;
	uint64_t sum; /* of pseudo-headers and TCP headers, checksums included: the payloads' sum is its complement */
	struct tn_coalesce_part parts[TN_COALESCE];
};

/** The connection between an address and port of ours and a remote one, among those that lwIP used last, or NULL. @param local, remote 16 bytes each */
struct tcp_pcb *tn_coalesce_find(const uint8_t local[16], uint16_t local_port, const uint8_t remote[16], uint16_t remote_port, uint8_t netif_index);

/** The same among all; it costs what lwIP's own look-up costs. */
struct tcp_pcb *tn_coalesce_find_any(const uint8_t local[16], uint16_t local_port, const uint8_t remote[16], uint16_t remote_port, uint8_t netif_index);

/** The connection of a packet that came, if it only waits for late ones (TIME-WAIT), or NULL. */
struct tcp_pcb *tn_coalesce_find_finished(const struct tn_packet *packet, uint8_t netif_index);

/**
 * Adds a packet if it continues the run that is being collected, or begins one when none is.
 * @param bytes the packet, in place until tn_coalesce_take
 * @param netif_index of the interface it came in by
 * @return false if it must go another way: take the run first, then try again or pass it alone
 */
bool tn_coalesce_add(struct tn_coalesce *run, uint8_t *bytes, const struct tn_packet *packet, uint8_t netif_index);

/** The run as one packet, or NULL when there is none. It must be given to lwIP before anything else is. */
struct pbuf *tn_coalesce_take(struct tn_coalesce *run);

#endif
