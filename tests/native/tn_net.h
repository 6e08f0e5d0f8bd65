/*
 * A network without sockets for the tests of the tunnel: nodes of ours, raw WireGuard peers that can say anything, a wire that loses, repeats and
 * reorders on wish, a DERP server, and time that passes only when a test says so. Include once, before tn_test.h.
 *
 *   struct net *net = net_new();
 *   struct host *a = net_host(net, 1), *b = net_host(net, 2);     100.64.0.1 and fd7a:115c:a1e0::1, ...
 *   net_peers(a, b);                                              know each other, direct and trusted
 *   net_run(net, 1000);                                           one second passes, or until all is quiet
 *
 * VM side: events of the nodes are collected in host->events; socket events also set host->sockets.
 */
#ifndef TN_NET_H
#define TN_NET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_derp.h"
#include "tn_netif.h"
#include "tn_node_internal.h"
#include "tn_port.h"
#include "tn_test.h"

#define NET_HOSTS 4
#ifndef NET_WIRE
#define NET_WIRE 8192
#define NET_EVENTS 4096
#endif
#define NET_RAW 8
#define NET_REGION 9

struct net_datagram {
	uint8_t from[18], to[18];
	uint16_t length;
	uint8_t bytes[2100];
};

struct net_event {
	uint8_t bytes[2304];
	size_t length;
};

struct net_socket {
	bool connected, closed, accepted;
	uint8_t reason;
	uint32_t readable, writable;
	uint16_t port;
};

struct host {
	struct net *net;
	unsigned number;
	struct tn_node *node;
	uint8_t private_key[32], public_key[32], endpoint[18], address4[16], address6[16];
	bool is_woken, has_derp;
	uint32_t connection;
	uint64_t wanted_at;
	struct net_event events[NET_EVENTS];
	size_t event_count;
	struct net_socket sockets[TN_SOCKETS];
	uint32_t last_accepted;
	unsigned sent_udp, sent_derp;
	uint16_t rebound;
};

/** A WireGuard peer without an IP stack: what it opens is kept. */
struct raw {
	struct net *net;
	struct tn_wg wg;
	struct tn_wg_peer peers[2];
	struct tn_wg_index indices[TN_WG_INDICES(2)];
	uint8_t private_key[32], public_key[32], endpoint[18], address4[16], address6[16];
	struct host *host; /* slot 0 */
	struct net_datagram packets[256];
	size_t packet_count;
	bool has_session;
};

struct net {
	uint64_t now;
	struct host *hosts[NET_HOSTS];
	struct raw *raws[NET_RAW];
	struct net_datagram *wire, *spare;
	size_t wire_count;
	unsigned loss, duplicates, reordering; /* percent */
	bool is_cut;
};

static struct net *net_current;

/* ---- tn_port.h ---- */

void *tn_port_allocate(size_t size)
{
	return calloc(1, size);
}

void tn_port_free(void *memory)
{
	free(memory);
}

void tn_port_kick(void *host)
{
	(void)host;
}

void tn_port_wake(void *host)
{
	((struct host *)host)->is_woken = true;
}

void tn_port_lock(void *host)
{
	(void)host;
}

void tn_port_unlock(void *host)
{
	(void)host;
}

bool tn_port_rebind(void *host, uint16_t port)
{
	((struct host *)host)->rebound = port;
	return true;
}

/** lwIP's clock. */
u32_t sys_now(void)
{
	return net_current != NULL ? (u32_t)net_current->now : 0;
}

static inline void net_put(struct net *net, const uint8_t *from, const uint8_t *to, const uint8_t *bytes, size_t length)
{
	if (net->wire_count >= NET_WIRE || length > sizeof net->wire[0].bytes || net->is_cut)
		return;
	if (net->loss > 0 && tn_test_random_below(100) < net->loss)
		return;
	struct net_datagram *datagram = &net->wire[net->wire_count++];
	memcpy(datagram->from, from, 18);
	memcpy(datagram->to, to, 18);
	memcpy(datagram->bytes, bytes, length);
	datagram->length = (uint16_t)length;
	if (net->duplicates > 0 && tn_test_random_below(100) < net->duplicates && net->wire_count < NET_WIRE)
		net->wire[net->wire_count++] = *datagram;
	if (net->reordering > 0 && net->wire_count > 1 && tn_test_random_below(100) < net->reordering) {
		size_t other = tn_test_random_below((uint32_t)net->wire_count - 1);
		struct net_datagram swapped = net->wire[other];
		net->wire[other] = net->wire[net->wire_count - 1];
		net->wire[net->wire_count - 1] = swapped;
	}
}

