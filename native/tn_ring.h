/*
 * Rings between two threads: one writes, one reads, no lock. A byte ring carries a stream; a record ring carries whole records that lie
 * without a break in memory.
 *
 *   head: bytes taken since the beginning (the reader's)     tail: bytes put since the beginning (the writer's)
 *
 * A record is a u32 length, then its bytes, then 0 to 7 bytes up to the next multiple of 8. The length ffffffff says: go on at the start.
 */
#ifndef TN_RING_H
#define TN_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_config.h"

/* Head and tail stand apart, so that the cores do not take one cache line from each other; the internal memory of a microcontroller has no cache. */
#define TN_CACHE_LINE TN_PROFILE(4, 64)

struct tn_ring {
	uint8_t *bytes;
	uint32_t size; /* a power of two */
	uint8_t pad0[TN_CACHE_LINE];
	_Atomic uint32_t head;
	uint8_t pad1[TN_CACHE_LINE];
	_Atomic uint32_t tail;
	uint32_t reserved; /* writer: where the record being written begins, relative to tail */
};

/** Starts an empty ring over size bytes (a power of two) that stay the caller's. */
void tn_ring_init(struct tn_ring *ring, uint8_t *bytes, uint32_t size);

/** Bytes in the ring; exact for the thread that asks about its own side, a past value of the other. */
uint32_t tn_ring_used(const struct tn_ring *ring);

/** Room for bytes, likewise. */
uint32_t tn_ring_free(const struct tn_ring *ring);

/** Writer: copies as much as fits. @return bytes taken */
uint32_t tn_ring_write(struct tn_ring *ring, const uint8_t *bytes, uint32_t length);

/** Writer: the room that lies without a break. @return its bytes; *place is where, to be written and published by tn_ring_fill */
uint32_t tn_ring_place(struct tn_ring *ring, uint8_t **place);

/** Writer: publishes length bytes that were written at tn_ring_place, at most what it gave. */
void tn_ring_fill(struct tn_ring *ring, uint32_t length);

/** Reader: copies and removes at most length bytes. @return bytes copied */
uint32_t tn_ring_read(struct tn_ring *ring, uint8_t *out, uint32_t length);

/** Reader: the bytes from offset on that lie without a break. @return their number; *bytes is theirs until tn_ring_drop */
uint32_t tn_ring_peek(const struct tn_ring *ring, uint32_t offset, const uint8_t **bytes);

/** Reader: removes length bytes, at most those in the ring. */
void tn_ring_drop(struct tn_ring *ring, uint32_t length);

/** Writer: room for a record of length bytes. @return NULL when it does not fit now; else to be filled and published by tn_ring_publish */
uint8_t *tn_ring_reserve(struct tn_ring *ring, uint32_t length);

/** Writer: publishes the record reserved last, cut to length (at most what was reserved). */
void tn_ring_publish(struct tn_ring *ring, uint32_t length);

/** Writer: reserves, copies and publishes. @return false when it does not fit */
bool tn_ring_put(struct tn_ring *ring, const void *record, uint32_t length);

/** Reader: the oldest record, which stays in the ring. @return NULL when there is none */
uint8_t *tn_ring_front(struct tn_ring *ring, uint32_t *length);

/**
 * Reader: the record at a position, which is then moved past it; the records stay in the ring.
 * @param position starts as tn_ring_position
 * @return NULL when there is none
 */
uint8_t *tn_ring_walk(const struct tn_ring *ring, uint32_t *position, uint32_t *length);

/** Reader: where the oldest record is. */
uint32_t tn_ring_position(const struct tn_ring *ring);

/** Reader: removes the records before a position. */
void tn_ring_release(struct tn_ring *ring, uint32_t position);

/** Reader: removes the record that tn_ring_front gave. */
void tn_ring_pop(struct tn_ring *ring);

#endif
