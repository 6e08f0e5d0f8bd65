/*
 * A node on the VM thread.
 */
#include "tn_node_internal.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_classify.h"
#include "tn_datagram.h"
#include "tn_port.h"

/** The largest record that the ring of commands takes. */
#define COMMAND_MAX (TN_COMMAND_RING / 2 - 8)
/** Filter blocks travel by reference from this size on, since they are kept as they come; other commands only when they are larger than the ring takes. */
#define BLOCK_BY_REFERENCE (COMMAND_MAX < 2048 ? COMMAND_MAX : 2048)

/** Wakes the tunnel thread if it sleeps. The seq_cst fence orders what was published before against its is_asleep. */
static void kick(struct tn_node *node)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&node->is_asleep, memory_order_relaxed) != 0 && atomic_exchange_explicit(&node->is_asleep, 0, memory_order_acq_rel) != 0)
		tn_port_kick(node->host);
}

/** Sends a command as memory that is the tunnel's from then on. Without memory a filter blocks everything, and any other command is lost. */
static bool send_by_reference(struct tn_node *node, const uint8_t *record, size_t length)
{
	bool is_filter = record[0] == TN_COMMAND_FILTER;
	size_t skipped = is_filter ? TN_RECORD_HEAD : 0, size = length - skipped;
	uint8_t *memory = tn_port_allocate(size);
	uint8_t head[TN_RECORD_HEAD + sizeof memory + sizeof size] = {is_filter ? TN_COMMAND_FILTER_MEMORY : TN_COMMAND_MEMORY, record[1]};
	if (memory == NULL) {
		if (is_filter && !tn_ring_put(&node->commands, record, TN_RECORD_HEAD))
			return false;
		node->no_memory++;
		return true;
	}
	memcpy(memory, record + skipped, size);
	memcpy(head + TN_RECORD_HEAD, &memory, sizeof memory);
	memcpy(head + TN_RECORD_HEAD + sizeof memory, &size, sizeof size);
	if (tn_ring_put(&node->commands, head, sizeof head))
		return true;
	tn_port_free(memory);
	return false;
}

/** The slot of a handle that the VM may name, or NULL. */
static struct tn_socket *mine(struct tn_node *node, uint32_t handle)
{
	struct tn_socket *socket = tn_socket_find(&node->sockets, handle);
	return socket != NULL && socket->vm_open ? socket : NULL;
}

/** The VM names the socket no more, and is told nothing more of it. */
static void let_go(struct tn_node *node, uint32_t handle)
{
	struct tn_socket *socket = mine(node, handle);
	if (socket == NULL)
		return;
	socket->vm_open = false;
	if (socket == node->current)
		node->current = NULL;
}

bool tn_node_vm_send(struct tn_node *node, const uint8_t *record, size_t length)
{
	bool is_sent;
	if (length < TN_RECORD_HEAD || record[0] >= TN_COMMAND_FILTER_MEMORY)
		return true;
	/* Before the command is there: afterwards the slot may be another socket's at any time. */
	if (record[0] == TN_COMMAND_SOCKET_CLOSE && length >= 8)
		let_go(node, tn_load32le(record + 4));
	if (length > COMMAND_MAX || (record[0] == TN_COMMAND_FILTER && length >= BLOCK_BY_REFERENCE))
		is_sent = send_by_reference(node, record, length);
	else
		is_sent = tn_ring_put(&node->commands, record, (uint32_t)length);
	if (!is_sent)
		atomic_store_explicit(&node->want_wake, 1, memory_order_release);
	kick(node);
	return is_sent;
}

void tn_node_vm_wake(struct tn_node *node)
{
	node->told = 0;
	atomic_exchange_explicit(&node->is_woken, 0, memory_order_acq_rel);
	/* What is raised from here on brings a wake of its own: a socket is told of once a wake, and the VM comes to its timers between two of its callbacks. */
	for (size_t i = 0; i < TN_SOCKET_WORDS; i++) {
		if (atomic_load_explicit(&node->sockets.raised[i], memory_order_relaxed) != 0)
			node->raised[i] |= atomic_exchange_explicit(&node->sockets.raised[i], 0, memory_order_acq_rel);
	}
}

