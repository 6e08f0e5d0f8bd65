/*
 * The tailnet interface: one lwIP netif a node, an island. It has our addresses as /32 and /128, MTU 1280, and nothing that speaks by itself: no
 * neighbour discovery, no router solicitation, no group membership; and of ICMPv6 it takes echo requests only, since neighbours, routers and path MTUs are kept
 * for all interfaces together. Every socket is bound to it by index, so that nothing that arrives by another interface reaches a socket of ours, whatever its
 * address; and nothing that arrives by it reaches a socket bound to none, whose answers would leave by the other interfaces in the clear.
 *
 * lwIP sees the addresses only while it takes a packet of ours. At other times no interface has them: no other one accepts packets for them, and
 * nothing that lwIP sends is looped back to an address of this node or of another node of the process (its loop-back wants the thread that tcpip_init
 * starts, and stops the process without it).
 *
 * lwIP is one for the process. All of its calls are made on one thread: ours, and its clock is driven from here (tn_stack_tick), or its own (tn_crossing.h).
 */
#ifndef TN_NETIF_H
#define TN_NETIF_H

#include "tn_coalesce.h"
#include "tn_crossing.h"
#include "tn_lwip.h"
#include "tn_socket.h"
#include "tn_subnet.h"
#include "tn_tunnel.h"

struct tn_netif {
	/* First: an interface is its netif. Its `state` is not ours: ESP-IDF takes whatever it finds there for an interface of its own. */
	struct netif netif;
	struct tn_tunnel *tunnel;
	struct tn_sockets *sockets;
	bool is_up;
	uint16_t next_port; /* of those that connections begin from: each in its turn, since a peer remembers for minutes which ones have ended */
	struct netif *default_before;
	struct tn_coalesce run;
#if TN_STACK_APART
	struct tn_crossing crossing;
#endif
#if TN_SUBNET
	struct tn_subnet subnet;
#endif
	uint32_t half_open_dropped, coalesced, unreachable_suppressed, leaked, icmp_ignored, not_ours, scattered, unfit;
};

/** Adds the interface to lwIP, without addresses. @return false when lwIP refuses (memory) */
bool tn_netif_open(struct tn_netif *interface, struct tn_tunnel *tunnel, struct tn_sockets *sockets);

/** Removes the interface and what connections lwIP still has on it. Its sockets were closed before. */
void tn_netif_close(struct tn_netif *interface);

/** Takes a packet for one of our addresses, or for a host of our subnets (struct tn_tunnel_upper). */
void tn_netif_deliver(void *context, uint8_t *bytes, const struct tn_packet *packet);

/** Hands lwIP a packet as one for an address of ours, whatever its destination. */
void tn_netif_accept(struct tn_netif *interface, uint8_t *bytes, const struct tn_packet *packet);

/** Where a packet of length bytes to a peer is to be written, at most TN_MTU; NULL when there is no room. Then tn_netif_commit. */
uint8_t *tn_netif_place(struct tn_netif *interface, uint16_t length);
void tn_netif_commit(struct tn_netif *interface, uint16_t length);

/** Hands lwIP what was collected; before the end of the turn. */
void tn_netif_flush(struct tn_netif *interface);

/** The VM or the tunnel is to hear of something that lwIP did by its own timers. */
void tn_netif_stir(struct tn_netif *interface);

/** Drives lwIP's timers, of all interfaces. @return when to call it next; UINT64_MAX while no connection needs time */
uint64_t tn_stack_tick(uint64_t now);

/** Makes tn_stack_tick look at the probes of connections at the given time, if it would only do so later. */
void tn_stack_call_at(uint64_t time);

#endif
