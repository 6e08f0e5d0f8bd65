/*
 * The table of sockets and the signals between the threads.
 */
#include "tn_socket.h"

#include <string.h>
#include "tn_netif.h"
#include "tn_port.h"
#include "tn_subnet.h"

#define GENERATION_MASK 0xffffu
#define RINGS (TN_STREAM_SEND + TN_STREAM_RECEIVE)
/** Whether memory is scarce: then it is looked for before a connection opens, and that of a closed one is kept. To look for a desktop's would cost more than the connection. */
#define IS_SCARCE TN_PROFILE(true, false)

void tn_sockets_init(struct tn_sockets *table, struct tn_events *events, struct tn_netif *netif)
{
	table->events = events;
	table->netif = netif;
	for (size_t i = 0; i < TN_SOCKETS; i++) {
		atomic_init(&table->slots[i].generation, 1);
		table->slots[i].table = table;
	}
}

void tn_sockets_free(struct tn_sockets *table)
{
	for (size_t i = 0; i < TN_SOCKETS; i++) {
		tn_port_free(table->slots[i].memory);
		table->slots[i].memory = NULL;
	}
	tn_port_free(table->spare);
	table->spare = NULL;
}

struct tn_socket *tn_socket_take(struct tn_sockets *table)
{
	uint32_t start = table->next;
	for (uint32_t i = 0; i < TN_SOCKETS; i++) {
		struct tn_socket *socket = &table->slots[(start + i) % TN_SOCKETS];
		uint32_t expected = 0;
		if (atomic_load_explicit(&socket->taken, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong_explicit(&socket->taken, &expected, 1, memory_order_acq_rel, memory_order_relaxed)) {
			atomic_fetch_add_explicit(&table->used, 1, memory_order_relaxed);
			return socket;
		}
	}
	return NULL;
}

/** Sets memory aside. @return false when there is as much as may be */
static bool set_aside(struct tn_sockets *table, uint8_t *memory)
{
	if (!IS_SCARCE || table->spare != NULL)
		return false;
	table->spare = memory;
	return true;
}

void tn_socket_release(struct tn_socket *socket)
{
	struct tn_sockets *table = socket->table;
	uint8_t *memory = socket->memory;
	if (memory != NULL && (socket->kind != TN_SOCKET_STREAM || !set_aside(table, memory)))
		tn_port_free(memory);
	socket->memory = NULL;
	socket->kind = TN_SOCKET_NONE;
	socket->is_connected = socket->is_closing = socket->is_told_closed = false;
	socket->no_delay = socket->is_ended = socket->is_end_sent = socket->is_outside = false;
	socket->stream = NULL;
	memset(socket->listeners, 0, sizeof socket->listeners);
	socket->queued = socket->unread = socket->told_writable = socket->told_empty = socket->dropped = 0;
	socket->recovery = (struct tn_recovery){0};
	atomic_store_explicit(&socket->flags, 0, memory_order_relaxed);
	uint32_t generation = (atomic_load_explicit(&socket->generation, memory_order_relaxed) + 1) & GENERATION_MASK;
	atomic_store_explicit(&socket->generation, generation == 0 ? 1 : generation, memory_order_relaxed);
	atomic_fetch_sub_explicit(&table->used, 1, memory_order_relaxed);
	atomic_store_explicit(&socket->taken, 0, memory_order_release);
}

struct tn_socket *tn_socket_find(struct tn_sockets *table, uint32_t handle)
{
	uint32_t slot = handle & 0xffff;
	if (slot >= TN_SOCKETS)
		return NULL;
	struct tn_socket *socket = &table->slots[slot];
	if (atomic_load_explicit(&socket->taken, memory_order_acquire) == 0 || atomic_load_explicit(&socket->generation, memory_order_relaxed) != handle >> 16)
		return NULL;
	return socket;
}

uint32_t tn_socket_handle(const struct tn_socket *socket)
{
	return (uint32_t)(socket - socket->table->slots) | atomic_load_explicit(&socket->generation, memory_order_relaxed) << 16;
}

static void mark(_Atomic uint32_t *map, const struct tn_socket *socket)
{
	size_t slot = (size_t)(socket - socket->table->slots);
	atomic_fetch_or_explicit(&map[slot / 32], (uint32_t)1 << (slot % 32), memory_order_acq_rel);
}

void tn_socket_raise(struct tn_socket *socket, uint32_t flags)
{
	uint32_t before = atomic_fetch_or_explicit(&socket->flags, flags, memory_order_acq_rel);
	if ((before | flags) == before)
		return;
#if TN_SUBNET
	if (socket->kind == TN_SOCKET_STREAM && socket->flow != NULL) {
		tn_subnet_raise(socket->flow);
		return;
	}
#endif
	mark(socket->table->raised, socket);
	atomic_store(&socket->table->events->wanted, 1);
	tn_netif_stir(socket->table->netif);
}

void tn_socket_raise_closed(struct tn_socket *socket, uint8_t reason)
{
	if (socket->is_told_closed || socket->is_closing)
		return;
	socket->is_told_closed = true;
	socket->close_reason = reason;
	tn_socket_raise(socket, TN_SOCKET_CLOSED);
}

void tn_socket_touch(struct tn_socket *socket)
{
	mark(socket->table->touched, socket);
}

uint8_t *tn_socket_memory(struct tn_sockets *table)
{
	uint8_t *memory = table->spare;
	table->spare = NULL;
	if (memory == NULL)
		memory = tn_port_allocate(RINGS);
	if (memory == NULL)
		table->counters.no_memory++;
	return memory;
}

bool tn_socket_has_memory(struct tn_sockets *table, unsigned streams)
{
	if (!IS_SCARCE)
		return true;
	unsigned found = table->spare != NULL;
	void *chain = NULL; /* what cannot be set aside, each with the address of the one before in it */
	while (found < streams) {
		uint8_t *memory = tn_port_allocate(RINGS);
		if (memory == NULL)
			break;
		found++;
		if (set_aside(table, memory))
			continue;
		memcpy(memory, &chain, sizeof chain);
		chain = memory;
	}
	while (chain != NULL) {
		void *next;
		memcpy(&next, chain, sizeof next);
		tn_port_free(chain);
		chain = next;
	}
	return found >= streams;
}

int tn_socket_next(uint32_t *word, size_t index)
{
	unsigned bit = 0;
	if (*word == 0)
		return -1;
	while ((*word >> bit & 1) == 0)
		bit++;
	*word &= *word - 1;
	return (int)(index * 32 + bit);
}
