/*
 * The UDP sockets of the node outside the tailnet: raw lwIP, one a family, on the same port. What lwIP's thread receives waits, where it lies, for the tunnel
 * task; when its places are taken a datagram is dropped.
 */
#ifndef TN_UDP_LWIP_H
#define TN_UDP_LWIP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "tn_out.h"

struct pbuf;
struct udp_pcb;

/** Datagrams that may wait. Each holds a receive buffer of the network driver, of which a Wi-Fi driver has a dozen. */
#ifndef TN_UDP_WAITING
#define TN_UDP_WAITING 8
#endif

enum tn_udp_family { TN_UDP_4 = 0, TN_UDP_6 = 1, TN_UDP_FAMILIES = 2 };

struct tn_udp_waiting {
	struct pbuf *p;
	uint8_t endpoint[TN_ENDPOINT];
};

struct tn_udp {
	struct udp_pcb *sockets[TN_UDP_FAMILIES]; /* NULL: none */
	uint16_t port;
	/** lwIP's thread: something waits. */
	void (*arrived)(void *context);
	void *context;
	struct tn_udp_waiting waiting[TN_UDP_WAITING];
	_Atomic uint32_t taken, put; /* since the beginning */
	uint32_t dropped;
};

/**
 * Binds the sockets; either family may be missing. arrived and context are set.
 * @param port wanted; when it is taken, or 0, any
 */
bool tn_udp_open(struct tn_udp *udp, uint16_t port);

/** Closes the sockets and frees what waits. */
void tn_udp_close(struct tn_udp *udp);

/** Tunnel task: the n-th datagram that waits, in one piece. @return NULL when there is none; else it is the caller's to change until tn_udp_release */
uint8_t *tn_udp_peek(struct tn_udp *udp, unsigned n, const uint8_t **endpoint, size_t *length);

/** Tunnel task: frees the first count datagrams. */
void tn_udp_release(struct tn_udp *udp, unsigned count);

/** Tunnel task: sends all runs. @return runs that no interface leads to, a bit each */
uint32_t tn_udp_send(struct tn_udp *udp, const struct tn_out *out);

#endif
