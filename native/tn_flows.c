/* The table of flows, see tn_flows.h: entries in one array, a list by age through them, chains from hash buckets. */
#include "tn_flows.h"

#include <string.h>

#include "tn_bytes.h"

_Static_assert((TN_FLOWS_BUCKETS & (TN_FLOWS_BUCKETS - 1)) == 0, "the hash is cut to a power of two");
_Static_assert(TN_FLOWS_MAX > 0 && TN_FLOWS_MAX < 0xffff, "indices are 16 bits");

static uint32_t mix(uint32_t hash, uint32_t word)
{
	hash = (hash ^ word) * 0x9e3779b1u;
	return hash ^ hash >> 15;
}

static uint16_t *bucket_of(struct tn_flows *flows, const struct tn_flow *key)
{
	uint32_t hash = flows->seed;
	for (size_t i = 0; i < 16; i += 4) {
		hash = mix(hash, tn_load32le(key->source + i));
		hash = mix(hash, tn_load32le(key->destination + i));
	}
	hash = mix(hash, (uint32_t)key->source_port << 16 | key->destination_port);
	return &flows->buckets[mix(hash, key->protocol) & (TN_FLOWS_BUCKETS - 1)];
}

static struct tn_flow make_key(uint8_t protocol, const uint8_t source[16], uint16_t source_port, const uint8_t destination[16], uint16_t destination_port)
{
	struct tn_flow key = {.source_port = source_port, .destination_port = destination_port, .protocol = protocol};
	memcpy(key.source, source, 16);
	memcpy(key.destination, destination, 16);
	return key;
}

static bool is_same(const struct tn_flow *a, const struct tn_flow *b)
{
	return a->source_port == b->source_port && a->destination_port == b->destination_port && a->protocol == b->protocol &&
	       memcmp(a->destination, b->destination, 16) == 0 && memcmp(a->source, b->source, 16) == 0;
}

static void list_remove(struct tn_flows *flows, struct tn_flow *flow)
{
	if (flow->newer)
		flows->entries[flow->newer - 1].older = flow->older;
	else
		flows->newest = flow->older;
	if (flow->older)
		flows->entries[flow->older - 1].newer = flow->newer;
	else
		flows->oldest = flow->newer;
}

static void list_push(struct tn_flows *flows, uint16_t index)
{
	struct tn_flow *flow = &flows->entries[index - 1];
	flow->newer = 0;
	flow->older = flows->newest;
	if (flows->newest)
		flows->entries[flows->newest - 1].newer = index;
	else
		flows->oldest = index;
	flows->newest = index;
}

/** Index of a known flow, made the most recent; 0 if it is not there. */
static uint16_t find(struct tn_flows *flows, const struct tn_flow *key)
{
	for (uint16_t index = *bucket_of(flows, key); index; index = flows->entries[index - 1].chain) {
		if (!is_same(&flows->entries[index - 1], key))
			continue;
		if (flows->newest != index) {
			list_remove(flows, &flows->entries[index - 1]);
			list_push(flows, index);
		}
		return index;
	}
	return 0;
}

/** Takes the oldest entry out of list and chain. @return its index */
static uint16_t evict(struct tn_flows *flows)
{
	const uint16_t index = flows->oldest;
	struct tn_flow *flow = &flows->entries[index - 1];
	list_remove(flows, flow);
	uint16_t *link = bucket_of(flows, flow);
	while (*link != index)
		link = &flows->entries[*link - 1].chain;
	*link = flow->chain;
	return index;
}

void tn_flows_init(struct tn_flows *flows, uint32_t seed)
{
	flows->seed = seed;
	tn_flows_clear(flows);
}

void tn_flows_clear(struct tn_flows *flows)
{
	flows->count = 0;
	flows->newest = 0;
	flows->oldest = 0;
	memset(flows->buckets, 0, sizeof flows->buckets);
}

void tn_flows_insert(struct tn_flows *flows, uint8_t protocol, const uint8_t source[16], uint16_t source_port, const uint8_t destination[16],
                     uint16_t destination_port)
{
	const struct tn_flow key = make_key(protocol, source, source_port, destination, destination_port);
	if (find(flows, &key))
		return;
	const uint16_t index = flows->count < TN_FLOWS_MAX ? ++flows->count : evict(flows);
	struct tn_flow *flow = &flows->entries[index - 1];
	*flow = key;
	uint16_t *bucket = bucket_of(flows, flow);
	flow->chain = *bucket;
	*bucket = index;
	list_push(flows, index);
}

bool tn_flows_touch(struct tn_flows *flows, uint8_t protocol, const uint8_t source[16], uint16_t source_port, const uint8_t destination[16],
                    uint16_t destination_port)
{
	const struct tn_flow key = make_key(protocol, source, source_port, destination, destination_port);
	return find(flows, &key) != 0;
}
