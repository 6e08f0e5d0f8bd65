/* tn_routes.h against the vectors and against a list that is searched from end to end. */
#include "tn_routes.h"

#include "tn_vectors.h"
#include "vectors_wireguard.h"

#include <arpa/inet.h>

#define CAPACITY 1200

static struct tn_routes table;
static struct tn_route routes[CAPACITY];
static uint16_t heads[2048];

static void start(size_t capacity)
{
	tn_routes_init(&table, routes, capacity, heads, 2048);
}

/* "10.0.0.1" or "fd00::1": the bytes of the packet, and the version. */
static unsigned parse(const char *text, uint8_t out[16])
{
	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	CHECK_EQ(inet_pton(AF_INET6, text, out), 1);
	return 6;
}

static bool add(uint16_t slot, const char *prefix, unsigned flags)
{
	char text[64];
	uint8_t raw[16], address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	unsigned bits = 0;
	strncpy(text, prefix, sizeof text - 1);
	text[sizeof text - 1] = 0;
	char *slash = strchr(text, '/');
	if (slash) {
		*slash = 0;
		bits = (unsigned)atoi(slash + 1);
	}
	const unsigned version = parse(text, raw);
	if (version == 4) {
		memcpy(address + 12, raw, 4);
		bits = slash ? bits + 96 : 128;
	} else {
		memcpy(address, raw, 16);
		bits = slash ? bits : 128;
	}
	return tn_routes_add(&table, slot, address, bits, flags);
}

static int lookup(const char *text)
{
	uint8_t address[16];
	const unsigned version = parse(text, address);
	return tn_routes_lookup(&table, version, address);
}

static int destination(const char *text)
{
	uint8_t address[16];
	const unsigned version = parse(text, address);
	return tn_routes_destination(&table, version, address);
}

static bool is_source(uint16_t slot, const char *text)
{
	uint8_t address[16];
	const unsigned version = parse(text, address);
	return tn_routes_is_source(&table, slot, version, address);
}

static bool contains(uint16_t slot, const char *text)
{
	uint8_t address[16];
	const unsigned version = parse(text, address);
	return tn_routes_contains(&table, slot, version, address);
}

/* Slots of the vectors' peer names, in order of appearance. */
static const char *names[256];
static unsigned name_count;

static uint16_t slot_of(const char *name)
{
	for (unsigned i = 0; i < name_count; i++)
		if (strcmp(names[i], name) == 0)
			return (uint16_t)i;
	if (!CHECK(name_count < 256))
		return 0;
	names[name_count] = name;
	return (uint16_t)name_count++;
}

TN_VECTOR_TEST("wireguard", "[tunnel 45] every allowedips vector: look-ups, and both verdicts on sources")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_wireguard, "allowedips");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		const struct tn_vector *entries = tn_vector_get(&list->items[i], "table"), *lookups = tn_vector_get(&list->items[i], "lookups");
		const struct tn_vector *sources = tn_vector_get(&list->items[i], "source_check");
		start(CAPACITY);
		name_count = 0;
		TEST_VECTOR(tn_vector_get(&list->items[i], "name")->text);
		for (size_t k = 0; k < entries->count; k++)
			CHECK(add(slot_of(tn_vector_get(&entries->items[k], "peer")->text), tn_vector_get(&entries->items[k], "prefix")->text, 0));
		CHECK(lookups->count > 0);
		for (size_t k = 0; k < lookups->count; k++) {
			const struct tn_vector *peer = tn_vector_get(&lookups->items[k], "peer");
			TEST_VECTOR(tn_vector_get(&lookups->items[k], "dst")->text);
			const int want = peer->type == TN_VECTOR_NULL ? TN_ROUTES_NONE : slot_of(peer->text);
			CHECK_EQ(lookup(tn_vector_get(&lookups->items[k], "dst")->text), want);
		}
		for (size_t k = 0; k < sources->count; k++) {
			const struct tn_vector *item = &sources->items[k];
			const char *source = tn_vector_get(item, "src")->text;
			TEST_VECTOR(source);
			const uint16_t slot = slot_of(tn_vector_get(item, "peer")->text);
			CHECK_EQ(contains(slot, source), tn_vector_true(tn_vector_get(item, "in_own_set")));
			CHECK_EQ(lookup(source) == slot, tn_vector_true(tn_vector_get(item, "longest_match_is_this_peer")));
		}
	}
}

