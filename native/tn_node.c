/*
 * A node on the tunnel thread.
 */
#include "tn_node_internal.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_outside.h"
#include "tn_port.h"
#include "tn_stream.h"

/** A peer refuses a connection: it is failed, if there is such a one. */
static void refuse_connection(struct tn_node *node, const uint8_t remote[16], uint16_t remote_port, uint16_t local_port)
{
	for (size_t i = 0; i < TN_SOCKETS; i++) {
		struct tn_socket *socket = &node->sockets.slots[i];
		if (atomic_load_explicit(&socket->taken, memory_order_acquire) != 0 && tn_stream_refuse(socket, remote, remote_port, local_port))
			return;
	}
}

#if TN_STACK_APART

/** What a visit is to do. */
struct visit {
	struct tn_node *node;
	void (*work)(struct tn_node *node);
};

/** lwIP's thread: what waits for the stack, first. */
static void take_crossing(struct tn_node *node)
{
	struct tn_crossing *crossing = &node->interface.crossing;
	for (unsigned i = 0; i < crossing->count; i++) {
		struct tn_crossing_packet *in = &crossing->in[i];
		if (in->bytes != NULL)
			tn_netif_deliver(&node->interface, in->bytes, &in->packet);
		else
			refuse_connection(node, in->packet.source, in->remote_port, in->local_port);
	}
	crossing->count = 0;
	tn_netif_flush(&node->interface);
}

static void run_visit(void *context)
{
	struct visit *visit = context;
	atomic_store(&visit->node->interface.crossing.is_visiting, 1);
	take_crossing(visit->node);
	if (visit->work != NULL)
		visit->work(visit->node);
	atomic_store(&visit->node->interface.crossing.is_visiting, 0);
}

/** Encrypts what lwIP has sent, in a visit or by its own timers. */
static void take_output(struct tn_node *node)
{
	uint32_t length;
	uint8_t *bytes;
	while ((bytes = tn_ring_front(&node->interface.crossing.out, &length)) != NULL) {
		memcpy(tn_tunnel_place(&node->tunnel), bytes, length);
		tn_ring_pop(&node->interface.crossing.out);
		tn_tunnel_output(&node->tunnel, length);
	}
}

void tn_node_visit(struct tn_node *node, void (*work)(struct tn_node *node))
{
	struct visit visit = {node, work};
	node->was_visited = true;
	tn_port_stack(node->host, run_visit, &visit);
	take_output(node);
}

/** A place among those that wait for the stack. */
static struct tn_crossing_packet *cross(struct tn_node *node)
{
	struct tn_crossing *crossing = &node->interface.crossing;
	if (crossing->count == TN_CROSSING_IN)
		tn_node_visit(node, NULL);
	return &crossing->in[crossing->count++];
}

static void deliver(void *context, uint8_t *bytes, const struct tn_packet *packet)
{
	struct tn_crossing_packet *in = cross(context);
	in->bytes = bytes;
	in->packet = *packet;
}

static void refuse(void *context, const struct tn_tsmp *reject, const struct tn_packet *packet)
{
	if (reject->protocol != TN_PROTOCOL_TCP)
		return;
	struct tn_crossing_packet *in = cross(context);
	in->bytes = NULL;
	in->packet = *packet;
	in->remote_port = reject->destination_port;
	in->local_port = reject->source_port;
}

/** Room for what lwIP sends. @return false when memory is short */
static bool open_crossing(struct tn_node *node)
{
	uint8_t *bytes = tn_port_allocate(TN_CROSSING_OUT);
	if (bytes == NULL)
		return false;
	tn_ring_init(&node->interface.crossing.out, bytes, TN_CROSSING_OUT);
	return true;
}

static void close_crossing(struct tn_node *node)
{
	tn_port_free(node->interface.crossing.out.bytes);
}

