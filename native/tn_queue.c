/*
 * A queue of byte records that drops the oldest.
 */
#include "tn_queue.h"

#include <string.h>

#define HEAD 2u

static void put(struct tn_queue *queue, const uint8_t *bytes, uint32_t length)
{
	uint32_t at = (queue->first + queue->used) % queue->size;
	uint32_t part = length < queue->size - at ? length : queue->size - at;
	if (part > 0)
		memcpy(queue->bytes + at, bytes, part);
	if (length > part)
		memcpy(queue->bytes, bytes + part, length - part);
	queue->used += length;
}

static void take(struct tn_queue *queue, uint8_t *out, uint32_t length)
{
	uint32_t part = length < queue->size - queue->first ? length : queue->size - queue->first;
	if (out != NULL && part > 0) {
		memcpy(out, queue->bytes + queue->first, part);
		memcpy(out + part, queue->bytes, length - part);
	}
	queue->first = (queue->first + length) % queue->size;
	queue->used -= length;
}

void tn_queue_init(struct tn_queue *queue, uint8_t *bytes, uint32_t size)
{
	*queue = (struct tn_queue){.bytes = bytes, .size = size};
}

void tn_queue_clear(struct tn_queue *queue)
{
	queue->first = queue->used = queue->count = 0;
}

uint32_t tn_queue_front(const struct tn_queue *queue)
{
	if (queue->count == 0)
		return 0;
	return (uint32_t)queue->bytes[queue->first] | (uint32_t)queue->bytes[(queue->first + 1) % queue->size] << 8;
}

void tn_queue_pop(struct tn_queue *queue, uint8_t *out)
{
	uint32_t length = tn_queue_front(queue);
	if (queue->count == 0)
		return;
	take(queue, NULL, HEAD);
	take(queue, out, length);
	queue->count--;
}

bool tn_queue_push(struct tn_queue *queue, uint32_t limit, const uint8_t *head, size_t head_length, const uint8_t *body, size_t body_length)
{
	size_t length = head_length + body_length;
	if (length > UINT16_MAX || HEAD + length > queue->size) {
		queue->dropped++;
		return false;
	}
	while (queue->count >= limit || queue->size - queue->used < HEAD + length) {
		tn_queue_pop(queue, NULL);
		queue->dropped++;
	}
	put(queue, (const uint8_t[HEAD]){(uint8_t)length, (uint8_t)(length >> 8)}, HEAD);
	put(queue, head, (uint32_t)head_length);
	put(queue, body, (uint32_t)body_length);
	queue->count++;
	return true;
}
