/*
 * A first-in first-out queue of byte records in one piece of memory. When there is no room, or too many records, the oldest go. One thread at a
 * time: the caller locks.
 *
 *   record: u16 length, then its bytes; both may wrap around the end
 */
#ifndef TN_QUEUE_H
#define TN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tn_queue {
	uint8_t *bytes;
	uint32_t size;
	uint32_t first; /* where the oldest record begins */
	uint32_t used;
	uint32_t count;
	uint32_t dropped; /* records lost since the beginning */
};

void tn_queue_init(struct tn_queue *queue, uint8_t *bytes, uint32_t size);

/** Forgets every record; dropped is kept. */
void tn_queue_clear(struct tn_queue *queue);

/**
 * Adds a record of two parts, together at most 65,535 bytes; the oldest records make room for it.
 * @param limit records that may be in the queue afterwards, at least 1
 * @return false when it is larger than the whole queue: it is dropped and counted
 */
bool tn_queue_push(struct tn_queue *queue, uint32_t limit, const uint8_t *head, size_t head_length, const uint8_t *body, size_t body_length);

/** Length of the oldest record; 0 when there is none. */
uint32_t tn_queue_front(const struct tn_queue *queue);

/** Copies the oldest record to out (tn_queue_front bytes) and removes it. */
void tn_queue_pop(struct tn_queue *queue, uint8_t *out);

#endif