/** Whether the stack has to be visited: each visit is two changes of threads. */
static bool wants_visit(const struct tn_node *node)
{
	if (node->interface.crossing.count > 0 || node->was_visited || node->tunnel.now >= node->stack_next || tn_outside_is_ready(node->host))
		return true;
	for (size_t i = 0; i < TN_SOCKET_WORDS; i++) {
		if (atomic_load_explicit(&node->sockets.touched[i], memory_order_relaxed) != 0)
			return true;
	}
	return false;
}

static bool has_output(const struct tn_node *node)
{
	return tn_ring_used(&node->interface.crossing.out) > 0 || atomic_load(&node->events.wanted) != 0;
}

#else

static bool wants_visit(const struct tn_node *node)
{
	(void)node;
	return true;
}

static void take_output(struct tn_node *node)
{
	(void)node;
}

void tn_node_visit(struct tn_node *node, void (*work)(struct tn_node *node))
{
	tn_netif_flush(&node->interface);
	if (work != NULL)
		work(node);
}

static void deliver(void *context, uint8_t *bytes, const struct tn_packet *packet)
{
	tn_netif_deliver(&((struct tn_node *)context)->interface, bytes, packet);
}

static void refuse(void *context, const struct tn_tsmp *reject, const struct tn_packet *packet)
{
	if (reject->protocol == TN_PROTOCOL_TCP)
		refuse_connection(context, packet->source, reject->destination_port, reject->source_port);
}

static bool open_crossing(struct tn_node *node)
{
	(void)node;
	return true;
}

static void close_crossing(struct tn_node *node)
{
	(void)node;
}

static bool has_output(const struct tn_node *node)
{
	(void)node;
	return false;
}

#endif

