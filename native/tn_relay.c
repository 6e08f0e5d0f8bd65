/*
 * Queues of DERP frames by region.
 */
#include "tn_relay.h"

#include <string.h>
#include "tn_derp.h"
#include "tn_port.h"

/** While a region has no connection, the VM is reminded at most this often that packets wait for one. */
#define REMIND_MS 1000u

static struct tn_region *find(const struct tn_relay *relay, uint16_t id)
{
	for (size_t i = 0; i < TN_REGIONS; i++) {
		if (relay->regions[i].id == id && id != 0)
			return (struct tn_region *)&relay->regions[i];
	}
	return NULL;
}

/** Which of two entries without a connection gives way first: one without frames, then the one whose frames were told of longest ago. */
static bool is_older(const struct tn_region *a, const struct tn_region *b)
{
	bool is_a_empty = a->packets.count == 0 && a->disco.count == 0, is_b_empty = b->packets.count == 0 && b->disco.count == 0;
	return is_a_empty != is_b_empty ? is_a_empty : a->announced_at < b->announced_at;
}

static void forget(struct tn_queue *queue)
{
	queue->dropped += queue->count;
	tn_queue_clear(queue);
}

/** The entry of a region, made if there is none. NULL when every entry has a connection. */
static struct tn_region *claim(struct tn_relay *relay, uint16_t id)
{
	struct tn_region *region = find(relay, id);
	if (region != NULL || id == 0)
		return region;
	for (size_t i = 0; i < TN_REGIONS && region == NULL; i++) {
		if (relay->regions[i].id == 0)
			region = &relay->regions[i];
	}
	for (size_t i = 0; i < TN_REGIONS && (region == NULL || region->id != 0); i++) {
		struct tn_region *candidate = &relay->regions[i];
		if (!candidate->is_open && (region == NULL || is_older(candidate, region)))
			region = candidate;
	}
	if (region == NULL)
		return NULL;
	forget(&region->packets);
	forget(&region->disco);
	region->id = id;
	region->is_open = region->announced = false;
	region->connection++;
	return region;
}

/** Gives a region its queues when the first packet comes: that its connection is open is known without. @return false when memory is short */
static bool has_queues(struct tn_region *region)
{
	if (region->packets.bytes != NULL)
		return true;
	uint8_t *memory = tn_port_allocate(TN_DERP_QUEUE_BYTES + TN_DERP_QUEUE_DISCO_BYTES);
	if (memory == NULL)
		return false;
	tn_queue_init(&region->packets, memory, TN_DERP_QUEUE_BYTES);
	tn_queue_init(&region->disco, memory + TN_DERP_QUEUE_BYTES, TN_DERP_QUEUE_DISCO_BYTES);
	return true;
}

void tn_relay_init(struct tn_relay *relay, void *host)
{
	memset(relay, 0, sizeof *relay);
	relay->host = host;
}

void tn_relay_free(struct tn_relay *relay)
{
	for (size_t i = 0; i < TN_REGIONS; i++)
		tn_port_free(relay->regions[i].packets.bytes);
	memset(relay->regions, 0, sizeof relay->regions);
}

void tn_relay_set_open(struct tn_relay *relay, uint16_t id, bool is_open)
{
	tn_port_lock(relay->host);
	struct tn_region *region = is_open ? claim(relay, id) : find(relay, id);
	if (region != NULL) {
		if (is_open)
			region->connection++;
		region->is_open = is_open;
	}
	tn_port_unlock(relay->host);
}

bool tn_relay_is_open(const struct tn_relay *relay, uint16_t id, uint32_t *connection)
{
	const struct tn_region *region = find(relay, id);
	if (region == NULL || !region->is_open)
		return false;
	if (connection != NULL)
		*connection = region->connection;
	return true;
}

bool tn_relay_send(struct tn_relay *relay, uint16_t id, const uint8_t destination[32], const uint8_t *packet, size_t length, bool is_disco, uint64_t now)
{
	uint8_t head[TN_DERP_PACKET_HEADER];
	bool tell = false;
	tn_derp_write_header(head, destination, length);
	tn_port_lock(relay->host);
	struct tn_region *region = claim(relay, id);
	if (region == NULL || !has_queues(region)) {
		relay->refused++;
	} else {
		if (is_disco)
			tn_queue_push(&region->disco, TN_DERP_QUEUE_DISCO, head, sizeof head, packet, length);
		else
			tn_queue_push(&region->packets, region->is_open ? TN_DERP_QUEUE_OPEN : TN_DERP_QUEUE_CLOSED, head, sizeof head, packet, length);
		tell = !region->announced || (!region->is_open && now - region->announced_at >= REMIND_MS);
		if (tell) {
			region->announced = true;
			region->announced_at = now;
		}
	}
	tn_port_unlock(relay->host);
	return tell;
}

void tn_relay_untold(struct tn_relay *relay, uint16_t id)
{
	tn_port_lock(relay->host);
	struct tn_region *region = find(relay, id);
	if (region != NULL)
		region->announced = false;
	tn_port_unlock(relay->host);
}

uint32_t tn_relay_take(struct tn_relay *relay, uint16_t id, uint8_t *buffer, uint32_t size)
{
	uint32_t filled = 0;
	tn_port_lock(relay->host);
	struct tn_region *region = find(relay, id);
	if (region != NULL) {
		struct tn_queue *queues[2] = {&region->disco, &region->packets};
		for (size_t i = 0; i < 2; i++) {
			while (queues[i]->count > 0 && tn_queue_front(queues[i]) <= size - filled) {
				uint32_t length = tn_queue_front(queues[i]);
				tn_queue_pop(queues[i], buffer + filled);
				filled += length;
			}
		}
		if (region->disco.count == 0 && region->packets.count == 0)
			region->announced = false;
	}
	tn_port_unlock(relay->host);
	return filled;
}

uint32_t tn_relay_dropped(const struct tn_relay *relay)
{
	uint32_t dropped = relay->refused;
	for (size_t i = 0; i < TN_REGIONS; i++)
		dropped += relay->regions[i].packets.dropped + relay->regions[i].disco.dropped;
	return dropped;
}

void tn_relay_clear(struct tn_relay *relay)
{
	tn_port_lock(relay->host);
	for (size_t i = 0; i < TN_REGIONS; i++) {
		tn_queue_clear(&relay->regions[i].packets);
		tn_queue_clear(&relay->regions[i].disco);
		relay->regions[i].announced = false;
	}
	tn_port_unlock(relay->host);
}
