/*
 * Sockets on the network below the tailnet, for what a node asks or offers there: questions about names. A host provides them (hosts/posix, hosts/esp32). All of
 * it is called where lwIP may be called (tn_port_stack), and never waits. What has arrived is told in the node's turns: the host begins one when something is ready.
 */
#ifndef TN_OUTSIDE_H
#define TN_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Largest datagram that is taken from there: more does not come in one piece over Ethernet. */
#define TN_OUTSIDE_DATAGRAM 1472

struct tn_outside;

/** Called in a turn when a socket has something to be read. It may close any socket. */
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

/** NULL is allowed. */
void tn_outside_close(struct tn_outside *outside);

/** The node's turn, where lwIP may be called: tells the sockets that have something. */
void tn_outside_serve(void *host);

/** Tunnel thread: whether any socket has something to be told. */
bool tn_outside_is_ready(void *host);

#endif
