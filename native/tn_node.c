/*
 * A node on the tunnel thread.
 */
#include "tn_node_internal.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_port.h"
#include "tn_stream.h"

/** A peer's reject: the connection it refuses is failed. */
static bool refuse(void *context, const struct tn_tsmp *reject, const struct tn_packet *packet)
{
	struct tn_node *node = context;
	if (reject->protocol != TN_PROTOCOL_TCP)
		return false;
	for (size_t i = 0; i < TN_SOCKETS; i++) {
		struct tn_socket *socket = &node->sockets.slots[i];
		if (atomic_load_explicit(&socket->taken, memory_order_acquire) != 0 &&
		    tn_stream_refuse(socket, packet->source, reject->destination_port, reject->source_port))
			return true;
	}
	return false;
}

static void deliver(void *context, uint8_t *bytes, const struct tn_packet *packet)
{
	tn_netif_deliver(&((struct tn_node *)context)->interface, bytes, packet);
}

struct tn_node *tn_node_create(const uint8_t *identity, size_t length, void *host)
{
	if (length < TN_RECORD_HEAD || identity[0] != TN_COMMAND_IDENTITY)
		return NULL;
	struct tn_node *node = tn_port_allocate(sizeof *node);
	uint8_t *rings = tn_port_allocate(TN_COMMAND_RING + TN_EVENT_RING + TN_DERP_RING);
	if (node == NULL || rings == NULL) {
		tn_port_free(node);
		tn_port_free(rings);
		return NULL;
	}
	const struct tn_tunnel_upper upper = {.context = node, .deliver = deliver, .refused = refuse};
	node->host = host;
	tn_ring_init(&node->commands, rings, TN_COMMAND_RING);
	tn_ring_init(&node->events.ring, rings + TN_COMMAND_RING, TN_EVENT_RING);
	tn_ring_init(&node->derp, rings + TN_COMMAND_RING + TN_EVENT_RING, TN_DERP_RING);
	tn_sockets_init(&node->sockets, &node->events, &node->interface);
	tn_tunnel_init(&node->tunnel, host, &node->events, &upper);
	if (!tn_ring_put(&node->commands, identity, (uint32_t)length)) {
		tn_node_destroy(node);
		return NULL;
	}
	return node;
}

bool tn_node_start(struct tn_node *node, uint64_t now)
{
	node->tunnel.now = now;
	node->is_started = true;
	return tn_netif_open(&node->interface, &node->tunnel, &node->sockets);
}

void tn_node_stop(struct tn_node *node, uint64_t now)
{
	if (!node->is_started)
		return;
	tn_node_begin(node, now);
	tn_netif_flush(&node->interface);
	for (size_t i = 0; i < TN_SOCKETS; i++) {
		struct tn_socket *socket = &node->sockets.slots[i];
		if (atomic_load_explicit(&socket->taken, memory_order_acquire) == 0)
			continue;
		tn_node_close_socket(socket, true);
	}
	tn_netif_close(&node->interface);
	tn_tunnel_flush(&node->tunnel);
	node->is_started = false;
}

void tn_node_destroy(struct tn_node *node)
{
	uint32_t length;
	uint8_t *record;
	if (node == NULL)
		return;
	while ((record = tn_ring_front(&node->commands, &length)) != NULL) {
		size_t size;
		if (record[0] >= TN_COMMAND_FILTER_MEMORY)
			tn_port_free(tn_node_memory(record, &size));
		tn_wipe(record, length);
		tn_ring_pop(&node->commands);
	}
	tn_sockets_free(&node->sockets);
	tn_tunnel_free(&node->tunnel);
	for (size_t i = 0; i < TN_REGIONS; i++)
		tn_port_free(node->readers[i].parser);
	tn_port_free(node->rest);
	tn_port_free(node->commands.bytes);
	tn_wipe(node, sizeof *node);
	tn_port_free(node);
}

void tn_node_begin(struct tn_node *node, uint64_t now)
{
	node->tunnel.now = now;
}

void tn_node_receive(struct tn_node *node, const uint8_t *endpoint, uint8_t *datagram, size_t length)
{
	const struct tn_origin origin = {.source = endpoint, .source_length = TN_ENDPOINT, .region = 0};
	tn_tunnel_receive(&node->tunnel, &origin, datagram, length);
}

