/*
 * Command records of the VM, carried out on the tunnel thread.
 */
#include "tn_node_internal.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_clock.h"
#include "tn_datagram.h"
#include "tn_listener.h"
#include "tn_port.h"
#include "tn_stream.h"

#define ENDPOINT_AT 4
#define HANDLE_AT 4
#define ADDRESS_AT 8

/** Our addresses are other ones. */
static void readdress(struct tn_node *node)
{
	for (size_t i = 0; i < TN_SOCKETS; i++) {
		struct tn_socket *socket = &node->sockets.slots[i];
		if (atomic_load_explicit(&socket->taken, memory_order_acquire) == 0)
			continue;
		if (socket->kind == TN_SOCKET_LISTENER)
			tn_listener_readdress(socket);
		else if (socket->kind == TN_SOCKET_DATAGRAM)
			tn_datagram_readdress(socket);
		else if (socket->kind == TN_SOCKET_STREAM)
			tn_stream_readdress(socket);
	}
}

static void identity(struct tn_node *node, const uint8_t *record, size_t length)
{
	uint8_t before[2][16];
	memcpy(before[0], node->tunnel.address4, 16);
	memcpy(before[1], node->tunnel.address6, 16);
	if (!tn_tunnel_identity(&node->tunnel, record, length))
		return;
	if (memcmp(before[0], node->tunnel.address4, 16) != 0 || memcmp(before[1], node->tunnel.address6, 16) != 0)
		tn_node_visit(node, readdress);
}

/** What leads to hosts that are not ours to forward to ends. */
static void check_subnets(struct tn_node *node)
{
#if TN_SUBNET
	tn_subnet_check(&node->interface.subnet);
#else
	(void)node;
#endif
}

static void filter(struct tn_node *node, const uint8_t *record, size_t length)
{
	size_t size = length - TN_RECORD_HEAD;
	uint8_t *block = size > 0 ? tn_port_allocate(size) : NULL;
	if (block != NULL)
		memcpy(block, record + TN_RECORD_HEAD, size);
	else if (size > 0)
		node->tunnel.counters.no_memory++;
	tn_tunnel_filter(&node->tunnel, block, size, record[1] & 1);
}

uint8_t *tn_node_memory(const uint8_t *record, size_t *length)
{
	uint8_t *memory;
	memcpy(&memory, record + TN_RECORD_HEAD, sizeof memory);
	memcpy(length, record + TN_RECORD_HEAD + sizeof memory, sizeof *length);
	return memory;
}

bool tn_node_is_secret(const uint8_t *record)
{
	return record[0] == TN_COMMAND_IDENTITY || record[0] == TN_COMMAND_PEER;
}

static void filter_memory(struct tn_node *node, const uint8_t *record)
{
	size_t size;
	uint8_t *block = tn_node_memory(record, &size);
	tn_tunnel_filter(&node->tunnel, block, size, record[1] & 1);
}

void tn_node_close_socket(struct tn_socket *socket, bool is_abort)
{
	switch (socket->kind) {
	case TN_SOCKET_DATAGRAM:
		tn_datagram_close(socket);
		break;
	case TN_SOCKET_LISTENER:
		tn_listener_close(socket);
		break;
	case TN_SOCKET_STREAM:
	case TN_SOCKET_NONE:
		tn_stream_close(socket, is_abort);
		break;
	}
}

static void socket_command(struct tn_node *node, const uint8_t *record, size_t length)
{
	struct tn_socket *socket = length < HANDLE_AT + 4 ? NULL : tn_socket_find(&node->sockets, tn_load32le(record + HANDLE_AT));
	if (socket == NULL)
		return;
	uint16_t argument = tn_load16le(record + 2);
	switch (record[0]) {
	case TN_COMMAND_TCP_CONNECT:
		if (length >= ADDRESS_AT + 16)
			tn_stream_connect(socket, record + ADDRESS_AT, argument, record[1] & 1);
		break;
	case TN_COMMAND_TCP_LISTEN:
		tn_listener_open(socket, argument);
		break;
	case TN_COMMAND_UDP_BIND:
		if ((record[1] & 1) != 0)
			tn_datagram_open_outside(socket);
		else
			tn_datagram_bind(socket, argument);
		break;
	case TN_COMMAND_UDP_SEND:
		if (length >= ADDRESS_AT + 16 && socket->kind == TN_SOCKET_DATAGRAM)
			tn_datagram_send(socket, record + ADDRESS_AT, argument, record + ADDRESS_AT + 16, length - ADDRESS_AT - 16);
		break;
	case TN_COMMAND_SOCKET_CLOSE:
		tn_node_close_socket(socket, record[1] & 1);
		break;
	}
}