static size_t socket_record(uint8_t *out, uint8_t type, uint8_t flags, uint16_t argument, uint32_t handle, uint32_t number)
{
	out[0] = type;
	out[1] = flags;
	tn_store16le(out + 2, argument);
	tn_store32le(out + 4, handle);
	tn_store32le(out + 8, number);
	return type == TN_EVENT_CONNECTED || type == TN_EVENT_CLOSED ? 8 : 12;
}

static size_t accepted_record(struct tn_socket *socket, uint8_t *out)
{
	socket->vm_open = socket->vm_connected = true;
	socket_record(out, TN_EVENT_ACCEPTED, 0, socket->remote_port, socket->listener, tn_socket_handle(socket));
	memcpy(out + 12, socket->remote_address, 16);
	memcpy(out + 28, socket->local_address, 16);
	return 44;
}

/** The next datagram of a socket as an event. @return 0 when there is none */
static size_t datagram_record(struct tn_node *node, struct tn_socket *socket, uint8_t *out, size_t size)
{
	uint32_t length;
	const uint8_t *record;
	while ((record = tn_ring_front(&socket->receive, &length)) != NULL) {
		size_t total = 8 + 16 + length - TN_DATAGRAM_HEAD;
		bool fits = total <= size;
		if (fits) {
			socket_record(out, TN_EVENT_UDP_RECEIVED, 0, tn_load16le(record + 16), tn_socket_handle(socket), 0);
			memcpy(out + 8, record, 16);
			memcpy(out + 24, record + TN_DATAGRAM_HEAD, length - TN_DATAGRAM_HEAD);
		} else {
			node->too_large++;
		}
		tn_ring_pop(&socket->receive);
		if (fits)
			return total;
	}
	return 0;
}

/** The next event of the current socket, in an order that makes sense. @return 0 when all are told */
static size_t flag_record(struct tn_node *node, struct tn_socket *socket, uint8_t *out, size_t size)
{
	uint32_t *flags = &node->current_flags;
	uint32_t handle = tn_socket_handle(socket);
	if ((*flags & TN_SOCKET_ACCEPTED) != 0) {
		*flags &= ~(uint32_t)TN_SOCKET_ACCEPTED;
		return accepted_record(socket, out);
	}
	if (!socket->vm_open)
		return 0;
	if ((*flags & TN_SOCKET_CONNECTED) != 0) {
		*flags &= ~(uint32_t)TN_SOCKET_CONNECTED;
		socket->vm_connected = true;
		return socket_record(out, TN_EVENT_CONNECTED, 0, socket->local_port, handle, 0);
	}
	/* Room before bytes: who answers at once knows how much may be written. */
	if ((*flags & TN_SOCKET_WRITABLE) != 0) {
		*flags &= ~(uint32_t)TN_SOCKET_WRITABLE;
		return socket_record(out, TN_EVENT_WRITABLE, 0, 0, handle, tn_ring_free(&socket->send));
	}
	if ((*flags & TN_SOCKET_READABLE) != 0) {
		size_t length = socket->kind == TN_SOCKET_DATAGRAM ? datagram_record(node, socket, out, size) : 0;
		if (length > 0)
			return length;
		*flags &= ~(uint32_t)TN_SOCKET_READABLE;
		if (socket->kind == TN_SOCKET_STREAM && tn_ring_used(&socket->receive) > 0)
			return socket_record(out, TN_EVENT_READABLE, 0, 0, handle, tn_ring_used(&socket->receive));
	}
	if ((*flags & TN_SOCKET_CLOSED) != 0) {
		*flags &= ~(uint32_t)TN_SOCKET_CLOSED;
		return socket_record(out, TN_EVENT_CLOSED, socket->close_reason, 0, handle, 0);
	}
	return 0;
}

