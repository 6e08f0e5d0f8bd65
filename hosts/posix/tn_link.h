/*
 * Whether addresses or routes of this machine change, by the system's own news: a descriptor that becomes readable.
 */
#ifndef TN_LINK_H
#define TN_LINK_H

#include <stdbool.h>

/** @return a descriptor to wait for and to close; -1 where the system gives no such news */
int tn_link_open(void);

/** Takes all news that are there. @return whether an address, a route or an interface may have changed */
bool tn_link_take(int fd);

#endif
