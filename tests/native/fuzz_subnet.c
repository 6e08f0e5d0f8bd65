/*
 * Fuzz target: a node with subnet routes that is given packets of a peer for hosts below, and what those hosts do, in any order.
 *
 * The input is a list of actions: u8 kind, u8 length, then length bytes. Nothing may crash, hang, or be read or written out of place, and no flow may outlive the node.
 */
#define TN_TEST_NO_MAIN
#define NET_WIRE 128
#define NET_EVENTS 32
#include "tn_net.h"

enum action {
	PACKET, /* of the peer: addresses, length and checksums are put right; the rest is the input's */
	BELOW,  /* a host answers, refuses, speaks, ends or resets */
	GIVE,   /* control's prefixes */
	TIME,   /* tens of milliseconds */
	ACTIONS,
};

static void say_packet(struct raw *raw, uint8_t *bytes, size_t length)
{
	static const uint8_t host4[4] = {192, 168, 73, 2};
	if (length < 28)
		return;
	if (bytes[0] >> 4 == 6 && length >= 48) {
		bytes[0] = 0x60;
		tn_store16be(bytes + 4, (uint16_t)(length - 40));
		memcpy(bytes + 8, raw->address6, 16);
		memset(bytes + 24, 0, 14);
		bytes[24] = 0xfd;
		bytes[25] = 0x73;
	} else {
		bytes[0] = (uint8_t)(0x45 + (bytes[0] & 1));
		tn_store16be(bytes + 2, (uint16_t)length);
		memcpy(bytes + 12, raw->address4 + 12, 4);
		memcpy(bytes + 16, host4, 3);
	}
	bool is_ip4 = bytes[0] >> 4 == 4;
	uint8_t *protocol = bytes + (is_ip4 ? 9 : 6), *transport = bytes + (is_ip4 ? (bytes[0] & 15) * 4u : 40u);
	size_t left = length - (size_t)(transport - bytes);
	const uint8_t usual[4] = {TN_PROTOCOL_TCP, TN_PROTOCOL_UDP, is_ip4 ? TN_PROTOCOL_ICMP4 : TN_PROTOCOL_ICMP6, *protocol};
	*protocol = usual[bytes[1] % 4];
	if (is_ip4 && bytes[8] % 4 != 0)
		tn_store16be(bytes + 6, 0);
	/* Mostly what is taken: a SYN, a datagram that ends with its packet, an echo request. */
	if (*protocol == TN_PROTOCOL_TCP && left >= 20 && bytes[7] % 2 == 0) {
		transport[12] = 0x50;
		transport[13] = TN_TCP_SYN;
	} else if (*protocol == TN_PROTOCOL_UDP && left >= 8 && bytes[7] % 4 != 0) {
		tn_store16be(transport + 4, (uint16_t)left);
	} else if (left >= 8 && bytes[7] % 4 != 0) {
		tn_store16be(transport, is_ip4 ? 0x0800 : 0x8000);
	}
	tn_checksum_fill(bytes, length);
	net_raw_packet(raw, bytes, length);
}

static void below(const uint8_t *bytes, size_t length)
{
	if (length < 3 || outside_count == 0)
		return;
	struct tn_outside *outside = &outside_sockets[bytes[0] % outside_count];
	if (!outside->is_open)
		return;
	if (!outside->is_stream) {
		outside_say(outside, outside->sent.address, (uint16_t)(bytes[1] % 2 == 0 ? outside->sent.port : bytes[1]), bytes,
		            bytes[2] % 2 == 0 ? length : 1400 * (length > 100));
		return;
	}
	outside->is_answered = true;
	outside->is_refused = !outside->is_connected_before && bytes[1] % 8 == 0;
	outside->is_connected_before = true;
	outside->readable += bytes[2] * 64u;
	outside->has_ended |= bytes[1] % 8 == 1;
	outside->is_reset |= bytes[1] % 32 == 2;
	outside->room = bytes[1] % 8 == 3 ? 0 : SIZE_MAX;
}

static void give(struct host *host, const uint8_t *bytes, size_t length)
{
	uint8_t record[4 + 256] = {TN_COMMAND_SUBNETS};
	memcpy(record + 4, bytes, length);
	net_send(host, record, 4 + length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t usual[36] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 73, 0, 120, 0, 0xfd, 0x73, [34] = 16}, all6[16] = {0};
	struct net *net = net_new();
	struct host *host = net_host(net, 1);
	struct raw *raw = net_raw(host, 3, NULL, 0, 0);
	outside_count = 0;
	net_filter_for(host, 0, UINT32_MAX, all6, 0, 0, 65535, false);
	give(host, usual, sizeof usual);
	net_settle(net);
	net_raw_handshake(raw);
	while (size >= 2) {
		uint8_t bytes[256];
		unsigned kind = data[0] % ACTIONS;
		size_t length = data[1] < size - 2 ? data[1] : size - 2;
		memcpy(bytes, data + 2, length);
		data += 2 + length;
		size -= 2 + length;
		if (kind == PACKET)
			say_packet(raw, bytes, length);
		else if (kind == BELOW)
			below(bytes, length);
		else if (kind == GIVE)
			give(host, bytes, length);
		else
			net_run(net, length > 0 ? bytes[0] * 10u : 1);
		net_run(net, 1);
	}
	if (host->node->interface.subnet.used > TN_SUBNET_FLOWS)
		abort();
	net_free(net);
	for (unsigned i = 0; i < outside_count; i++) {
		if (outside_sockets[i].is_open)
			abort();
	}
	return 0;
}