/** The next socket that had something to tell when the VM woke, or NULL. */
static struct tn_socket *next_socket(struct tn_node *node)
{
	for (size_t i = 0; i < TN_SOCKET_WORDS; i++) {
		int slot = tn_socket_next(&node->raised[node->raised_word], node->raised_word);
		if (slot >= 0)
			return &node->sockets.slots[slot];
		node->raised_word = (node->raised_word + 1) % TN_SOCKET_WORDS;
	}
	return NULL;
}

/** @return length of the next event, 0 when there is none */
static size_t next_event(struct tn_node *node, uint8_t *buffer, size_t size)
{
	uint32_t length;
	uint8_t *record;
	while ((record = tn_ring_front(&node->events.ring, &length)) != NULL) {
		bool fits = length <= size;
		if (fits)
			memcpy(buffer, record, length);
		else
			node->too_large++;
		if (record[0] == TN_EVENT_SUSPENDED)
			tn_wipe(record, length);
		tn_ring_pop(&node->events.ring);
		if (fits)
			return length;
	}
	if (size < 44)
		return 0;
	for (;;) {
		if (node->current != NULL) {
			size_t told = flag_record(node, node->current, buffer, size);
			if (told > 0)
				return told;
		}
		node->current = next_socket(node);
		if (node->current == NULL)
			return 0;
		node->current_flags = atomic_exchange_explicit(&node->current->flags, 0, memory_order_acq_rel);
	}
}

size_t tn_node_vm_receive(struct tn_node *node, uint8_t *buffer, size_t size)
{
	size_t length = node->told < TN_EVENTS_PER_WAKE ? next_event(node, buffer, size) : 0;
	if (length == 0)
		return 0;
	if (++node->told == TN_EVENTS_PER_WAKE) {
		atomic_store_explicit(&node->want_wake, 1, memory_order_release);
		kick(node);
	}
	return length;
}

uint32_t tn_node_vm_open(struct tn_node *node)
{
	struct tn_socket *socket = tn_socket_take(&node->sockets);
	if (socket == NULL)
		return 0;
	socket->vm_open = true;
	socket->vm_connected = false;
	return tn_socket_handle(socket);
}

size_t tn_node_vm_write(struct tn_node *node, uint32_t handle, const uint8_t *bytes, size_t length)
{
	struct tn_socket *socket = mine(node, handle);
	if (socket == NULL || !socket->vm_connected || socket->kind != TN_SOCKET_STREAM || length == 0)
		return 0;
	uint32_t taken = tn_ring_write(&socket->send, bytes, length < TN_STREAM_SEND ? (uint32_t)length : TN_STREAM_SEND);
	if (taken > 0) {
		tn_socket_touch(socket);
		kick(node);
	}
	return taken;
}

size_t tn_node_vm_read(struct tn_node *node, uint32_t handle, uint8_t *out, size_t length)
{
	struct tn_socket *socket = mine(node, handle);
	if (socket == NULL || !socket->vm_connected || socket->kind != TN_SOCKET_STREAM || length == 0)
		return 0;
	uint32_t taken = tn_ring_read(&socket->receive, out, length < TN_STREAM_RECEIVE ? (uint32_t)length : TN_STREAM_RECEIVE);
	/* Room before the read, or less: looked at afterwards, since more may have come while the read began. */
	uint32_t left = tn_ring_used(&socket->receive);
	uint32_t room = TN_STREAM_RECEIVE - taken > left ? TN_STREAM_RECEIVE - taken - left : 0;
	if (taken > 0 && room < (TN_STREAM_WINDOW > TCP_WND ? TN_STREAM_WINDOW : TCP_WND)) {
		tn_socket_touch(socket);
		kick(node);
	}
	return taken;
}

