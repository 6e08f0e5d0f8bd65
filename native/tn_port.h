/*
 * What a host provides to the native core. hosts/desktop and hosts/esp32 implement it; tests have their own with simulated time.
 *
 * Two threads know a node: the VM thread calls tn_node.h's VM side, the tunnel thread its other side. `host` is the pointer that was given to
 * tn_node_create. The host also owns the clock: it passes milliseconds that never go back into every call that needs the time.
 */
#ifndef TN_PORT_H
#define TN_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tn_out;

/** Fills out with n bytes of the host's entropy. Any thread. */
void tn_port_random(void *out, size_t n);

/** Zeroed memory, or NULL. Any thread; when a socket or a region comes into use, never for a packet. */
void *tn_port_allocate(size_t size);

/** Gives memory back; NULL is allowed. */
void tn_port_free(void *memory);

/** VM thread, or lwIP's: the tunnel thread waits for the network or for time; make it call tn_node_turn soon. */
void tn_port_kick(void *host);

/** Tunnel thread: make the VM call tn_node_vm_wake and then tn_node_vm_receive until it gives nothing. Never called again before tn_node_vm_wake. */
void tn_port_wake(void *host);

/** Tunnel thread: sends every datagram of out and empties it (tn_out_clear). What cannot be sent is lost; errors are told by tn_node_udp_error. */
void tn_port_send(void *host, struct tn_out *out);

/** Tunnel thread: closes the node's UDP sockets and opens them again. @param port wanted, 0 = any. @return false if there is none now */
bool tn_port_rebind(void *host, uint16_t port);

/** Tunnel thread: runs work where lwIP may be called, and returns when it is done. Only where lwIP has a thread of its own (TN_STACK_APART). */
void tn_port_stack(void *host, void (*work)(void *context), void *context);

/**
 * Either thread: a lock of this node. While it is held a buffer of DERP frames may be copied, and memory allocated when a region comes into use: a mutex, never a
 * section without interrupts. Not recursive.
 */
void tn_port_lock(void *host);
void tn_port_unlock(void *host);

#endif