void tn_port_send(void *context, struct tn_out *out)
{
	struct host *host = context;
	for (uint32_t i = 0; i < out->run_count; i++) {
		const struct tn_out_run *run = &out->runs[i];
		CHECK(run->segments <= TN_OUT_RUN_SEGMENTS && run->length <= TN_OUT_RUN_BYTES);
		for (uint32_t at = 0; at < run->length; at += run->segment) {
			uint32_t length = run->length - at < run->segment ? run->length - at : run->segment;
			host->sent_udp++;
			net_put(host->net, host->endpoint, run->endpoint, out->bytes + run->offset + at, length);
		}
	}
}

/* ---- Records ---- */

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

/** A filter block: every source may reach the ports first..last of the node's two addresses. (TCP, UDP, ICMP, all.) */
static inline void net_filter(struct host *host, uint16_t first, uint16_t last, bool shields_up)
{
	uint8_t record[4 + 512] = {0};
	uint8_t *block = record + 4;
	uint8_t *at = block + 48;
	uint32_t ip4 = tn_load32be(host->address4 + 12);
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
	tn_store32le(at, ip4);
	tn_store32le(at + 4, ip4);
	tn_store16le(at + 8, first);
	tn_store16le(at + 10, last);
	tn_store16le(at + 12, 1);
	at += 16;
	tn_store32le(at + 4, 128);
	tn_store16le(at + 8, first);
	tn_store16le(at + 10, last);
	tn_store16le(at + 12, 1);
	at += 16;
	memset(at, 0xff, 32);
	at += 32;
	tn_store32le(at, ip4);
	tn_store32le(at + 4, ip4);
	at += 8;
	memcpy(at, host->address6, 16);
	at += 16;
	memcpy(at, host->address6, 16);
	at[16] = 128;
	at += 17;
	tn_store32le(block + 4, (uint32_t)(at - block));
	CHECK_EQ(tn_filter_check_block(block, (size_t)(at - block)), 0);
	net_send(host, record, (size_t)(at - record));
}

/* ---- Building ---- */

static inline void net_addresses(unsigned number, uint8_t address4[16], uint8_t address6[16], uint8_t endpoint[18])
{
	static const uint8_t prefix6[6] = {0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0};
	memset(address4, 0, 16);
	memset(address6, 0, 16);
	address4[10] = address4[11] = 0xff;
	address4[12] = 100;
	address4[13] = 64;
	address4[15] = (uint8_t)number;
	memcpy(address6, prefix6, 6);
	address6[15] = (uint8_t)number;
	memset(endpoint, 0, 18);
	endpoint[10] = endpoint[11] = 0xff;
	endpoint[12] = 192;
	endpoint[14] = 2;
	endpoint[15] = (uint8_t)number;
	endpoint[16] = 0xa1;
	endpoint[17] = (uint8_t)number;
}

static inline struct net *net_new(void)
{
	struct net *net = calloc(1, sizeof *net);
	net->wire = malloc(NET_WIRE * sizeof *net->wire);
	net->spare = malloc(NET_WIRE * sizeof *net->wire);
	net->now = net_current != NULL ? net_current->now : 1000000;
	net_current = net;
	return net;
}

static inline struct host *net_host_with(struct net *net, unsigned number, bool has_key)
{
	struct host *host = calloc(1, sizeof *host);
	uint8_t identity[108];
	host->net = net;
	host->number = number;
	tn_test_random_bytes(host->private_key, 32);
	tn_x25519_public(host->public_key, host->private_key);
	net_addresses(number, host->address4, host->address6, host->endpoint);
	net_identity(host, identity, has_key);
	host->node = tn_node_create(identity, sizeof identity, host);
	CHECK(host->node != NULL && tn_node_start(host->node, net->now));
	for (size_t i = 0; i < NET_HOSTS; i++) {
		if (net->hosts[i] == NULL) {
			net->hosts[i] = host;
			break;
		}
	}
	return host;
}