TN_TEST("[tunnel 39] an inner source outside the peer's AllowedIPs is dropped")
{
	enum { A, EXIT, V4_ONLY };
	start(CAPACITY);
	add(A, "100.64.0.1", TN_ROUTE_SINGLE);
	add(A, "fd7a:115c:a1e0::1", TN_ROUTE_SINGLE);
	add(EXIT, "100.64.0.9", TN_ROUTE_SINGLE);
	add(EXIT, "fd7a:115c:a1e0::9", TN_ROUTE_SINGLE);
	add(EXIT, "0.0.0.0/0", 0);
	add(EXIT, "::/0", 0);
	add(V4_ONLY, "100.64.0.2", TN_ROUTE_SINGLE);
	CHECK(is_source(A, "100.64.0.1") && is_source(A, "fd7a:115c:a1e0::1"));
	CHECK(!is_source(A, "100.64.0.2") && !is_source(A, "fd7a:115c:a1e0::2") && !is_source(A, "8.8.8.8"));
	/* v6 from a v4-only peer, and v4-mapped v6, which is no v4 */
	CHECK(is_source(V4_ONLY, "100.64.0.2"));
	CHECK(!is_source(V4_ONLY, "fd7a:115c:a1e0::2") && !is_source(V4_ONLY, "::ffff:100.64.0.2"));
	CHECK(!is_source(A, "::ffff:100.64.0.1"));
	/* an exit node may speak for the Internet, not for another node */
	CHECK(is_source(EXIT, "8.8.8.8") && is_source(EXIT, "2600::1") && is_source(EXIT, "100.64.0.9"));
	CHECK(!is_source(EXIT, "100.64.0.1") && !is_source(EXIT, "fd7a:115c:a1e0::1"));
	CHECK(!is_source(EXIT, "100.64.0.77") && !is_source(EXIT, "100.127.255.255") && !is_source(EXIT, "fd7a:115c:a1e0:ffff::1"));
	CHECK(contains(EXIT, "100.64.0.1"));
	CHECK(is_source(EXIT, "100.63.255.255") && is_source(EXIT, "100.128.0.0") && is_source(EXIT, "fd7a:115c:a1e1::1"));
}

TN_TEST("a full-length prefix in the node ranges is a source only when it is a single address of the peer itself")
{
	start(CAPACITY);
	add(1, "100.64.0.1", 0);
	add(1, "192.168.7.7/32", 0);
	CHECK(!is_source(1, "100.64.0.1"));
	CHECK(is_source(1, "192.168.7.7"));
	add(1, "100.64.0.1", TN_ROUTE_SINGLE);
	CHECK(is_source(1, "100.64.0.1"));
}

TN_TEST("4via6 subnets and the ChromeOS range follow the set test, though they lie inside the node ranges")
{
	start(CAPACITY);
	add(1, "fd7a:115c:a1e0:b1a:0:7:a00:0/104", 0);
	add(1, "100.115.92.0/24", 0);
	CHECK(is_source(1, "fd7a:115c:a1e0:b1a:0:7:a01:203"));
	CHECK(!is_source(1, "fd7a:115c:a1e0:b1a:0:8:a01:203"));
	CHECK(is_source(1, "100.115.92.7"));
	CHECK(!is_source(1, "100.115.94.7"));
	CHECK_EQ(destination("fd7a:115c:a1e0:b1a:0:7:a01:203"), 1);
	CHECK_EQ(destination("100.115.92.7"), 1);
}

TN_TEST("an outgoing packet for a node address goes to the peer that lists it or to nobody")
{
	start(CAPACITY);
	add(3, "0.0.0.0/0", 0);
	add(3, "::/0", 0);
	add(4, "100.64.0.4", TN_ROUTE_SINGLE);
	CHECK_EQ(destination("100.64.0.4"), 4);
	CHECK_EQ(destination("100.64.0.5"), TN_ROUTES_NONE);
	CHECK_EQ(destination("fd7a:115c:a1e0::5"), TN_ROUTES_NONE);
	CHECK_EQ(destination("1.1.1.1"), 3);
	CHECK_EQ(destination("2600::1"), 3);
	CHECK_EQ(lookup("100.64.0.5"), 3);
}

TN_TEST("a prefix of a peer that is not configured shadows shorter ones")
{
	start(CAPACITY);
	add(3, "0.0.0.0/0", 0);
	add(TN_ROUTE_ASK, "10.0.0.0/8", 0);
	add(5, "10.1.0.0/16", 0);
	CHECK_EQ(destination("10.2.0.1"), TN_ROUTES_ASK);
	CHECK_EQ(destination("10.1.0.1"), 5);
	CHECK_EQ(destination("11.0.0.1"), 3);
	tn_routes_remove(&table, TN_ROUTE_ASK);
	CHECK_EQ(destination("10.2.0.1"), 3);
}

