/*
 * The sockets of a node on the network below, as the tunnel thread of a desktop sees them: it waits for them beside its own.
 */
#ifndef TN_OUTSIDE_SET_H
#define TN_OUTSIDE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include "tn_outside.h"
#include "tn_wait.h"

struct tn_outside_set {
	struct tn_outside *first;
	size_t count;
	bool is_serving, has_closed;
};

/** The set of a host: in tn_desktop.c. */
struct tn_outside_set *tn_host_outside(void *host);

/** Adds what to wait for, set->count sockets. */
void tn_outside_wait(const struct tn_outside_set *set, struct tn_wait *wait);

/**
 * Takes what was waited for; the set is as it was at tn_outside_wait.
 * @param first number of its first socket in the wait
 * @return that of the first socket behind them
 */
size_t tn_outside_waited(struct tn_outside_set *set, const struct tn_wait *wait, size_t first);

#endif
