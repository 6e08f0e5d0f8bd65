/*
 * Names outside the tailnet, by the resolver of the platform. One implementation a host.
 */
#ifndef TN_RESOLVE_H
#define TN_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include "tn_hub.h"

#define TN_RESOLVE_MAX 8

enum tn_resolve_result {
	TN_RESOLVE_WAIT = -1,
	TN_RESOLVE_NOT_FOUND = -2,
	TN_RESOLVE_ERROR = -3,
};

struct tn_resolve;

/** VM thread: begins a look-up. @param client signalled when there is a result; open until tn_resolve_close. @return NULL when memory or threads are short */
struct tn_resolve *tn_resolve_open(const char *host, struct tn_client *client);

/** VM thread. @param addresses 16 bytes each, IPv4 first. @return their number, or enum tn_resolve_result */
int tn_resolve_take(struct tn_resolve *resolve, uint8_t addresses[TN_RESOLVE_MAX][16]);

/** VM thread: lets go of it. A look-up that still runs ends by itself, later. */
void tn_resolve_close(struct tn_resolve *resolve);

#endif
