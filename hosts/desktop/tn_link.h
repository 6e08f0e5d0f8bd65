/*
 * Whether addresses or routes of this machine change, by the system's own news.
 */
#ifndef TN_LINK_H
#define TN_LINK_H

#include <stdbool.h>
#include "tn_bsd.h"
#include "tn_wait.h"

struct tn_link;

/** @param wait is kicked where news come without a socket; it outlives this. @return NULL where the system gives no such news, which the others take */
struct tn_link *tn_link_open(struct tn_wait *wait);
void tn_link_close(struct tn_link *link);

/** What to wait for until it is readable; TN_BSD_NONE where news kick. */
tn_bsd tn_link_socket(const struct tn_link *link);

/** Takes all news that are there. @return whether an address, a route or an interface may have changed */
bool tn_link_take(struct tn_link *link);

#endif
