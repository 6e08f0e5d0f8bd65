/*
 * Rings between two threads. Each side loads its own counter relaxed and the other's with acquire; it stores its own with release, after
 * the bytes. Counters run free and are masked on access, so that full and empty differ.
 */
#include "tn_ring.h"

#include <string.h>

#define WRAP 0xffffffffu
#define RECORD_HEAD 4u

static uint32_t round_up(uint32_t length)
{
	return (RECORD_HEAD + length + 7u) & ~7u;
}

void tn_ring_init(struct tn_ring *ring, uint8_t *bytes, uint32_t size)
{
	ring->bytes = bytes;
	ring->size = size;
	ring->reserved = 0;
	atomic_init(&ring->head, 0);
	atomic_init(&ring->tail, 0);
}

uint32_t tn_ring_used(const struct tn_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	uint32_t used = tail - head;
	return used <= ring->size ? used : ring->size;
}

uint32_t tn_ring_free(const struct tn_ring *ring)
{
	return ring->size - tn_ring_used(ring);
}

uint32_t tn_ring_write(struct tn_ring *ring, const uint8_t *bytes, uint32_t length)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t room = ring->size - (tail - atomic_load_explicit(&ring->head, memory_order_acquire));
	uint32_t at = tail & (ring->size - 1);
	if (length > room)
		length = room;
	uint32_t first = length < ring->size - at ? length : ring->size - at;
	if (first > 0)
		memcpy(ring->bytes + at, bytes, first);
	if (length > first)
		memcpy(ring->bytes, bytes + first, length - first);
	atomic_store_explicit(&ring->tail, tail + length, memory_order_release);
	return length;
}

uint32_t tn_ring_place(struct tn_ring *ring, uint8_t **place)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t room = ring->size - (tail - atomic_load_explicit(&ring->head, memory_order_acquire));
	uint32_t at = tail & (ring->size - 1);
	*place = ring->bytes + at;
	return room < ring->size - at ? room : ring->size - at;
}

void tn_ring_fill(struct tn_ring *ring, uint32_t length)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	atomic_store_explicit(&ring->tail, tail + length, memory_order_release);
}

uint32_t tn_ring_read(struct tn_ring *ring, uint8_t *out, uint32_t length)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t used = atomic_load_explicit(&ring->tail, memory_order_acquire) - head;
	uint32_t at = head & (ring->size - 1);
	if (length > used)
		length = used;
	uint32_t first = length < ring->size - at ? length : ring->size - at;
	if (first > 0)
		memcpy(out, ring->bytes + at, first);
	if (length > first)
		memcpy(out + first, ring->bytes, length - first);
	atomic_store_explicit(&ring->head, head + length, memory_order_release);
	return length;
}

uint32_t tn_ring_peek(const struct tn_ring *ring, uint32_t offset, const uint8_t **bytes)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t used = atomic_load_explicit(&ring->tail, memory_order_acquire) - head;
	if (offset >= used)
		return 0;
	uint32_t at = (head + offset) & (ring->size - 1);
	*bytes = ring->bytes + at;
	return used - offset < ring->size - at ? used - offset : ring->size - at;
}

void tn_ring_drop(struct tn_ring *ring, uint32_t length)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t used = atomic_load_explicit(&ring->tail, memory_order_acquire) - head;
	atomic_store_explicit(&ring->head, head + (length < used ? length : used), memory_order_release);
}

uint8_t *tn_ring_reserve(struct tn_ring *ring, uint32_t length)
{
	/* Half of the ring with its head: such a record fits an empty ring wherever that begins. */
	if (length > ring->size / 2 || round_up(length) > ring->size / 2)
		return NULL;
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t room = ring->size - (tail - atomic_load_explicit(&ring->head, memory_order_acquire));
	uint32_t at = tail & (ring->size - 1);
	uint32_t need = round_up(length);
	uint32_t rest = ring->size - at;
	uint32_t skipped = need > rest ? rest : 0;
	if (skipped + need > room)
		return NULL;
	if (skipped > 0) {
		memcpy(ring->bytes + at, &(uint32_t){WRAP}, RECORD_HEAD);
		at = 0;
	}
	ring->reserved = skipped;
	return ring->bytes + at + RECORD_HEAD;
}

void tn_ring_publish(struct tn_ring *ring, uint32_t length)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed) + ring->reserved;
	memcpy(ring->bytes + (tail & (ring->size - 1)), &length, RECORD_HEAD);
	atomic_store_explicit(&ring->tail, tail + round_up(length), memory_order_release);
}

bool tn_ring_put(struct tn_ring *ring, const void *record, uint32_t length)
{
	uint8_t *place = tn_ring_reserve(ring, length);
	if (place == NULL)
		return false;
	memcpy(place, record, length);
	tn_ring_publish(ring, length);
	return true;
}

uint32_t tn_ring_position(const struct tn_ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_relaxed);
}

void tn_ring_release(struct tn_ring *ring, uint32_t position)
{
	atomic_store_explicit(&ring->head, position, memory_order_release);
}

uint8_t *tn_ring_walk(const struct tn_ring *ring, uint32_t *position, uint32_t *length)
{
	uint32_t at = *position & (ring->size - 1);
	if (*position == atomic_load_explicit(&ring->tail, memory_order_acquire))
		return NULL;
	memcpy(length, ring->bytes + at, RECORD_HEAD);
	if (*length == WRAP) {
		*position += ring->size - at;
		at = 0;
		memcpy(length, ring->bytes, RECORD_HEAD);
	}
	*position += round_up(*length);
	return ring->bytes + at + RECORD_HEAD;
}

uint8_t *tn_ring_front(struct tn_ring *ring, uint32_t *length)
{
	uint32_t position = tn_ring_position(ring);
	return tn_ring_walk(ring, &position, length);
}

void tn_ring_pop(struct tn_ring *ring)
{
	uint32_t length;
	uint32_t position = tn_ring_position(ring);
	if (tn_ring_walk(ring, &position, &length) != NULL)
		tn_ring_release(ring, position);
}
