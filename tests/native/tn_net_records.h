/*
 * Command records of the tests' network: identity, peers, paths, filters. Part of tn_net.h.
 */
#ifndef TN_NET_RECORDS_H
#define TN_NET_RECORDS_H

static inline size_t net_record(uint8_t *out, uint8_t type, uint8_t flags, uint16_t argument)
{
	out[0] = type;
	out[1] = flags;
	tn_store16le(out + 2, argument);
	return 4;
}

static inline void net_identity(struct host *host, uint8_t out[108], bool has_key)
{
	memset(out, 0, 108);
	net_record(out, TN_COMMAND_IDENTITY, 0, 0);
	if (has_key)
		memcpy(out + 4, host->private_key, 32);
	memset(out + 36, (int)(0xd0 + host->number), 32);
	memcpy(out + 68, host->address4 + 12, 4);
	memcpy(out + 72, host->address6, 16);
	tn_store16le(out + 88, 40004);
	tn_store16le(out + 90, 40006);
	tn_store64le(out + 92, 1700000000000u + host->net->now);
	tn_store64le(out + 100, 1800000000u);
}

static inline void net_send(struct host *host, const uint8_t *record, size_t length)
{
	CHECK(tn_node_vm_send(host->node, record, length));
}

static inline uint32_t net_handle(unsigned slot)
{
	return slot | 1u << 16;
}

/** Configures a peer with two single addresses and any further prefixes (18 bytes each, IPv4 in mapped form). */
static inline void net_peer(struct host *host, unsigned slot, const uint8_t key[32], const uint8_t address4[16], const uint8_t address6[16],
                            const uint8_t *prefixes, size_t prefix_count, uint16_t home, uint8_t flags)
{
	uint8_t record[1024] = {0};
	net_record(record, TN_COMMAND_PEER, flags, home);
	tn_store32le(record + 4, net_handle(slot));
	memcpy(record + 8, key, 32);
	tn_store16le(record + 62, (uint16_t)(2 + prefix_count));
	uint8_t *at = record + 64;
	memcpy(at, address4, 16);
	at[16] = 128;
	at[17] = 1;
	memcpy(at + 18, address6, 16);
	at[34] = 128;
	at[35] = 1;
	if (prefix_count > 0)
		memcpy(at + 36, prefixes, 18 * prefix_count);
	net_send(host, record, 64 + 36 + 18 * prefix_count);
}

static inline void net_path(struct host *host, unsigned slot, const uint8_t *endpoint, uint64_t until, uint16_t home)
{
	uint8_t record[36] = {0};
	net_record(record, TN_COMMAND_PATH, 0, home);
	tn_store32le(record + 4, net_handle(slot));
	if (endpoint != NULL)
		memcpy(record + 8, endpoint, 18);
	tn_store64le(record + 28, until);
	net_send(host, record, sizeof record);
}

static inline void net_handle_command(struct host *host, uint8_t type, uint32_t handle, uint8_t flags, uint16_t argument)
{
	uint8_t record[8];
	net_record(record, type, flags, argument);
	tn_store32le(record + 4, handle);
	net_send(host, record, sizeof record);
}

/** A filter block: every source may reach the ports first..last of these addresses, which are local: low4 to high4, and a prefix. (TCP, UDP, ICMP, all.) */
static inline void net_filter_for(struct host *host, uint32_t low4, uint32_t high4, const uint8_t address6[16], uint8_t bits6, uint16_t first, uint16_t last,
                                  bool shields_up)
{
	uint8_t record[4 + 512] = {0};
	uint8_t *block = record + 4;
	uint8_t *at = block + 48;
	net_record(record, TN_COMMAND_FILTER, shields_up ? 1 : 0, 0);
	memcpy(block, "TNF1", 4);
	tn_store32le(block + 8, 2);
	tn_store32le(block + 12, 1);
	tn_store32le(block + 16, 1);
	tn_store32le(block + 20, 1);
	tn_store32le(block + 24, 1);
	tn_store32le(block + 28, 1);
	tn_store32le(block + 32, 1);
	tn_store32le(at + 4, 1);
	tn_store32le(at + 12, 1);
	at += 24;
	tn_store32le(at, 1);
	tn_store32le(at + 8, 1);
	at[22] = 3;
	at += 24;
	tn_store32le(at, low4);
	tn_store32le(at + 4, high4);
	tn_store16le(at + 8, first);
	tn_store16le(at + 10, last);
	tn_store16le(at + 12, 1);
	at += 16;
	tn_store32le(at + 4, bits6);
	tn_store16le(at + 8, first);
	tn_store16le(at + 10, last);
	tn_store16le(at + 12, 1);
	at += 16;
	memset(at, 0xff, 32);
	at += 32;
	tn_store32le(at, low4);
	tn_store32le(at + 4, high4);
	at += 8;
	memcpy(at, address6, 16);
	at += 16;
	memcpy(at, address6, 16);
	at[16] = bits6;
	at += 17;
	tn_store32le(block + 4, (uint32_t)(at - block));
	CHECK_EQ(tn_filter_check_block(block, (size_t)(at - block)), 0);
	net_send(host, record, (size_t)(at - record));
}

/** The same for the node's own two addresses. */
static inline void net_filter(struct host *host, uint16_t first, uint16_t last, bool shields_up)
{
	uint32_t ip4 = tn_load32be(host->address4 + 12);
	net_filter_for(host, ip4, ip4, host->address6, 128, first, last, shields_up);
}

#endif
