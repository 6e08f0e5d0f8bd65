/*
 * See tn_routes.h.
 */
#include "tn_routes.h"

#include <string.h>

#include "tn_bytes.h"
#include "tn_crypto.h"

#define FLAG_FAMILY_6 64
#define FLAG_USED 128

enum { FAMILY_4, FAMILY_6 };

struct prefix {
	uint64_t high, low;
	unsigned family;
};

static const uint64_t mapped = 0x0000ffff00000000u; /* ::ffff:0:0 */

static struct prefix load(unsigned version, const uint8_t *address)
{
	if (version == 4)
		return (struct prefix){0, mapped | tn_load32be(address), FAMILY_4};
	return (struct prefix){tn_load64be(address), tn_load64be(address + 8), FAMILY_6};
}

static inline uint64_t mask_high(unsigned bits)
{
	return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

static inline uint64_t mask_low(unsigned bits)
{
	return bits <= 64 ? 0 : UINT64_MAX << (128 - bits);
}

/* Seeded, so that whoever chooses prefixes cannot make the chains long. */
static uint32_t chain_of(const struct tn_routes *table, uint64_t high, uint64_t low, unsigned bits, unsigned family)
{
	uint64_t x = (high ^ table->seed) * 0x9e3779b97f4a7c15u;
	x = ((x ^ (x >> 32)) + low) * 0xbf58476d1ce4e5b9u;
	x = ((x ^ (x >> 29)) + bits * 2 + family + table->seed) * 0x94d049bb133111ebu;
	return (uint32_t)(x >> 32) & table->head_mask;
}

static inline bool is(const struct tn_route *route, uint64_t high, uint64_t low, unsigned bits, unsigned family)
{
	return route->low == low && route->high == high && route->bits == bits && ((route->flags & FLAG_FAMILY_6) != 0) == (family == FAMILY_6);
}

/* Keeps the list of lengths that occur, longest first. */
static void count_length(struct tn_routes *table, unsigned family, unsigned bits, bool added)
{
	uint32_t *count = &table->lengths_count[family][bits];
	const bool listed = *count > 0;
	if (added)
		++*count;
	else
		--*count;
	if (listed == (*count > 0))
		return;
	unsigned used = 0;
	for (unsigned length = 129; length-- > 0;)
		if (table->lengths_count[family][length] > 0)
			table->lengths[family][used++] = (uint8_t)length;
	table->lengths_used[family] = (uint8_t)used;
}

void tn_routes_init(struct tn_routes *table, struct tn_route *routes, size_t capacity, uint16_t *heads, size_t head_count)
{
	memset(table, 0, sizeof *table);
	table->routes = routes;
	table->heads = heads;
	table->capacity = (uint32_t)(capacity < TN_ROUTE_END ? capacity : TN_ROUTE_END);
	table->head_mask = (uint32_t)(head_count - 1);
	tn_port_random(&table->seed, sizeof table->seed);
	for (size_t i = 0; i < head_count; i++)
		heads[i] = TN_ROUTE_END;
	for (uint32_t i = 0; i < table->capacity; i++) {
		routes[i].flags = 0;
		routes[i].next = (uint16_t)(i + 1 < table->capacity ? i + 1 : TN_ROUTE_END);
	}
	table->free = table->capacity > 0 ? 0 : TN_ROUTE_END;
}

/* Takes a route out of its chain; it is in none then. */
static void unlink_route(struct tn_routes *table, uint16_t at)
{
	const struct tn_route *route = &table->routes[at];
	const unsigned family = route->flags & FLAG_FAMILY_6 ? FAMILY_6 : FAMILY_4;
	uint16_t *link = &table->heads[chain_of(table, route->high, route->low, route->bits, family)];
	while (*link != at)
		link = &table->routes[*link].next;
	*link = route->next;
}

bool tn_routes_add(struct tn_routes *table, uint16_t slot, const uint8_t prefix[16], unsigned bits, unsigned flags)
{
	if (bits > 128)
		return false;
	uint64_t high = tn_load64be(prefix), low = tn_load64be(prefix + 8);
	const unsigned family = high == 0 && low >> 32 == mapped >> 32 && bits >= 96 ? FAMILY_4 : FAMILY_6;
	high &= mask_high(bits);
	low &= mask_low(bits);
	const uint32_t chain = chain_of(table, high, low, bits, family);
	uint16_t at = table->heads[chain];
	while (at != TN_ROUTE_END && !(table->routes[at].slot == slot && is(&table->routes[at], high, low, bits, family)))
		at = table->routes[at].next;
	if (at != TN_ROUTE_END) {
		unlink_route(table, at);
	} else {
		at = table->free;
		if (at == TN_ROUTE_END)
			return false;
		table->free = table->routes[at].next;
		table->count++;
		count_length(table, family, bits, true);
	}
	table->routes[at] = (struct tn_route){
	    high, low, slot, table->heads[chain], (uint8_t)bits, (uint8_t)((flags & TN_ROUTE_SINGLE) | FLAG_USED | (family == FAMILY_6 ? FLAG_FAMILY_6 : 0))};
	table->heads[chain] = at; /* first in its chain: the latest wins */
	return true;
}

void tn_routes_remove(struct tn_routes *table, uint16_t slot)
{
	for (uint32_t i = 0; i < table->capacity; i++) {
		struct tn_route *route = &table->routes[i];
		if (!(route->flags & FLAG_USED) || route->slot != slot)
			continue;
		unlink_route(table, (uint16_t)i);
		count_length(table, route->flags & FLAG_FAMILY_6 ? FAMILY_6 : FAMILY_4, route->bits, false);
		route->flags = 0;
		route->next = table->free;
		table->free = (uint16_t)i;
		table->count--;
	}
}

/*
 * The first route whose prefix of that length holds the address; with `owner` only routes of that slot count.
 * The first of equal prefixes is the latest.
 */
static const struct tn_route *find(const struct tn_routes *table, const struct prefix *address, unsigned bits, int owner)
{
	const uint64_t high = address->high & mask_high(bits), low = address->low & mask_low(bits);
	uint16_t at = table->heads[chain_of(table, high, low, bits, address->family)];
	for (; at != TN_ROUTE_END; at = table->routes[at].next) {
		const struct tn_route *route = &table->routes[at];
		if (is(route, high, low, bits, address->family) && (owner < 0 || route->slot == owner))
			return route;
	}
	return NULL;
}

static int result(const struct tn_route *route)
{
	if (!route)
		return TN_ROUTES_NONE;
	return route->slot == TN_ROUTE_ASK ? TN_ROUTES_ASK : route->slot;
}

static const struct tn_route *longest(const struct tn_routes *table, const struct prefix *address, int owner)
{
	for (unsigned i = 0; i < table->lengths_used[address->family]; i++) {
		const struct tn_route *route = find(table, address, table->lengths[address->family][i], owner);
		if (route)
			return route;
	}
	return NULL;
}

static bool is_node_address(const struct prefix *address)
{
	if (address->family == FAMILY_6)
		return address->high >> 16 == 0xfd7a115ca1e0 && (address->high & 0xffff) != 0x0b1a;
	const uint32_t v4 = (uint32_t)address->low;
	return v4 >> 22 == 0x64400000u >> 22 && v4 >> 9 != 0x64735c00u >> 9;
}

int tn_routes_lookup(const struct tn_routes *table, unsigned version, const uint8_t *address)
{
	const struct prefix prefix = load(version, address);
	return result(longest(table, &prefix, -1));
}

int tn_routes_destination(const struct tn_routes *table, unsigned version, const uint8_t *address)
{
	const struct prefix prefix = load(version, address);
	return result(is_node_address(&prefix) ? find(table, &prefix, 128, -1) : longest(table, &prefix, -1));
}

bool tn_routes_contains(const struct tn_routes *table, uint16_t slot, unsigned version, const uint8_t *address)
{
	const struct prefix prefix = load(version, address);
	return longest(table, &prefix, slot) != NULL;
}

bool tn_routes_is_source(const struct tn_routes *table, uint16_t slot, unsigned version, const uint8_t *address)
{
	const struct prefix prefix = load(version, address);
	if (!is_node_address(&prefix))
		return longest(table, &prefix, slot) != NULL;
	const struct tn_route *route = find(table, &prefix, 128, slot);
	return route && (route->flags & TN_ROUTE_SINGLE);
}

bool tn_routes_is_node_address(unsigned version, const uint8_t *address)
{
	const struct prefix prefix = load(version, address);
	return is_node_address(&prefix);
}