/** A node with open filter. */
static inline struct host *net_host(struct net *net, unsigned number)
{
	struct host *host = net_host_with(net, number, true);
	net_filter(host, 0, 65535, false);
	return host;
}

static inline void net_free(struct net *net)
{
	for (size_t i = 0; i < NET_HOSTS; i++) {
		if (net->hosts[i] != NULL) {
			tn_node_stop(net->hosts[i]->node, net->now);
			tn_node_destroy(net->hosts[i]->node);
			free(net->hosts[i]);
		}
	}
	for (size_t i = 0; i < NET_RAW; i++)
		free(net->raws[i]);
	free(net->wire);
	free(net->spare);
	net->now += 1000000;
	static struct net remains; /* time goes on in the next test: lwIP outlives the net */
	remains = *net;
	net_current = &remains;
	free(net);
}

/** Both know each other in slot 0 (and of the given home region), with a direct path that is trusted until the given time from now. */
static inline void net_peers_with(struct host *a, struct host *b, uint16_t home, uint64_t trusted_ms, bool has_endpoint)
{
	net_peer(a, 0, b->public_key, b->address4, b->address6, NULL, 0, home, 0);
	net_path(a, 0, has_endpoint ? b->endpoint : NULL, a->net->now + trusted_ms, home);
	net_peer(b, 0, a->public_key, a->address4, a->address6, NULL, 0, home, 0);
	net_path(b, 0, has_endpoint ? a->endpoint : NULL, a->net->now + trusted_ms, home);
}

static inline void net_peers(struct host *a, struct host *b)
{
	net_peers_with(a, b, 0, 1000000000, true);
}

/* ---- Running ---- */

static inline struct host *net_by_key(struct net *net, const uint8_t key[32])
{
	for (size_t i = 0; i < NET_HOSTS; i++) {
		if (net->hosts[i] != NULL && memcmp(net->hosts[i]->public_key, key, 32) == 0)
			return net->hosts[i];
	}
	return NULL;
}

/** Opens or closes a host's connection to the only DERP server there is. */
static inline void net_derp(struct host *host, bool is_open)
{
	uint8_t record[4];
	host->has_derp = is_open;
	tn_node_vm_derp_reset(host->node, NET_REGION);
	net_record(record, TN_COMMAND_DERP_STATE, is_open, NET_REGION);
	net_send(host, record, 4);
}

/** Carries frames from a host to the server and on. */
static inline void net_derp_pump(struct host *host)
{
	uint8_t buffer[16384];
	size_t length;
	while (host->has_derp && (length = tn_node_vm_derp_send(host->node, NET_REGION, buffer, sizeof buffer)) > 0) {
		for (size_t at = 0; at < length;) {
			size_t payload = tn_load32be(buffer + at + 1);
			struct host *to = net_by_key(host->net, buffer + at + 5);
			CHECK_EQ(buffer[at], 4);
			host->sent_derp++;
			if (to != NULL && to->has_derp && !host->net->is_cut) {
				const uint8_t *rest;
				buffer[at] = 5;
				memcpy(buffer + at + 5, host->public_key, 32);
				CHECK_EQ(tn_node_vm_derp_receive(to->node, NET_REGION, buffer + at, 5 + payload, &rest), 0);
			}
			at += 5 + payload;
		}
	}
}

static inline void net_socket_event(struct host *host, const uint8_t *bytes)
{
	uint32_t handle = tn_load32le(bytes + 4);
	struct net_socket *socket = &host->sockets[handle & 0xffff];
	switch (bytes[0]) {
	case TN_EVENT_CONNECTED:
		socket->connected = true;
		socket->port = tn_load16le(bytes + 2);
		break;
	case TN_EVENT_READABLE:
		socket->readable = tn_load32le(bytes + 8);
		break;
	case TN_EVENT_WRITABLE:
		socket->writable = tn_load32le(bytes + 8);
		break;
	case TN_EVENT_CLOSED:
		CHECK(!socket->closed);
		socket->closed = true;
		socket->reason = bytes[1];
		break;
	case TN_EVENT_ACCEPTED:
		host->last_accepted = tn_load32le(bytes + 8);
		memset(&host->sockets[host->last_accepted & 0xffff], 0, sizeof host->sockets[0]);
		host->sockets[host->last_accepted & 0xffff].accepted = true;
		break;
	default:
		break;
	}
}

