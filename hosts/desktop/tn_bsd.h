/*
 * BSD sockets, as far as POSIX and Winsock have them in common: no socket of these waits, and none is inherited by a program that is started.
 */
#ifndef TN_BSD_H
#define TN_BSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Why a call failed. */
enum tn_bsd_fault {
	TN_BSD_WAIT,        /* nothing is there, no room, or the connection is being made */
	TN_BSD_INTERRUPTED, /* do it again */
	TN_BSD_QUEUE,       /* a queue below is full, which the socket does not tell of when it is not */
	TN_BSD_TAKEN,       /* somebody else has that address and port */
	TN_BSD_TOO_LONG,
	TN_BSD_UNSUPPORTED,
	TN_BSD_REFUSED,
	TN_BSD_UNREACHABLE,
	TN_BSD_TIMEOUT,
	TN_BSD_RESET,
	TN_BSD_UNCONNECTED,
	TN_BSD_DEAD, /* the socket itself */
	TN_BSD_OTHER,
};

#ifdef _WIN32
#include "tn_bsd_winsock.h"
#else
#include "tn_bsd_posix.h"
#endif

/* typedef tn_bsd: a socket. TN_BSD_NONE: none. struct sockaddr and what it needs are declared. */

/** Before the first socket, and after the last one: for each true that the former gave one of the latter. */
static inline bool tn_bsd_begin(void);
static inline void tn_bsd_end(void);

/** What the last call of this thread failed for; tn_bsd_fault_of for one that SO_ERROR gave. */
static inline enum tn_bsd_fault tn_bsd_last_fault(void);
static inline enum tn_bsd_fault tn_bsd_fault_of(int error);

/** @param type SOCK_DGRAM, SOCK_STREAM, SOCK_RAW. @param protocol 0 = that of the type. @return TN_BSD_NONE if there is none to be had */
static inline tn_bsd tn_bsd_open(int family, int type, int protocol);
static inline void tn_bsd_close(tn_bsd socket);

/** Nothing more is sent: the other end of the connection is told so. */
static inline void tn_bsd_finish(tn_bsd socket);

/** Closing the socket will reset its connection. */
static inline void tn_bsd_forsake(tn_bsd socket)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	setsockopt(socket, SOL_SOCKET, SO_LINGER, (const char *)&at_once, sizeof at_once);
}

static inline bool tn_bsd_set(tn_bsd socket, int level, int name, int value);

/** SO_ERROR. @return false when it cannot be had */
static inline bool tn_bsd_error(tn_bsd socket, int *error);

/** How a connection that was begun fares. @param fault why it is not there: TN_BSD_WAIT = it is being made */
static inline bool tn_bsd_is_connected(tn_bsd socket, enum tn_bsd_fault *fault)
{
	int error = 0;
	struct sockaddr_storage peer;
	socklen_t length = sizeof peer;
	if (!tn_bsd_error(socket, &error)) {
		*fault = tn_bsd_last_fault();
		return false;
	}
	if (error != 0) {
		*fault = tn_bsd_fault_of(error);
		return false;
	}
	if (getpeername(socket, (struct sockaddr *)(void *)&peer, &length) == 0)
		return true;
	*fault = tn_bsd_last_fault();
	if (*fault == TN_BSD_UNCONNECTED)
		*fault = TN_BSD_WAIT;
	return false;
}

/** @return bytes, or -1 */
static inline int tn_bsd_send(tn_bsd socket, const void *bytes, size_t length);
static inline int tn_bsd_receive(tn_bsd socket, void *bytes, size_t length);
static inline int tn_bsd_send_to(tn_bsd socket, const void *bytes, size_t length, const struct sockaddr_storage *to, socklen_t to_length);
static inline int tn_bsd_receive_from(tn_bsd socket, void *bytes, size_t length, struct sockaddr_storage *from);

/** Waits for room. @return 1 = there is, 0 = not in that time, -1 = something else */
static inline int tn_bsd_wait_for_room(tn_bsd socket, int timeout_ms);

#endif
