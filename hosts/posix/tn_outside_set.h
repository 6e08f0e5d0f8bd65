/*
 * The sockets of a node on the network below, as the tunnel thread of a desktop sees them: it waits for them beside its own.
 */
#ifndef TN_OUTSIDE_SET_H
#define TN_OUTSIDE_SET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include "tn_outside.h"

struct tn_outside_set {
	struct tn_outside *first;
	size_t count;
	bool is_serving, has_closed;
};

/** The set of a host: in tn_posix.c. */
struct tn_outside_set *tn_host_outside(void *host);

/** Writes what to wait for, set->count entries. */
void tn_outside_poll(const struct tn_outside_set *set, struct pollfd *fds);

/** Takes what was waited for; the set is as it was when tn_outside_poll wrote. */
void tn_outside_polled(struct tn_outside_set *set, const struct pollfd *fds);

#endif
