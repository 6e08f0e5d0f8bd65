/*
 * The packet filter: evaluates a compiled block of rules, and the flows they imply (protocol/filter.md §3, §4). Rules only allow; what no
 * rule allows is dropped. The block is made by modules/netmap/filter-link.ts; it has no pointers and stays where the caller put it.
 *
 *   0    magic "TNF1"
 *   4    u32 length of the block
 *   8    u32 source sets                24 bytes each; set 0 is the local networks
 *   12   u32 IPv4 destinations          16 bytes each
 *   16   u32 IPv6 destinations          16 bytes each
 *   20   u32 protocol classes            32 bytes each, 1..256
 *   24   u32 IPv4 ranges                 8 bytes each
 *   28   u32 IPv6 addresses              16 bytes each, of destinations
 *   32   u32 IPv6 prefixes               17 bytes each
 *   36   u32 capability ids              2 bytes each
 *   40   u16 ids for ICMPv4, u16 ids for ICMPv6: the first and the following ones of the capability ids
 *   44   u32 0
 *   48   the tables in that order, without gaps
 *
 *   source set         u32 first IPv4 range, u32 count, u32 first IPv6 prefix, u32 count, u32 first capability id, u16 count, u16 flags:
 *                      bit 0 every IPv4 source, bit 1 every IPv6 source
 *   IPv4 destination   u32 first address, u32 last, u16 first port, u16 last, u16 source set, u8 protocol class, u8 0
 *   IPv6 destination   u32 index of its address, u32 prefix length, then the same
 *   protocol class     bit n of byte n / 8 is protocol n
 *   IPv4 range         u32 first, u32 last address; within a set ascending and disjoint
 *   IPv6 prefix        address 16, length u8; host bits zero; within a set ascending and disjoint
 *   capability id      u16
 *
 * All integers are little-endian, also the IPv4 addresses (as numbers). A capability source opens ICMP to every local address of a family
 * in which its rule has a destination (filter.md §3.5): those ids stand in the two ICMP lists.
 */
#ifndef TN_FILTER_H
#define TN_FILTER_H

#include "tn_flows.h"
#include "tn_packet.h"

#define TN_FILTER_HEADER 48

enum tn_verdict {
	TN_DROP = 0,
	TN_ACCEPT = 1,
};

/** Whether the node that has this single address (16 bytes, IPv4 v4-mapped) holds a capability. Called while a packet is judged. */
typedef bool (*tn_has_capability)(void *context, const uint8_t address[16], uint16_t capability);

enum tn_filter_state {
	TN_FILTER_BLOCKS_ALL = 0, /* no netmap: only later fragments pass */
	TN_FILTER_RULES = 1,
	TN_FILTER_SHIELDS_UP = 2, /* local networks count, rules do not */
};

/** One filter. A node has two over the same block: the normal one, and one for jailed peers, always shields up, with flows of its own. */
struct tn_filter {
	enum tn_filter_state state;
	struct tn_flows *flows;
	/* The tables of the installed block. */
	const uint8_t *sets;
	const uint8_t *destinations4;
	const uint8_t *destinations6;
	const uint8_t *classes;
	const uint8_t *ranges4;
	const uint8_t *addresses6;
	const uint8_t *prefixes6;
	const uint8_t *capabilities;
	uint32_t destination4_count;
	uint32_t destination6_count;
	uint16_t icmp4_count;
	uint16_t icmp6_count;
};

/** Checks a block: every count, offset, index and order. @return 0 if the evaluator can use it without any further check, -1 if it must be refused */
int tn_filter_check_block(const uint8_t *block, size_t length);

/** A filter that blocks all. @param flows its table, for its whole life; tn_flows_init was called. Not shared with another filter */
void tn_filter_init(struct tn_filter *filter, struct tn_flows *flows);

/**
 * Installs a block, between two packets. The flows are kept, except when shields go up (filter.md §4).
 * The block must stay in place until the next install or tn_filter_block_all; the one before is free when this returns.
 * @return 0, or -1 if the block is bad: then the filter blocks all (never the old rules, never half of the new)
 */
int tn_filter_install(struct tn_filter *filter, const uint8_t *block, size_t length, bool shields_up);

/** Before the first netmap, after logout: only later fragments pass. Forgets all flows. */
void tn_filter_block_all(struct tn_filter *filter);

/**
 * Judges a packet from a peer, after decryption, the check of its inner source and masquerade.
 * @param packet parsed; an empty one (present 0) is accepted
 * @param has_capability asked for rules with capability sources; NULL = nobody has any
 */
enum tn_verdict tn_filter_in(struct tn_filter *filter, const struct tn_packet *packet, tn_has_capability has_capability, void *context);

/** Judges a packet of ours to a peer, before masquerade; notes the flow of UDP and SCTP. */
enum tn_verdict tn_filter_out(struct tn_filter *filter, const struct tn_packet *packet);

/** Whether an address (16 bytes, as family 4 or 6) is in the local networks of the installed block. */
bool tn_filter_is_local(const struct tn_filter *filter, unsigned version, const uint8_t address[16]);

#endif