static inline void net_vm(struct host *host)
{
	struct net_event event;
	if (!host->is_woken)
		return;
	host->is_woken = false;
	tn_node_vm_wake(host->node);
	while ((event.length = tn_node_vm_receive(host->node, event.bytes, sizeof event.bytes)) > 0) {
		if (event.bytes[0] >= TN_EVENT_CONNECTED && event.bytes[0] != TN_EVENT_UDP_RECEIVED)
			net_socket_event(host, event.bytes);
		if (event.bytes[0] == TN_EVENT_DERP_READY)
			net_derp_pump(host);
		if (host->event_count < NET_EVENTS)
			host->events[host->event_count++] = event;
	}
}

static inline void net_raw_receive(struct raw *raw, struct net_datagram *datagram);

/** One turn of everything, without time passing. @return whether anything moved */
static inline bool net_turn(struct net *net)
{
	static uint8_t buffers[NET_WIRE][2112];
	size_t count = net->wire_count;
	struct net_datagram *wire = net->wire;
	net->wire = net->spare;
	net->spare = wire;
	net->wire_count = 0;
	for (size_t i = 0; i < NET_HOSTS; i++) {
		struct host *host = net->hosts[i];
		size_t used = 0;
		if (host == NULL)
			continue;
		tn_node_begin(host->node, net->now);
		for (size_t j = 0; j < count; j++) {
			if (memcmp(wire[j].to, host->endpoint, 18) == 0) {
				memcpy(buffers[used], wire[j].bytes, wire[j].length);
				tn_node_receive(host->node, wire[j].from, buffers[used], wire[j].length);
				used++;
			}
		}
		host->wanted_at = tn_node_turn(host->node);
		net_vm(host);
	}
	for (size_t i = 0; i < NET_RAW; i++) {
		for (size_t j = 0; net->raws[i] != NULL && j < count; j++) {
			if (memcmp(wire[j].to, net->raws[i]->endpoint, 18) == 0)
				net_raw_receive(net->raws[i], &wire[j]);
		}
	}
	bool is_busy = net->wire_count > 0 || count > 0;
	for (size_t i = 0; i < NET_HOSTS; i++) {
		if (net->hosts[i] != NULL) {
			if (!tn_node_may_sleep(net->hosts[i]->node))
				is_busy = true;
			tn_node_awake(net->hosts[i]->node);
		}
	}
	return is_busy;
}

/** Runs until nothing moves. */
static inline void net_settle(struct net *net)
{
	for (unsigned i = 0; i < 5000 && net_turn(net); i++) {
	}
}

/** Lets time pass, stopping wherever a node wants it. */
static inline void net_run(struct net *net, uint64_t milliseconds)
{
	uint64_t end = net->now + milliseconds;
	net_settle(net);
	while (net->now < end) {
		uint64_t next = end;
		for (size_t i = 0; i < NET_HOSTS; i++) {
			if (net->hosts[i] != NULL && net->hosts[i]->wanted_at < next)
				next = net->hosts[i]->wanted_at;
		}
		net->now = next > net->now ? next : net->now + 1;
		net_settle(net);
	}
}

/* ---- Events and sockets ---- */

/** The n-th event (from 0) of a type since the events were forgotten, or NULL. */
static inline const struct net_event *net_event(const struct host *host, uint8_t type, size_t n)
{
	for (size_t i = 0; i < host->event_count; i++) {
		if (host->events[i].bytes[0] == type && n-- == 0)
			return &host->events[i];
	}
	return NULL;
}

static inline size_t net_count(const struct host *host, uint8_t type)
{
	size_t count = 0;
	for (size_t i = 0; i < host->event_count; i++)
		count += host->events[i].bytes[0] == type;
	return count;
}

