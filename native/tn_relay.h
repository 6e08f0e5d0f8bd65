/*
 * DERP regions as the tunnel sees them: which connections are open, and the SendPacket frames that wait for each. The connections themselves
 * belong to modules/derp; the VM thread takes frames in batches, the tunnel thread puts them. Both under the node's lock.
 *
 * A region gets an entry when something is sent to it or its connection opens, and memory for its queues when something is sent. When all are taken, one without a
 * connection gives way with its frames: first one that has none, then the one that the VM was told of longest ago. Otherwise frames for regions that nobody dials
 * would keep all others out. When every entry has a connection, or memory is short, the packet is dropped.
 */
#ifndef TN_RELAY_H
#define TN_RELAY_H

#include "tn_config.h"
#include "tn_queue.h"

struct tn_region {
	uint16_t id; /* 0: free */
	bool is_open;
	bool announced;      /* the VM was told that frames wait, and has not emptied the queues since */
	uint32_t connection; /* counts openings: a learned route is valid for one of them */
	uint64_t announced_at;
	struct tn_queue packets;
	struct tn_queue disco;
};

struct tn_relay {
	void *host; /* for the lock */
	struct tn_region regions[TN_REGIONS];
	uint32_t refused; /* packets for which there was no entry, or no memory */
};

/** A table without regions. @param host whose lock guards it (tn_port.h) */
void tn_relay_init(struct tn_relay *relay, void *host);

/** Gives the memory of all queues back. */
void tn_relay_free(struct tn_relay *relay);

/** Tunnel thread: the state of a region's connection changed. Frames queued for it stay. */
void tn_relay_set_open(struct tn_relay *relay, uint16_t region, bool is_open);

/** Whether the connection of a region is open; *connection (may be NULL) names it. */
bool tn_relay_is_open(const struct tn_relay *relay, uint16_t region, uint32_t *connection);

/**
 * Tunnel thread: queues a packet for destination (node key 32).
 * @return true when the VM must be told that frames wait for the region (TN_EVENT_DERP_READY)
 */
bool tn_relay_send(struct tn_relay *relay, uint16_t region, const uint8_t destination[32], const uint8_t *packet, size_t length, bool is_disco, uint64_t now);

/** Tunnel thread: the VM could not be told after all; the next packet tells it. */
void tn_relay_untold(struct tn_relay *relay, uint16_t region);

/** VM thread: fills buffer with whole frames, DISCO first. @return bytes filled */
uint32_t tn_relay_take(struct tn_relay *relay, uint16_t region, uint8_t *buffer, uint32_t size);

/** Frames lost for want of room, of all regions. */
uint32_t tn_relay_dropped(const struct tn_relay *relay);

/** Every queue is emptied (another node key). */
void tn_relay_clear(struct tn_relay *relay);

#endif