void tn_node_udp_error(struct tn_node *node, const uint8_t *endpoint)
{
	tn_events_put(&node->events, TN_EVENT_UDP_ERROR, endpoint != NULL ? 1 : 2, 0, endpoint, endpoint != NULL ? TN_ENDPOINT : 0, NULL, 0);
}

/** Packets from DERP: they are decrypted where they lie in the ring, and gone after the flush. */
static void take_derp(struct tn_node *node)
{
	uint32_t length;
	uint8_t *record;
	uint32_t position = tn_ring_position(&node->derp);
	while ((record = tn_ring_walk(&node->derp, &position, &length)) != NULL) {
		const struct tn_origin origin = {.source = record + 4, .source_length = 32, .region = tn_load16le(record)};
		tn_tunnel_receive(&node->tunnel, &origin, record + TN_DERP_RECORD_HEAD, length - TN_DERP_RECORD_HEAD);
	}
	tn_netif_flush(&node->interface);
	tn_ring_release(&node->derp, position);
}

static void take_commands(struct tn_node *node)
{
	uint32_t length;
	uint8_t *record;
	bool is_any = false;
	while ((record = tn_ring_front(&node->commands, &length)) != NULL) {
		is_any = true;
		tn_node_command(node, record, length);
		if (record[0] == TN_COMMAND_IDENTITY)
			tn_wipe(record, length);
		tn_ring_pop(&node->commands);
	}
	/* Asked for even if there was nothing: the ring may have been emptied before the VM could say that it found it full. */
	if (atomic_load_explicit(&node->want_wake, memory_order_relaxed) != 0 && atomic_exchange_explicit(&node->want_wake, 0, memory_order_acq_rel) != 0)
		node->events.wanted = true;
	if (!is_any)
		return;
	tn_tunnel_settle(&node->tunnel);
	tn_netif_flush(&node->interface);
}

static void serve_sockets(struct tn_node *node)
{
	for (size_t i = 0; i < TN_SOCKET_WORDS; i++) {
		if (atomic_load_explicit(&node->sockets.touched[i], memory_order_relaxed) == 0)
			continue;
		uint32_t word = atomic_exchange_explicit(&node->sockets.touched[i], 0, memory_order_acq_rel);
		for (int slot = tn_socket_next(&word, i); slot >= 0; slot = tn_socket_next(&word, i)) {
			struct tn_socket *socket = &node->sockets.slots[slot];
			if (atomic_load_explicit(&socket->taken, memory_order_acquire) != 0 && socket->kind == TN_SOCKET_STREAM)
				tn_stream_service(socket);
		}
	}
}

uint64_t tn_node_turn(struct tn_node *node)
{
	struct tn_tunnel *tunnel = &node->tunnel;
	tn_netif_flush(&node->interface);
	take_derp(node);
	take_commands(node);
	serve_sockets(node);
	/* lwIP first: what it sends may want a session, which the tunnel's tick begins. */
	uint64_t stack = tn_stack_tick(tunnel->now);
	uint64_t next = tn_tunnel_tick(tunnel);
	tn_tunnel_flush(tunnel);
	if (node->events.wanted) {
		node->events.wanted = false;
		if (atomic_exchange_explicit(&node->is_woken, 1, memory_order_acq_rel) == 0)
			tn_port_wake(node->host);
	}
	return stack < next ? stack : next;
}

static bool has_work(struct tn_node *node)
{
	if (tn_ring_used(&node->commands) > 0 || tn_ring_used(&node->derp) > 0 || atomic_load_explicit(&node->want_wake, memory_order_relaxed) != 0)
		return true;
	for (size_t i = 0; i < TN_SOCKET_WORDS; i++) {
		if (atomic_load_explicit(&node->sockets.touched[i], memory_order_relaxed) != 0)
			return true;
	}
	return false;
}

bool tn_node_may_sleep(struct tn_node *node)
{
	atomic_store_explicit(&node->is_asleep, 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_work(node))
		return true;
	atomic_store_explicit(&node->is_asleep, 0, memory_order_relaxed);
	return false;
}

void tn_node_awake(struct tn_node *node)
{
	atomic_store_explicit(&node->is_asleep, 0, memory_order_relaxed);
}
