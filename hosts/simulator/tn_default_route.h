/*
 * The IPv4 default route. One implementation a POSIX system.
 */
#ifndef TN_DEFAULT_ROUTE_H
#define TN_DEFAULT_ROUTE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/** Finds the interface that it leads to, and its gateway. @return false if there is none with a gateway */
bool tn_default_route(char interface[IF_NAMESIZE], uint8_t gateway[4]);

#endif