static void derp_packet(void *context, const uint8_t source[32], const uint8_t *packet, size_t length)
{
	struct tn_derp_reader *reader = context;
	struct tn_node *node = reader->node;
	/* Here, since what is refused need not wake the tunnel thread. */
	if (tn_classify_is_disco(packet, length) && !tn_sources_take(&node->disco_sources, source, TN_DERP_KEY, node->fed_at)) {
		node->disco_limited++;
		return;
	}
	uint8_t *record = tn_ring_reserve(&node->derp, (uint32_t)(TN_DERP_RECORD_HEAD + length));
	if (record == NULL) {
		atomic_fetch_add_explicit(&node->derp_dropped, 1, memory_order_relaxed);
		return;
	}
	tn_store16le(record, reader->region);
	tn_store16le(record + 2, 0);
	memcpy(record + 4, source, 32);
	memcpy(record + TN_DERP_RECORD_HEAD, packet, length);
	tn_ring_publish(&node->derp, (uint32_t)(TN_DERP_RECORD_HEAD + length));
	node->derp_kick = true;
}

/** Which of two parsers gives way first: one between frames, whose connection loses nothing, then the one that got no bytes for longest. */
static bool is_older(const struct tn_node *node, const struct tn_derp_reader *a, const struct tn_derp_reader *b)
{
	bool is_a_idle = tn_derp_is_between_frames(a->parser), is_b_idle = tn_derp_is_between_frames(b->parser);
	return is_a_idle != is_b_idle ? is_a_idle : node->feeds - a->fed > node->feeds - b->fed;
}

/** The parser of a region; a new region takes a free place, or that of another. */
static struct tn_derp_reader *reader_of(struct tn_node *node, uint16_t region)
{
	struct tn_derp_reader *place = NULL;
	for (size_t i = 0; i < TN_REGIONS; i++) {
		struct tn_derp_reader *reader = &node->readers[i];
		if (reader->region == region)
			return reader;
		if (place == NULL || (place->region != 0 && (reader->region == 0 || is_older(node, reader, place))))
			place = reader;
	}
	if (place->parser == NULL) {
		place->parser = tn_port_allocate(sizeof *place->parser);
		if (place->parser == NULL)
			return NULL;
		tn_derp_init(place->parser);
	}
	tn_derp_reset(place->parser);
	place->region = region;
	place->node = node;
	return place;
}

ptrdiff_t tn_node_vm_derp_receive(struct tn_node *node, uint16_t region, const uint8_t *bytes, size_t length, uint64_t now, const uint8_t **rest)
{
	struct tn_derp_reader *reader = region != 0 ? reader_of(node, region) : NULL;
	size_t size = length + TN_DERP_ASSEMBLY;
	if (reader == NULL)
		return -1;
	reader->fed = ++node->feeds;
	node->fed_at = now;
	if (node->rest_size < size) {
		tn_port_free(node->rest);
		node->rest = tn_port_allocate(size);
		node->rest_size = node->rest != NULL ? size : 0;
		if (node->rest == NULL)
			return -1;
	}
	ptrdiff_t left = tn_derp_receive(reader->parser, bytes, length, derp_packet, reader, node->rest, node->rest_size);
	if (node->derp_kick) {
		node->derp_kick = false;
		kick(node);
	}
	*rest = node->rest;
	return left;
}

void tn_node_vm_derp_reset(struct tn_node *node, uint16_t region)
{
	for (size_t i = 0; i < TN_REGIONS; i++) {
		if (node->readers[i].region == region && region != 0)
			tn_derp_reset(node->readers[i].parser);
	}
}

size_t tn_node_vm_derp_send(struct tn_node *node, uint16_t region, uint8_t *buffer, size_t size)
{
	return tn_relay_take(&node->tunnel.relay, region, buffer, size < UINT32_MAX ? (uint32_t)size : UINT32_MAX);
}
