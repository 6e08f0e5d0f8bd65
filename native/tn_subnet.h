/*
 * Subnet routes that this node offers: what peers send to a host of the network below is terminated here and begun anew from a socket of the machine, so that
 * the host sees the machine as its peer (source NAT), and needs no route back. protocol/tunnel.md §8 (c)
 *
 *   TCP     SYN -> connection below -> open: the handshake towards the peer follows, and bytes go both ways; refused or silent: RST
 *   UDP     a socket below for each pair of addresses and ports, until nothing was said for 120 s (port 53: 30 s)
 *   ICMP    an echo request is asked again from below, and answered when it was; 10 s
 *
 * Only destinations in prefixes that control has given us come here (tn_tunnel_subnets), and only what the packet filter lets in. Loopback, link-local, multicast and tailnet addresses
 * are never forwarded, whatever the prefixes say. Fragments are not: a peer's datagram has to fit the tunnel. Nothing that begins below comes in.
 *
 * Everything here runs where lwIP may be called. With TN_SUBNET 0 nothing of it is built.
 */
#ifndef TN_SUBNET_H
#define TN_SUBNET_H

#include "tn_config.h"

#if TN_SUBNET

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_packet.h"

struct tn_netif;
struct tn_outside;
struct tn_socket;
struct tcp_pcb;

enum tn_forward_state {
	TN_FORWARD_FREE = 0,
	TN_FORWARD_DATAGRAMS,  /* UDP */
	TN_FORWARD_ECHO,       /* ICMP */
	TN_FORWARD_CONNECTING, /* TCP: below */
	TN_FORWARD_ACCEPTING,  /* TCP: towards the peer */
	TN_FORWARD_OPEN,       /* TCP */
};

/** A SYN that is kept: no options are longer. */
#define TN_FORWARD_SYN (TN_IP6_HEADER + 60)

struct tn_forward {
	enum tn_forward_state state;
	uint8_t peer[16], host[16];
	uint16_t peer_port, host_port; /* of an echo: its id, 0 */
	struct tn_subnet *subnet;
	struct tn_outside *outside;
	struct tcp_pcb *listener; /* shared by the flows that wait for the same host and port */
	struct tn_socket *socket; /* towards the peer */
	bool is_peer_ended, is_host_ended, is_end_told;
	uint64_t used_at;
	uint16_t syn_length;
	uint8_t syn[TN_FORWARD_SYN];
};

struct tn_subnet {
	struct tn_netif *netif;
	struct tn_forward flows[TN_SUBNET_FLOWS];
	unsigned used;
	bool is_raised; /* a stream of some flow has something to be done */
	uint64_t look_at;
	uint8_t *buffer; /* TN_OUTSIDE_DATAGRAM bytes, while there is any flow */
	uint32_t opened, refused_full, refused_below, fragments, too_long;
};

/** Takes a packet of a peer for a host below. */
void tn_subnet_input(struct tn_subnet *subnet, uint8_t *bytes, const struct tn_packet *packet);

/** In every turn: moves bytes, and ends what is over. @return when it wants to be called next, UINT64_MAX: when something happens */
uint64_t tn_subnet_turn(struct tn_subnet *subnet);

/** The stream of a flow has raised something. */
void tn_subnet_raise(struct tn_forward *flow);

/** Ends the flows whose host is in none of our prefixes any more. */
void tn_subnet_check(struct tn_subnet *subnet);

/** Ends all flows. */
void tn_subnet_close(struct tn_subnet *subnet);

#endif
#endif
