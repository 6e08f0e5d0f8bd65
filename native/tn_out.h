/*
 * Datagrams on their way to UDP, collected during one turn so that the host can send many at once.
 *
 * They lie without gaps in one buffer. Neighbours with the same endpoint and length form a run, the last of which may be shorter: the shape that
 * segmentation offload takes as one call. An endpoint is 18 bytes: address 16 (IPv4 v4-mapped), port 2 big-endian.
 */
#ifndef TN_OUT_H
#define TN_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_config.h"

#define TN_ENDPOINT 18
/** Limits of a run: those of Linux's UDP_SEGMENT. */
#define TN_OUT_RUN_SEGMENTS 64
#define TN_OUT_RUN_BYTES 65000u

struct tn_out_run {
	uint8_t endpoint[TN_ENDPOINT];
	uint16_t segments;
	uint16_t segment; /* bytes of each datagram but the last */
	uint32_t offset;
	uint32_t length;
};

struct tn_out {
	uint8_t *bytes;
	uint32_t size;
	uint32_t used;
	uint32_t run_count;
	bool closed; /* the last run takes no more */
	struct tn_out_run runs[TN_OUT_RUNS];
};

void tn_out_init(struct tn_out *out, uint8_t *bytes, uint32_t size);

/** Forgets all datagrams. */
void tn_out_clear(struct tn_out *out);

/** Whether a datagram of length bytes, whatever its endpoint, can be added. */
static inline bool tn_out_has_room(const struct tn_out *out, uint32_t length)
{
	return out->size - out->used >= length && out->run_count < TN_OUT_RUNS;
}

/** Where the next datagram is to be written. */
static inline uint8_t *tn_out_place(struct tn_out *out)
{
	return out->bytes + out->used;
}

/** Adds the datagram of length bytes (1..65000) that was written to tn_out_place; tn_out_has_room said yes. */
void tn_out_add(struct tn_out *out, const uint8_t endpoint[TN_ENDPOINT], uint32_t length);

#endif
