/*
 * TCP outside the tailnet, as the connection thread sees it. One implementation a host; all of it is called on that thread and never waits.
 */
#ifndef TN_TCP_H
#define TN_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tn_tcp;

enum tn_tcp_result {
	TN_TCP_WAIT = -1,
	TN_TCP_CLOSED = -2, /* by the peer; from tn_tcp_send also: reset */
	TN_TCP_REFUSED = -3,
	TN_TCP_UNREACHABLE = -4,
	TN_TCP_TIMEOUT = -5,
	TN_TCP_ERROR = -6,
};

/** What a stream waits for; the host's wait looks at it. */
enum tn_tcp_interest {
	TN_TCP_READABLE = 1,
	TN_TCP_WRITABLE = 2,
};

/** Begins to connect. @param address 16 bytes, IPv4 v4-mapped. @return NULL when there is no socket to be had */
struct tn_tcp *tn_tcp_open(const uint8_t address[16], uint16_t port);

/** @return 0 = connected, TN_TCP_WAIT, or what went wrong */
int tn_tcp_connected(struct tn_tcp *tcp);

/** @return bytes sent, at least 1, or enum tn_tcp_result */
int tn_tcp_send(struct tn_tcp *tcp, const uint8_t *bytes, size_t length);

/** @return bytes received, at least 1, or enum tn_tcp_result */
int tn_tcp_receive(struct tn_tcp *tcp, uint8_t *bytes, size_t length);

/** Sets what the stream waits for from now on: enum tn_tcp_interest, or 0. */
void tn_tcp_want(struct tn_tcp *tcp, unsigned interest);

/** Our address of a connected stream, 16 bytes; zero when it is not known. */
void tn_tcp_local(struct tn_tcp *tcp, uint8_t address[16]);

/** Closes it; what was sent goes out. NULL is allowed. */
void tn_tcp_close(struct tn_tcp *tcp);

/* ---- The connection thread itself ---- */

/** VM thread: starts the thread, which calls tn_connections_turn until it says that nothing is left; the one of before has ended. @return false when that cannot be */
bool tn_tcp_thread_start(void);

/** VM thread: waits for the end of the thread, if there is one. */
void tn_tcp_thread_join(void);

/** Any thread: it shall call tn_connections_turn soon. */
void tn_tcp_thread_kick(void);

/** A lock between the VM threads and the connection thread, held for some dozens of instructions. Not recursive. */
void tn_tcp_lock(void);
void tn_tcp_unlock(void);

#endif
