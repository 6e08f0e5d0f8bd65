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
#include "lwip/timeouts.h"
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_derp.h"
#include "tn_netif.h"
#include "tn_node_internal.h"
#include "tn_outside_fake.h"
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
	bool is_woken, has_derp, is_derp_broken;
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

#include "tn_net_memory.h"

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

void tn_port_stack(void *host, void (*work)(void *context), void *context)
{
	(void)host;
	work(context);
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

#include "tn_net_records.h"

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

/** A node that starts, or NULL when memory is refused. */
static inline struct host *net_host_if(struct net *net, unsigned number, bool has_key)
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
	if (host->node == NULL || !tn_node_start(host->node, net->now)) {
		tn_node_destroy(host->node);
		free(host);
		return NULL;
	}
	for (size_t i = 0; i < NET_HOSTS; i++) {
		if (net->hosts[i] == NULL) {
			net->hosts[i] = host;
			break;
		}
	}
	return host;
}

static inline struct host *net_host_with(struct net *net, unsigned number, bool has_key)
{
	struct host *host = net_host_if(net, number, has_key);
	CHECK(host != NULL);
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
				ptrdiff_t others = tn_node_vm_derp_receive(to->node, NET_REGION, buffer + at, 5 + payload, host->net->now, &rest);
				CHECK(others == 0 || (others < 0 && net_has_refused));
				to->is_derp_broken |= others < 0;
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
#if TN_STACK_APART
	/* lwIP's own thread. */
	sys_check_timeouts();
#endif
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

#include "tn_net_sockets.h"
#include "tn_net_raw.h"

#endif
