/*
 * Packets that wait for a session: one pool for all peers, a list for each. A list that is full, and the pool when it is, lose their oldest packet
 * (of the same peer; a peer without any then loses the new one). protocol/tunnel.md §2.1, §2.3
 */
#ifndef TN_STAGED_H
#define TN_STAGED_H

#include <stddef.h>
#include <stdint.h>
#include "tn_config.h"

#define TN_STAGED_NONE 0xffff

struct tn_staged_packet {
	uint16_t next;
	uint16_t length;
	uint8_t bytes[TN_MTU];
};

/** The packets of one peer, oldest first. */
struct tn_staged_list {
	uint16_t first;
	uint16_t last;
	uint16_t count;
};

struct tn_staged {
	struct tn_staged_packet packets[TN_STAGED];
	uint16_t free;
	uint32_t dropped;
};

void tn_staged_init(struct tn_staged *staged);
void tn_staged_list_init(struct tn_staged_list *list);

/** Copies a packet of at most TN_MTU bytes to the end of the list. */
void tn_staged_push(struct tn_staged *staged, struct tn_staged_list *list, const uint8_t *packet, size_t length);

/** The oldest packet, or NULL. It stays valid until the next call for this list. */
const struct tn_staged_packet *tn_staged_front(const struct tn_staged *staged, const struct tn_staged_list *list);

/** Removes the oldest packet. */
void tn_staged_pop(struct tn_staged *staged, struct tn_staged_list *list);

/** Drops all packets of the list and counts them. */
void tn_staged_drop(struct tn_staged *staged, struct tn_staged_list *list);

#endif
