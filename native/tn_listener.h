/*
 * Listening TCP sockets on the tailnet interface. Runs on the tunnel thread.
 *
 * An incoming connection takes a socket of its own when its handshake is complete, and is told to the VM as accepted. How many may be half open is
 * decided before lwIP (tn_netif.c).
 */
#ifndef TN_LISTENER_H
#define TN_LISTENER_H

#include "tn_socket.h"

/** Listens on a port (0: any) of our present and future addresses. Told by "connected" (local_port is the port) or "closed". */
void tn_listener_open(struct tn_socket *socket, uint16_t port);

/** After a change of our addresses: listens on the new ones. */
void tn_listener_readdress(struct tn_socket *socket);

/** Closes and releases it. Connections it has accepted go on. */
void tn_listener_close(struct tn_socket *socket);

#endif