TN_TEST("of two peers with the same prefix the later entry wins, and both may use it as source")
{
	start(CAPACITY);
	add(1, "10.0.0.0/8", 0);
	add(2, "10.9.9.9/8", 0); /* host bits do not count */
	CHECK_EQ(lookup("10.1.1.1"), 2);
	CHECK(is_source(1, "10.1.1.1") && is_source(2, "10.1.1.1"));
	add(1, "10.0.0.0/8", 0);
	CHECK_EQ(lookup("10.1.1.1"), 1);
	CHECK_EQ(table.count, 2);
	tn_routes_remove(&table, 1);
	CHECK_EQ(lookup("10.1.1.1"), 2);
	tn_routes_remove(&table, 2);
	CHECK_EQ(lookup("10.1.1.1"), TN_ROUTES_NONE);
	CHECK_EQ(table.count, 0);
}

TN_TEST("a full table refuses, keeps what it has, and gives back what is removed")
{
	start(3);
	CHECK(add(1, "100.64.0.1", 1) && add(1, "100.64.0.2", 1) && add(2, "100.64.0.3", 1));
	CHECK(!add(2, "100.64.0.4", 1));
	CHECK(add(2, "100.64.0.3", 1));
	CHECK_EQ(lookup("100.64.0.3"), 2);
	CHECK_EQ(lookup("100.64.0.4"), TN_ROUTES_NONE);
	tn_routes_remove(&table, 1);
	CHECK(add(2, "100.64.0.4", 1) && add(2, "100.64.0.5", 1) && !add(2, "100.64.0.6", 1));
	const uint8_t zero[16] = {0};
	CHECK(!tn_routes_add(&table, 1, zero, 129, 0));
}

/* The model: a list searched from end to end. */
static struct entry {
	uint8_t address[16];
	unsigned bits;
	bool v4;
	uint16_t slot;
} model[CAPACITY];
static unsigned model_count;

static bool prefix_holds(const struct entry *entry, bool v4, const uint8_t address[16])
{
	if (entry->v4 != v4)
		return false;
	for (unsigned bit = 0; bit < entry->bits; bit++)
		if ((entry->address[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

TN_TEST("[tunnel 45] 1,000 prefixes look up as a list does, in bounded time")
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	start(CAPACITY);
	model_count = 0;
	for (unsigned i = 0; i < 1000; i++) {
		struct entry *entry = &model[model_count];
		entry->v4 = tn_test_random_below(2) == 0;
		entry->slot = (uint16_t)tn_test_random_below(50);
		memset(entry->address, 0, 16);
		/* Few distinct bits, so that prefixes nest and repeat. */
		if (entry->v4) {
			memcpy(entry->address, mapped, 12);
			entry->bits = 96 + tn_test_random_below(33);
			for (unsigned k = 12; k < 16; k++)
				entry->address[k] = (uint8_t)(tn_test_random_below(2) * 0x81);
		} else {
			entry->bits = tn_test_random_below(129);
			entry->address[0] = 0xfc; /* not v4-mapped */
			for (unsigned k = 1; k < 16; k++)
				entry->address[k] = (uint8_t)(tn_test_random_below(2) * 0x81);
		}
		if (!entry->v4 && entry->bits >= 96 && memcmp(entry->address, mapped, 12) == 0)
			continue;
		CHECK(tn_routes_add(&table, entry->slot, entry->address, entry->bits, 0));
		model_count++;
	}
	CHECK(table.lengths_used[0] <= 33 && table.lengths_used[1] <= 129);
	for (unsigned i = 0; i < 5000; i++) {
		uint8_t address[16];
		const bool v4 = i % 2 == 0;
		for (unsigned k = 0; k < 16; k++)
			address[k] = (uint8_t)(tn_test_random_below(2) * 0x81);
		address[0] = 0xfc;
		if (v4)
			memcpy(address, mapped, 12);
		int want = TN_ROUTES_NONE;
		unsigned bits = 0;
		const uint16_t slot = (uint16_t)tn_test_random_below(50);
		bool held = false;
		for (unsigned k = 0; k < model_count; k++) {
			if (!prefix_holds(&model[k], v4, address))
				continue;
			held = held || model[k].slot == slot;
			if (want == TN_ROUTES_NONE || model[k].bits >= bits) {
				want = model[k].slot;
				bits = model[k].bits;
			}
		}
		const uint8_t *query = v4 ? address + 12 : address;
		CHECK_EQ(tn_routes_lookup(&table, v4 ? 4 : 6, query), want);
		CHECK_EQ(tn_routes_contains(&table, slot, v4 ? 4 : 6, query), held);
	}
	/* The longest chain says how many steps a probe may take. */
	unsigned longest_chain = 0;
	for (unsigned i = 0; i < 2048; i++) {
		unsigned length = 0;
		for (uint16_t at = heads[i]; at != TN_ROUTE_END; at = routes[at].next)
			length++;
		if (length > longest_chain)
			longest_chain = length;
	}
	CHECK(longest_chain < 60);
	for (uint16_t slot = 0; slot < 50; slot++)
		tn_routes_remove(&table, slot);
	CHECK_EQ(table.count, 0);
	CHECK_EQ(table.lengths_used[0] + table.lengths_used[1], 0);
}
