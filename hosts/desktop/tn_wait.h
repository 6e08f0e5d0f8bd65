/*
 * What a thread of a desktop waits for: sockets, a kick by another thread, and time. tn_host_now_us is the clock of that time.
 *
 *   begin -> add each socket -> wait -> ask which are ready -> begin ...
 */
#ifndef TN_WAIT_H
#define TN_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include "tn_bsd.h"

enum tn_wait_interest {
	TN_WAIT_READABLE = 1,
	TN_WAIT_WRITABLE = 2, /* or connected, or not to be connected */
};

struct tn_wait;

/** @return NULL when memory or descriptors are short */
struct tn_wait *tn_wait_open(void);
void tn_wait_close(struct tn_wait *wait);

/** Any thread: the wait that is, or the next one, ends. */
void tn_wait_kick(struct tn_wait *wait);

/** Forgets the sockets. */
void tn_wait_begin(struct tn_wait *wait);

/** One more socket; TN_BSD_NONE counts and is never ready. When memory is short, the wait does not last, and the socket is ready. @param interest enum tn_wait_interest, or 0 */
void tn_wait_add(struct tn_wait *wait, tn_bsd socket, unsigned interest);

/** @param timeout_ms -1: until something happens */
void tn_wait_for(struct tn_wait *wait, int timeout_ms);

/** Whether the n-th socket that was added, from 0, is worth a try. It may be told too often. */
bool tn_wait_is_ready(const struct tn_wait *wait, size_t n);

#endif
