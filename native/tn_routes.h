/*
 * Cryptokey routing: which peer a destination belongs to and which sources a peer may use (its AllowedIPs).
 * protocol/tunnel.md §3.5.
 *
 * A route is a prefix and a peer slot. All routes lie in one array given by the caller, chained in a hash table by (family, bits,
 * prefix). A look-up tries only the prefix lengths that occur, longest first: one probe for a node's own address, at most 33
 * (IPv4) or 129 (IPv6) whatever the number of routes. The same prefix may belong to several peers: as a source it counts for each, as
 * a destination for the one added last.
 *
 * Addresses in queries are as they stand in the packet: 4 bytes for version 4, 16 for version 6. Prefixes are always 16 bytes, IPv4 as
 * ::ffff:a.b.c.d with 96 more bits, as in tn_records.h. The families never match each other: a packet from ::ffff:100.64.0.1 is an
 * IPv6 packet.
 */
#ifndef TN_ROUTES_H
#define TN_ROUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Results of a look-up that are not a slot. */
#define TN_ROUTES_NONE (-1) /* no route */
#define TN_ROUTES_ASK (-2)  /* the longest match belongs to a peer that has no slot: ask the netmap */

/** As a slot: the prefix belongs to some peer that is not configured. It shadows shorter prefixes of peers that are. */
#define TN_ROUTE_ASK 0xffff

/* Flags of a route (those of the prefixes in TN_COMMAND_PEER). */
#define TN_ROUTE_SINGLE 1 /* a single address of the peer itself */

#define TN_ROUTE_END 0xffff /* end of a chain; so there are at most 65,535 routes */

struct tn_route {
	uint64_t high, low; /* the prefix, host bits zero */
	uint16_t slot;
	uint16_t next; /* in its chain or in the free list */
	uint8_t bits;  /* 0..128; IPv4 96..128 */
	uint8_t flags; /* TN_ROUTE_SINGLE; internal: family, in use */
};

struct tn_routes {
	struct tn_route *routes;
	uint16_t *heads;
	uint32_t head_mask;
	uint32_t capacity, count;
	uint16_t free;
	uint64_t seed;
	uint32_t lengths_count[2][129]; /* routes of each length, by family: 0 IPv4, 1 IPv6 */
	uint8_t lengths[2][129];        /* the lengths that occur, longest first */
	uint8_t lengths_used[2];
};

/**
 * Starts an empty table.
 * @param routes array of capacity routes, at most 65,535; stays in use
 * @param heads array of head_count chain heads; a power of two, best at least capacity; stays in use
 */
void tn_routes_init(struct tn_routes *table, struct tn_route *routes, size_t capacity, uint16_t *heads, size_t head_count);

/**
 * Adds a prefix of a peer. Host bits are ignored. A prefix that the peer has already only gets the flags and becomes the latest.
 * @param slot the peer's, or TN_ROUTE_ASK
 * @param prefix 16 bytes; IPv4 as ::ffff:a.b.c.d
 * @param bits 0..128; IPv4 96..128
 * @param flags TN_ROUTE_SINGLE or 0; without it a full-length prefix is no source inside the node ranges
 * @return false when the table is full or bits is above 128; nothing has changed then
 */
bool tn_routes_add(struct tn_routes *table, uint16_t slot, const uint8_t prefix[16], unsigned bits, unsigned flags);

/** Removes all prefixes of a slot (also of TN_ROUTE_ASK). Walks the whole array: for changes of configuration, not for packets. */
void tn_routes_remove(struct tn_routes *table, uint16_t slot);

/**
 * The peer of the longest prefix that contains the address, among all routes; of equal prefixes the one added last.
 * @return a slot, TN_ROUTES_NONE or TN_ROUTES_ASK
 */
int tn_routes_lookup(const struct tn_routes *table, unsigned version, const uint8_t *address);

/**
 * Where an outgoing packet goes. As tn_routes_lookup, but an address of the node ranges (tn_routes_is_node_address) belongs to the
 * peer that lists it or to nobody: since only active peers are configured, an exit node's 0.0.0.0/0 must not draw in
 * the packets for a node that waits in the netmap.
 * @return a slot; TN_ROUTES_NONE or TN_ROUTES_ASK: the netmap may know
 */
int tn_routes_destination(const struct tn_routes *table, unsigned version, const uint8_t *address);

/** Whether the address lies in any prefix of the peer (the test of the official node). */
bool tn_routes_contains(const struct tn_routes *table, uint16_t slot, unsigned version, const uint8_t *address);

/**
 * Whether a packet from this peer may have this source. As tn_routes_contains, but a source in the node ranges must be one of the
 * peer's own single addresses: so an exit node cannot speak as another node.
 */
bool tn_routes_is_source(const struct tn_routes *table, uint16_t slot, unsigned version, const uint8_t *address);

/**
 * Whether an address is of the ranges where each address is a node: 100.64.0.0/10 without 100.115.92.0/23 (ChromeOS),
 * fd7a:115c:a1e0::/48 without fd7a:115c:a1e0:b1a::/64 (4via6: subnets behind a router). §3.4
 */
bool tn_routes_is_node_address(unsigned version, const uint8_t *address);

#endif