static inline void net_forget(struct host *host)
{
	host->event_count = 0;
}

static inline uint32_t net_open(struct host *host)
{
	uint32_t handle = tn_node_vm_open(host->node);
	memset(&host->sockets[handle & 0xffff], 0, sizeof host->sockets[0]);
	return handle;
}

static inline struct net_socket *net_socket(struct host *host, uint32_t handle)
{
	return &host->sockets[handle & 0xffff];
}

static inline uint32_t net_connect(struct host *host, const uint8_t address[16], uint16_t port)
{
	uint8_t record[24];
	uint32_t handle = net_open(host);
	net_record(record, TN_COMMAND_TCP_CONNECT, 1, port);
	tn_store32le(record + 4, handle);
	memcpy(record + 8, address, 16);
	net_send(host, record, sizeof record);
	return handle;
}

static inline uint32_t net_listen(struct host *host, uint16_t port)
{
	uint32_t handle = net_open(host);
	net_handle_command(host, TN_COMMAND_TCP_LISTEN, handle, 0, port);
	return handle;
}

static inline uint32_t net_bind(struct host *host, uint16_t port)
{
	uint32_t handle = net_open(host);
	net_handle_command(host, TN_COMMAND_UDP_BIND, handle, 0, port);
	return handle;
}

static inline void net_udp_send(struct host *host, uint32_t handle, const uint8_t address[16], uint16_t port, const uint8_t *payload, size_t length)
{
	uint8_t record[2048];
	net_record(record, TN_COMMAND_UDP_SEND, 0, port);
	tn_store32le(record + 4, handle);
	memcpy(record + 8, address, 16);
	memcpy(record + 24, payload, length);
	net_send(host, record, 24 + length);
}

static inline void net_inject(struct host *host, const uint8_t *packet, size_t length)
{
	uint8_t record[4 + 2048];
	net_record(record, TN_COMMAND_INJECT, 0, 0);
	memcpy(record + 4, packet, length);
	net_send(host, record, 4 + length);
}

static inline double net_counter(struct host *host, const char *name)
{
	struct tn_counter counters[128];
	size_t count = tn_node_vm_counters(host->node, counters, 128);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(counters[i].name, name) == 0)
			return counters[i].value;
	}
	CHECK(name == NULL);
	return -1;
}

/* ---- Raw peers ---- */

static inline void net_raw_send(void *context, unsigned slot, const uint8_t *datagram, size_t length)
{
	struct raw *raw = context;
	(void)slot;
	net_put(raw->net, raw->endpoint, raw->host->endpoint, datagram, length);
}

static inline bool net_raw_has_staged(void *context, unsigned slot)
{
	(void)context;
	(void)slot;
	return false;
}

static inline void net_raw_nothing(void *context, unsigned slot)
{
	(void)context;
	(void)slot;
}

/** A raw peer of host, configured there in slot 1. It has the addresses of its number; prefixes may be added. */
static inline struct raw *net_raw(struct host *host, unsigned number, const uint8_t *prefixes, size_t prefix_count, uint8_t flags)
{
	struct raw *raw = calloc(1, sizeof *raw);
	const struct tn_wg_host wg_host = {raw, net_raw_has_staged, net_raw_send, net_raw_nothing, net_raw_nothing};
	raw->net = host->net;
	raw->host = host;
	tn_test_random_bytes(raw->private_key, 32);
	tn_x25519_public(raw->public_key, raw->private_key);
	net_addresses(number, raw->address4, raw->address6, raw->endpoint);
	tn_wg_init(&raw->wg, raw->peers, 2, raw->indices, &wg_host);
	tn_clock_init(&raw->wg.clock, 1700000000000u + raw->net->now, 1900000000, raw->net->now);
	tn_wg_set_key(&raw->wg, raw->private_key, raw->net->now);
	CHECK(tn_wg_peer_add(&raw->wg, 0, host->public_key, raw->net->now));
	for (size_t i = 0; i < NET_RAW; i++) {
		if (raw->net->raws[i] == NULL) {
			raw->net->raws[i] = raw;
			break;
		}
	}
	net_peer(host, 1, raw->public_key, raw->address4, raw->address6, prefixes, prefix_count, 0, flags);
	net_path(host, 1, raw->endpoint, UINT64_MAX, 0);
	return raw;
}