struct tn_node *tn_node_create(const uint8_t *identity, size_t length, void *host)
{
	if (length < TN_RECORD_HEAD || identity[0] != TN_COMMAND_IDENTITY)
		return NULL;
	struct tn_node *node = tn_port_allocate(sizeof *node);
	uint8_t *rings = tn_port_allocate(TN_COMMAND_RING + TN_EVENT_RING + TN_DERP_RING);
	if (node == NULL || rings == NULL || !open_crossing(node)) {
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
	tn_sources_init(&node->disco_sources, TN_DISCO_RELAYED_RATE, TN_DISCO_RELAYED_BURST);
	if (!tn_ring_put(&node->commands, identity, (uint32_t)length)) {
		tn_node_destroy(node);
		return NULL;
	}
	return node;
}

static void start_stack(struct tn_node *node)
{
	node->is_started = tn_netif_open(&node->interface, &node->tunnel, &node->sockets);
}

bool tn_node_start(struct tn_node *node, uint64_t now)
{
	node->tunnel.now = now;
	tn_node_visit(node, start_stack);
	return node->is_started;
}

static void stop_stack(struct tn_node *node)
{
#if TN_SUBNET
	tn_subnet_close(&node->interface.subnet);
#endif
	for (size_t i = 0; i < TN_SOCKETS; i++) {
		struct tn_socket *socket = &node->sockets.slots[i];
		if (atomic_load_explicit(&socket->taken, memory_order_acquire) == 0)
			continue;
		tn_node_close_socket(socket, true);
	}
	tn_netif_close(&node->interface);
}

static void take_commands(struct tn_node *node);

void tn_node_stop(struct tn_node *node, uint64_t now)
{
	if (!node->is_started)
		return;
	tn_node_begin(node, now);
	take_commands(node); /* the last ones are farewells: to the router that maps our port */
	tn_node_visit(node, stop_stack);
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
		if (record[0] >= TN_COMMAND_FILTER_MEMORY) {
			size_t size;
			uint8_t *memory = tn_node_memory(record, &size);
			tn_wipe(memory, size);
			tn_port_free(memory);
		}
		tn_wipe(record, length);
		tn_ring_pop(&node->commands);
	}
	tn_sockets_free(&node->sockets);
	tn_tunnel_free(&node->tunnel);
	for (size_t i = 0; i < TN_REGIONS; i++)
		tn_port_free(node->readers[i].parser);
	tn_port_free(node->rest);
	close_crossing(node);
	if (node->tunnel.is_suspended)
		tn_wipe(node->events.ring.bytes, TN_EVENT_RING); /* sessions that nobody read */
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

void tn_node_link_changed(struct tn_node *node)
{
	tn_events_put(&node->events, TN_EVENT_LINK, 0, 0, NULL, 0, NULL, 0);
}

/** Packets from DERP: they are decrypted where they lie in the ring, which keeps them until the stack was visited. @return where the next one begins */
static uint32_t take_derp(struct tn_node *node)
{
	uint32_t length;
	uint8_t *record;
	uint32_t position = tn_ring_position(&node->derp);
	while ((record = tn_ring_walk(&node->derp, &position, &length)) != NULL) {
		const struct tn_origin origin = {.source = record + 4, .source_length = 32, .region = tn_load16le(record)};
		tn_tunnel_receive(&node->tunnel, &origin, record + TN_DERP_RECORD_HEAD, length - TN_DERP_RECORD_HEAD);
	}
	return position;
}

/** In a visit: the commands in front that are for the stack. */
static void take_stack_commands(struct tn_node *node)
{
	uint32_t length;
	uint8_t *record;
	while ((record = tn_ring_front(&node->commands, &length)) != NULL && tn_node_is_for_stack(record)) {
		tn_node_stack_command(node, record, length);
		tn_ring_pop(&node->commands);
	}
}

static void take_commands(struct tn_node *node)
{
	uint32_t length;
	uint8_t *record;
	bool is_any = false;
	while ((record = tn_ring_front(&node->commands, &length)) != NULL) {
		is_any = true;
		if (tn_node_is_for_stack(record)) {
			tn_node_visit(node, take_stack_commands);
			continue;
		}
		tn_node_command(node, record, length);
		if (tn_node_is_secret(record))
			tn_wipe(record, length);
		tn_ring_pop(&node->commands);
	}
	/* Asked for even if there was nothing: the ring may have been emptied before the VM could say that it found it full. */
	if (atomic_load_explicit(&node->want_wake, memory_order_relaxed) != 0 && atomic_exchange_explicit(&node->want_wake, 0, memory_order_acq_rel) != 0)
		atomic_store_explicit(&node->events.wanted, 1, memory_order_relaxed);
	if (is_any)
		tn_tunnel_settle(&node->tunnel);
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

static void turn_stack(struct tn_node *node)
{
	tn_outside_serve(node->host);
#if TN_SUBNET
	uint64_t next = tn_subnet_turn(&node->interface.subnet);
#else
	uint64_t next = UINT64_MAX;
#endif
	serve_sockets(node);
	node->stack_next = tn_stack_tick(node->tunnel.now);
	if (next < node->stack_next)
		node->stack_next = next;
}

uint64_t tn_node_turn(struct tn_node *node)
{
	struct tn_tunnel *tunnel = &node->tunnel;
	take_output(node);
	uint32_t derp = take_derp(node);
	/* Before the commands: one of them may close the connection that a packet is for. */
	if (wants_visit(node))
		tn_node_visit(node, NULL);
	tn_ring_release(&node->derp, derp);
	take_commands(node);
	/* lwIP before the tunnel's tick: what it sends may want a session, which the tick begins. */
	if (wants_visit(node))
		tn_node_visit(node, turn_stack);
	node->was_visited = false;
	uint64_t next = tn_tunnel_tick(tunnel);
	tn_tunnel_flush(tunnel);
	if (atomic_exchange_explicit(&node->events.wanted, 0, memory_order_acq_rel) != 0 && atomic_exchange_explicit(&node->is_woken, 1, memory_order_acq_rel) == 0)
		tn_port_wake(node->host);
	return node->stack_next < next ? node->stack_next : next;
}

static bool has_work(struct tn_node *node)
{
	if (has_output(node) || tn_outside_is_ready(node->host) || tn_ring_used(&node->commands) > 0 || tn_ring_used(&node->derp) > 0 ||
	    atomic_load_explicit(&node->want_wake, memory_order_relaxed) != 0)
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
