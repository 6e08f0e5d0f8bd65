/*
 * Events on their way to the VM: records in a ring, and the one wake-up that may be outstanding. What does not fit is dropped and counted; socket
 * events do not come this way (tn_socket.h).
 */
#ifndef TN_EVENTS_H
#define TN_EVENTS_H

#include "tn_ring.h"

struct tn_events {
	struct tn_ring ring;
	uint32_t dropped;
	_Atomic uint32_t wanted; /* something is there for the VM that it was not woken for; set by the tunnel thread and lwIP's */
};

/** Adds a record: head, then first, then second (either may be NULL with length 0). @return false if it was dropped */
bool tn_events_put(struct tn_events *events, uint8_t type, uint8_t flags, uint16_t argument, const void *first, size_t first_length, const void *second,
                   size_t second_length);

/** As tn_events_put, for what anybody may send us: half of the ring is left to what the node itself has to tell. */
bool tn_events_pass(struct tn_events *events, uint8_t type, uint8_t flags, uint16_t argument, const void *first, size_t first_length, const void *second,
                    size_t second_length);

#endif
