/*
 * The tunnel thread of a desktop process and what it needs of the system: clock, UDP, wake-ups. Used by the Node host and by the simulator.
 *
 * All nodes of the process share one thread, which starts with the first node and is joined when the last one closes.
 */
#ifndef TN_POSIX_H
#define TN_POSIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_node.h"

struct tn_posix_node;

/** Microseconds of the monotonic clock. The tunnel's milliseconds are these divided by 1,000. */
uint64_t tn_posix_now_us(void);

/**
 * Opens a node: binds its UDP sockets and gives it to the tunnel thread.
 * @param identity the TN_COMMAND_IDENTITY record; its 16-bit argument is the port to try first
 * @param wake called on the tunnel thread; must make the VM thread call tn_node_vm_wake and tn_node_vm_receive, and must not block
 * @return NULL with *error (a constant text) set
 */
struct tn_posix_node *tn_posix_open(const uint8_t *identity, size_t length, void (*wake)(void *context), void *context, const char **error);

/** The node, for its VM side. */
struct tn_node *tn_posix_node(struct tn_posix_node *posix);

/** The UDP port that is bound, both families; 0 if none is. */
uint16_t tn_posix_port(const struct tn_posix_node *posix);

/** Stops and frees a node. Waits for at most one turn of the thread; after the last node for its end. No wake-up follows. */
void tn_posix_close(struct tn_posix_node *posix);

#endif
