/*
 * Sockets on the network below the tailnet, for what a node asks or offers there: questions about names, subnet routes. A host provides them (hosts/desktop,
 * hosts/esp32). All of it is called where lwIP may be called (tn_port_stack), and never waits. What has arrived is told in the node's turns: the host begins one
 * when something is ready.
 */
#ifndef TN_OUTSIDE_H
#define TN_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_config.h"

/** Largest datagram that is taken from there: more does not come in one piece over Ethernet. */
#define TN_OUTSIDE_DATAGRAM 1472

struct tn_outside;

/** Called in a turn when a socket has something to be read, or, of a connection, what was wanted. It may close any socket. */
typedef void (*tn_outside_ready)(void *context, struct tn_outside *outside);

/**
 * A UDP socket on a port that nobody can guess.
 * @param is_ip6 its family
 * @return NULL when there is none to be had
 */
struct tn_outside *tn_outside_udp(void *host, bool is_ip6, tn_outside_ready ready, void *context);

/** Sends a datagram. @param address 16 bytes of the socket's family, IPv4 v4-mapped. What cannot be sent is lost */
void tn_outside_send(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const uint8_t *bytes, size_t length);

/**
 * Takes the oldest datagram that waits.
 * @param bytes room for TN_OUTSIDE_DATAGRAM, of a longer one the rest is lost; NULL: all of it is
 * @param address becomes its sender's, 16 bytes
 * @return its length, -1 when there is none
 */
ptrdiff_t tn_outside_receive(struct tn_outside *outside, uint8_t address[16], uint16_t *port, uint8_t *bytes);

#if TN_SUBNET

enum tn_outside_result {
	TN_OUTSIDE_WAIT = -1,
	TN_OUTSIDE_FAILED = -2, /* refused, unreachable, reset */
};

enum tn_outside_wanted {
	TN_OUTSIDE_READABLE = 1,
	TN_OUTSIDE_WRITABLE = 2,
};

/**
 * Echo requests of ICMP. They are sent by tn_outside_send, and replies taken by tn_outside_receive, with the sequence number as port and what follows it as bytes;
 * the id is the socket's own.
 */
struct tn_outside *tn_outside_echo(void *host, bool is_ip6, tn_outside_ready ready, void *context);

/** Begins a connection. It is ready when tn_outside_connected says something else than TN_OUTSIDE_WAIT. @return NULL when it cannot be begun */
struct tn_outside *tn_outside_tcp(void *host, const uint8_t address[16], uint16_t port, tn_outside_ready ready, void *context);

/** @return 0 = it is open, or enum tn_outside_result */
int tn_outside_connected(struct tn_outside *outside);

/** @return bytes sent, at least 1, or enum tn_outside_result */
int tn_outside_write(struct tn_outside *outside, const uint8_t *bytes, size_t length);

/** @return bytes received, 0 = the host has ended its side, or enum tn_outside_result */
int tn_outside_read(struct tn_outside *outside, uint8_t *bytes, size_t size);

/** Nothing more is written: the host is told the end. */
void tn_outside_finish(struct tn_outside *outside);

/** What a connection waits for from now on: enum tn_outside_wanted, or 0. */
void tn_outside_want(struct tn_outside *outside, unsigned wanted);

#endif

/** A connection is closed in order if tn_outside_finish was called and the host has ended, else reset. NULL is allowed. */
void tn_outside_close(struct tn_outside *outside);

/** The node's turn, where lwIP may be called: tells the sockets that have something. */
void tn_outside_serve(void *host);

/** Tunnel thread: whether any socket has something to be told. */
bool tn_outside_is_ready(void *host);

#endif
