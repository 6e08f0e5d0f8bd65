/*
 * A node on the tunnel thread of this machine, as the bindings see it: hosts/desktop for Node and the simulator, hosts/esp32 for boards.
 *
 * On desktops all nodes of the process share one thread, which starts with the first node and is joined when the last one closes. On ESP32 there is one
 * node, with a task of its own.
 */
#ifndef TN_HOST_H
#define TN_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_node.h"

struct tn_host;

/** Microseconds of the monotonic clock. */
uint64_t tn_host_now_us(void);

/** The same in whole milliseconds, which are the tunnel's. */
static inline uint64_t tn_host_now_ms(void)
{
	return tn_host_now_us() / 1000u;
}

/**
 * Opens a node: binds its UDP sockets and gives it to the tunnel thread.
 * @param identity the TN_COMMAND_IDENTITY record; its 16-bit argument is the port to try first
 * @param wake called on the tunnel thread; must make the VM thread call tn_node_vm_wake and tn_node_vm_receive, and must not block
 * @return NULL with *error (a constant text) set
 */
struct tn_host *tn_host_open(const uint8_t *identity, size_t length, void (*wake)(void *context), void *context, const char **error);

/** The node, for its VM side. */
struct tn_node *tn_host_node(struct tn_host *host);

/** The UDP port that is bound, both families; 0 if none is. */
uint16_t tn_host_port(const struct tn_host *host);

/** Stops and frees a node. Waits for at most one turn of the thread; after the last node for its end. No wake-up follows. */
void tn_host_close(struct tn_host *host);

#endif