static inline void net_raw_receive(struct raw *raw, struct net_datagram *datagram)
{
	struct tn_wg_in in = {.kind = TN_WG_NOTHING};
	tn_wg_receive(&raw->wg, datagram->bytes, datagram->length, datagram->from, 18, raw->net->now, &in);
	if ((in.events & TN_WG_SESSION) != 0)
		raw->has_session = true;
	if (in.reply_to != TN_WG_REPLY_NONE)
		net_put(raw->net, raw->endpoint, datagram->from, in.reply, in.reply_length);
	if (in.kind == TN_WG_DATA && raw->packet_count < 256) {
		struct net_datagram *packet = &raw->packets[raw->packet_count++];
		memcpy(packet->bytes, datagram->bytes + in.offset, in.length);
		packet->length = (uint16_t)in.length;
	}
}

/** Makes a session from the raw peer's side. */
static inline void net_raw_handshake(struct raw *raw)
{
	tn_wg_initiate(&raw->wg, 0, raw->net->now);
	net_settle(raw->net);
	CHECK(raw->has_session);
	raw->packet_count = 0;
}

/** Sends any bytes as an inner packet, without padding beyond WireGuard's. */
static inline void net_raw_packet(struct raw *raw, const uint8_t *packet, size_t length)
{
	uint8_t buffer[16 + 2100 + 48] = {0};
	memcpy(buffer + 16, packet, length);
	size_t total = tn_wg_seal(&raw->wg, 0, buffer + 16, length, raw->net->now);
	CHECK(total > 0);
	net_put(raw->net, raw->endpoint, raw->host->endpoint, buffer, total);
}

/** Writes an IP packet with the given payload; checksums are filled in. @return its length */
static inline size_t net_ip(uint8_t *out, const uint8_t source[16], const uint8_t destination[16], uint8_t protocol, const uint8_t *payload, size_t length)
{
	if (tn_address_is_ip4(source)) {
		memset(out, 0, 20);
		out[0] = 0x45;
		tn_store16be(out + 2, (uint16_t)(20 + length));
		out[8] = 64;
		out[9] = protocol;
		memcpy(out + 12, source + 12, 4);
		memcpy(out + 16, destination + 12, 4);
		memcpy(out + 20, payload, length);
		tn_checksum_fill(out, 20 + length);
		return 20 + length;
	}
	memset(out, 0, 40);
	out[0] = 0x60;
	tn_store16be(out + 4, (uint16_t)length);
	out[6] = protocol;
	out[7] = 64;
	memcpy(out + 8, source, 16);
	memcpy(out + 24, destination, 16);
	memcpy(out + 40, payload, length);
	tn_checksum_fill(out, 40 + length);
	return 40 + length;
}

static inline size_t net_udp(uint8_t *out, const uint8_t source[16], const uint8_t destination[16], uint16_t from, uint16_t to, const uint8_t *payload,
	size_t length)
{
	uint8_t datagram[2048];
	tn_store16be(datagram, from);
	tn_store16be(datagram + 2, to);
	tn_store16be(datagram + 4, (uint16_t)(8 + length));
	tn_store16be(datagram + 6, 0);
	memcpy(datagram + 8, payload, length);
	return net_ip(out, source, destination, TN_PROTOCOL_UDP, datagram, 8 + length);
}

static inline size_t net_tcp(uint8_t *out, const uint8_t source[16], const uint8_t destination[16], uint16_t from, uint16_t to, uint32_t sequence,
	uint32_t acknowledged, uint8_t flags, const uint8_t *payload, size_t length)
{
	uint8_t segment[2048] = {0};
	tn_store16be(segment, from);
	tn_store16be(segment + 2, to);
	tn_store32be(segment + 4, sequence);
	tn_store32be(segment + 8, acknowledged);
	segment[12] = 0x50;
	segment[13] = flags;
	tn_store16be(segment + 14, 0xffff);
	if (length > 0)
		memcpy(segment + 20, payload, length);
	return net_ip(out, source, destination, TN_PROTOCOL_TCP, segment, 20 + length);
}

#endif
