/*
 * How much each source may send: a token bucket, and a table of such buckets by a keyed hash of the source, so that nobody can choose whose bucket
 * is shared.
 */
#ifndef TN_SOURCES_H
#define TN_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tn_config.h"

struct tn_bucket {
	uint64_t at;     /* when tokens was right */
	uint32_t tokens; /* thousandths */
};

/** Full. */
struct tn_bucket tn_bucket_full(uint32_t burst, uint64_t now);
/** Refills rate tokens a second up to burst, then takes one. Returns whether there was one. */
bool tn_bucket_take(struct tn_bucket *bucket, uint32_t rate, uint32_t burst, uint64_t now);

struct tn_sources {
	uint8_t key[16];
	uint32_t rate, burst;
	struct {
		uint32_t tag;
		struct tn_bucket bucket;
	} entries[TN_SOURCES];
};

void tn_sources_init(struct tn_sources *sources, uint32_t rate, uint32_t burst);
/**
 * Takes one from the bucket of a source: an endpoint (18 bytes, of which the IPv4 address or the IPv6 /64 counts) or a node key (32). Two that fall on the same
 * place of the table share it.
 */
bool tn_sources_take(struct tn_sources *sources, const uint8_t *source, size_t length, uint64_t now);

#endif
