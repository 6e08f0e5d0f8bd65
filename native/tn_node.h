/*
 * One node: the tunnel, its interface, its sockets, and the rings between the VM thread and the tunnel thread.
 *
 *   VM thread                                    tunnel thread
 *   tn_node_create                               tn_node_start
 *   tn_node_vm_send    -- commands -->           tn_node_receive (datagrams)
 *   tn_node_vm_receive <-- events, flags --      tn_node_turn
 *   tn_node_vm_write, _read  == rings ==         tn_node_may_sleep, then wait
 *   tn_node_vm_derp_receive -- packets -->       tn_node_stop
 *   tn_node_destroy
 *
 * Start and stop happen on the tunnel thread; create comes before, destroy after them. The files: tn_node.c (tunnel side), tn_node_command.c,
 * tn_node_vm.c (VM side).
 */
#ifndef TN_NODE_H
#define TN_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tn_node;

/* ---- Life ---- */

/**
 * Makes a node. @param identity the TN_COMMAND_IDENTITY record
 * @param host for tn_port.h
 * @return NULL when the record is malformed or memory is short
 */
struct tn_node *tn_node_create(const uint8_t *identity, size_t length, void *host);

/** Tunnel thread. @return false when lwIP has no room */
bool tn_node_start(struct tn_node *node, uint64_t now);

/** Tunnel thread: resets every connection, wipes all keys. The last turn of the node. */
void tn_node_stop(struct tn_node *node, uint64_t now);

/** Gives everything back. Neither thread uses the node any more. */
void tn_node_destroy(struct tn_node *node);

/* ---- Tunnel thread ---- */

/** Sets the time of what follows until the end of the turn. */
void tn_node_begin(struct tn_node *node, uint64_t now);

/** Takes a UDP datagram, which must stay in place until tn_node_turn returns; it is decrypted there. @param endpoint 18 bytes, where it came from */
void tn_node_receive(struct tn_node *node, const uint8_t *endpoint, uint8_t *datagram, size_t length);

/** Finishes a turn: commands, sockets, timers, everything that is to be sent. @return when the next turn is wanted at the latest; UINT64_MAX: when something happens */
uint64_t tn_node_turn(struct tn_node *node);

/** Whether nothing waits. If so, the VM will call tn_port_kick when it has something. */
bool tn_node_may_sleep(struct tn_node *node);

/** The node does not sleep any more. */
void tn_node_awake(struct tn_node *node);

/** A send failed. @param endpoint the destination that is unreachable; NULL: the socket is dead, a rebind is wanted */
void tn_node_udp_error(struct tn_node *node, const uint8_t *endpoint);

/** An address or a route of this machine may have changed. */
void tn_node_link_changed(struct tn_node *node);

/* ---- VM thread (tn_node_vm.c) ---- */

/** Queues a command record. @return false when there is no room now */
bool tn_node_vm_send(struct tn_node *node, const uint8_t *record, size_t length);

/** The wake-up has arrived: events that come from now on make a new one. */
void tn_node_vm_wake(struct tn_node *node);

/** Copies the next event record. One that is larger than buffer is dropped. @return its length, 0 when there is none until the VM is woken again */
size_t tn_node_vm_receive(struct tn_node *node, uint8_t *buffer, size_t size);

/** @return handle of a free socket, 0 when there is none */
uint32_t tn_node_vm_open(struct tn_node *node);

/** @return bytes taken into the socket's send ring */
size_t tn_node_vm_write(struct tn_node *node, uint32_t handle, const uint8_t *bytes, size_t length);

/** @return bytes taken from the socket's receive ring */
size_t tn_node_vm_read(struct tn_node *node, uint32_t handle, uint8_t *out, size_t length);

/**
 * Takes bytes of a region's DERP connection. DISCO that is over its sender's limit (TN_DISCO_RELAYED_RATE) goes no further.
 * @param rest becomes the other frames; valid until the next call
 * @return bytes in rest; -1 when the stream is broken
 */
ptrdiff_t tn_node_vm_derp_receive(struct tn_node *node, uint16_t region, const uint8_t *bytes, size_t length, uint64_t now, const uint8_t **rest);

/** A new connection to the region begins. */
void tn_node_vm_derp_reset(struct tn_node *node, uint16_t region);

/** @return bytes of whole frames copied to buffer */
size_t tn_node_vm_derp_send(struct tn_node *node, uint16_t region, uint8_t *buffer, size_t size);

struct tn_counter {
	const char *name;
	double value;
};

/** Writes at most size counters. The values are those of some moment, not of one. @return their number */
size_t tn_node_vm_counters(struct tn_node *node, struct tn_counter *counters, size_t size);

#endif