static bool is_socket_command(const uint8_t *record)
{
	return record[0] >= TN_COMMAND_TCP_CONNECT && record[0] <= TN_COMMAND_SOCKET_CLOSE;
}

bool tn_node_is_for_stack(const uint8_t *record)
{
	size_t size;
	return is_socket_command(record[0] == TN_COMMAND_MEMORY ? tn_node_memory(record, &size) : record);
}

static void command(struct tn_node *node, const uint8_t *record, size_t length)
{
	struct tn_tunnel *tunnel = &node->tunnel;
	if (length < TN_RECORD_HEAD)
		return;
	uint16_t argument = tn_load16le(record + 2);
	size_t rest = length - TN_RECORD_HEAD;
	switch (record[0]) {
	case TN_COMMAND_IDENTITY:
		identity(node, record, length);
		break;
	case TN_COMMAND_FILTER:
		filter(node, record, length);
		break;
	case TN_COMMAND_FILTER_MEMORY:
		filter_memory(node, record);
		break;
	case TN_COMMAND_PEER:
		tn_tunnel_peer(tunnel, record, length);
		break;
	case TN_COMMAND_SUBNETS:
		if (tn_tunnel_subnets(tunnel, record, length))
			tn_node_visit(node, check_subnets);
		break;
	case TN_COMMAND_SUSPEND:
		tn_tunnel_suspend(tunnel);
		break;
	case TN_COMMAND_PEER_REMOVE:
		if (rest >= 4)
			tn_tunnel_peer_remove(tunnel, tn_load32le(record + HANDLE_AT));
		break;
	case TN_COMMAND_PATH:
		tn_tunnel_path(tunnel, record, length);
		break;
	case TN_COMMAND_UDP_SEND_RAW:
		if (rest > TN_ENDPOINT)
			tn_tunnel_send_raw(tunnel, record + ENDPOINT_AT, record + ENDPOINT_AT + TN_ENDPOINT, rest - TN_ENDPOINT);
		break;
	case TN_COMMAND_DERP_SEND:
		if (rest >= 32)
			tn_tunnel_send_derp(tunnel, argument, record + 4, record + 36, rest - 32, true);
		break;
	case TN_COMMAND_DERP_STATE:
		tn_tunnel_derp_state(tunnel, argument, record[1] & 1);
		break;
	case TN_COMMAND_DERP_GONE:
		if (rest >= 32)
			tn_tunnel_derp_gone(tunnel, argument, record + 4);
		break;
	case TN_COMMAND_INJECT:
		tn_tunnel_inject(tunnel, record + TN_RECORD_HEAD, rest);
		break;
	case TN_COMMAND_REBIND:
		tn_tunnel_flush(tunnel);
		if (!tn_port_rebind(node->host, argument))
			tn_node_udp_error(node, NULL);
		break;
	case TN_COMMAND_CLOCK:
		if (rest >= 16)
			tn_clock_set(&tunnel->wg.clock, tn_load64le(record + 4), tn_load64le(record + 12), tunnel->now);
		break;
	case TN_COMMAND_SESSION_DROP:
		if (rest >= 4)
			tn_tunnel_session_drop(tunnel, tn_load32le(record + HANDLE_AT));
		break;
	default:
		break;
	}
}

/** What a record stands for: itself, or the memory that it refers to. @return what is to be given back afterwards, or NULL */
static uint8_t *unwrap(const uint8_t **record, size_t *length)
{
	if ((*record)[0] != TN_COMMAND_MEMORY)
		return NULL;
	uint8_t *memory = tn_node_memory(*record, length);
	*record = memory;
	return memory;
}

void tn_node_command(struct tn_node *node, const uint8_t *record, size_t length)
{
	uint8_t *memory = unwrap(&record, &length);
	command(node, record, length);
	if (memory != NULL && tn_node_is_secret(memory))
		tn_wipe(memory, length);
	tn_port_free(memory);
}

void tn_node_stack_command(struct tn_node *node, const uint8_t *record, size_t length)
{
	uint8_t *memory = unwrap(&record, &length);
	socket_command(node, record, length);
	tn_port_free(memory);
}
