/*
 * Event records, written in place in the ring.
 */
#include "tn_events.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_records.h"

bool tn_events_put(struct tn_events *events, uint8_t type, uint8_t flags, uint16_t argument, const void *first, size_t first_length, const void *second,
                   size_t second_length)
{
	size_t length = TN_RECORD_HEAD + first_length + second_length;
	uint8_t *record = length <= UINT16_MAX ? tn_ring_reserve(&events->ring, (uint32_t)length) : NULL;
	if (record == NULL) {
		events->dropped++;
		return false;
	}
	record[0] = type;
	record[1] = flags;
	tn_store16le(record + 2, argument);
	if (first_length > 0)
		memcpy(record + TN_RECORD_HEAD, first, first_length);
	if (second_length > 0)
		memcpy(record + TN_RECORD_HEAD + first_length, second, second_length);
	tn_ring_publish(&events->ring, (uint32_t)length);
	atomic_store_explicit(&events->wanted, 1, memory_order_relaxed);
	return true;
}

bool tn_events_pass(struct tn_events *events, uint8_t type, uint8_t flags, uint16_t argument, const void *first, size_t first_length, const void *second,
                    size_t second_length)
{
	if (tn_ring_used(&events->ring) >= events->ring.size / 2) {
		events->dropped++;
		return false;
	}
	return tn_events_put(events, type, flags, argument, first, first_length, second, second_length);
}
