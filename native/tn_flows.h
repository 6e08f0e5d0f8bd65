/*
 * The flows that outbound UDP and SCTP packets open for their answers (protocol/filter.md §4): exact 5-tuples, least recently used goes
 * first, no expiry. IPv4 is kept v4-mapped.
 */
#ifndef TN_FLOWS_H
#define TN_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tn_config.h"

struct tn_flow {
	uint8_t source[16];
	uint8_t destination[16];
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t protocol;
	/* Indices of entries plus 1; 0 = none. */
	uint16_t newer;
	uint16_t older;
	uint16_t chain;
};

struct tn_flows {
	uint32_t seed;
	uint16_t count;
	uint16_t newest;
	uint16_t oldest;
	uint16_t buckets[TN_FLOWS_BUCKETS];
	struct tn_flow entries[TN_FLOWS_MAX];
};

/** Empties the table. @param seed a random number, so that no peer can aim at one hash chain */
void tn_flows_init(struct tn_flows *flows, uint32_t seed);

/** Forgets every flow; the seed stays. */
void tn_flows_clear(struct tn_flows *flows);

/** Inserts a flow as the most recent, or makes it so; the oldest makes room when the table is full. */
void tn_flows_insert(struct tn_flows *flows, uint8_t protocol, const uint8_t source[16], uint16_t source_port, const uint8_t destination[16],
                     uint16_t destination_port);

/** Looks a flow up. A hit becomes the most recent; a miss changes nothing. */
bool tn_flows_touch(struct tn_flows *flows, uint8_t protocol, const uint8_t source[16], uint16_t source_port, const uint8_t destination[16],
                    uint16_t destination_port);

#endif
