/*
 * The UDP sockets of a node: one a family, on the same port. Datagrams are received and sent in batches, with the kernel's segmentation (GSO) and its
 * reverse (GRO) where it has them.
 */
#ifndef TN_UDP_H
#define TN_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_bsd.h"
#include "tn_out.h"

enum tn_udp_family { TN_UDP_4 = 0, TN_UDP_6 = 1, TN_UDP_FAMILIES = 2 };

struct tn_udp {
	tn_bsd sockets[TN_UDP_FAMILIES]; /* TN_BSD_NONE: none */
	uint16_t port;
	bool can_segment;              /* until the kernel refuses */
	bool is_full[TN_UDP_FAMILIES]; /* in this batch: the socket was waited for in vain */
};

/** What went wrong with a send. */
enum tn_udp_fault {
	TN_UDP_UNREACHABLE = 1, /* this destination */
	TN_UDP_DEAD = 2,        /* the socket */
};

/** Called for each datagram; it may be written to and stays in place until the next tn_udp_receive into the same buffer. */
typedef void (*tn_udp_datagram)(void *context, const uint8_t endpoint[TN_ENDPOINT], uint8_t *datagram, size_t length);

/** Called for a run that could not be sent. */
typedef void (*tn_udp_error)(void *context, enum tn_udp_fault fault, const uint8_t endpoint[TN_ENDPOINT]);

/**
 * Binds the sockets. IPv6 may be missing on a machine; IPv4 too if there is IPv6.
 * @param port wanted; when it is taken, or 0, any
 */
bool tn_udp_open(struct tn_udp *udp, uint16_t port);

void tn_udp_close(struct tn_udp *udp);

/** Bytes that tn_udp_receive wants as a buffer. */
size_t tn_udp_buffer_size(void);

/**
 * Takes what has arrived, at most one batch.
 * @return whether there may be more
 */
bool tn_udp_receive(struct tn_udp *udp, enum tn_udp_family family, uint8_t *buffer, tn_udp_datagram callback, void *context);

/** Sends all runs. The socket buffer being full is waited for some milliseconds, then the rest is lost, as the network may. */
void tn_udp_send(struct tn_udp *udp, const struct tn_out *out, tn_udp_error callback, void *context);

#endif
