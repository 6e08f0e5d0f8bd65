/*
 * UDP sockets on the tailnet interface, or on the network below it. A datagram that arrives is one record in the socket's receive ring:
 *
 *   0   address 16   16  port u16 LE   18  payload
 */
#ifndef TN_DATAGRAM_H
#define TN_DATAGRAM_H

#include "tn_socket.h"

#define TN_DATAGRAM_HEAD 18

/** Binds to a port (0: any) of our present and future addresses. Told by "connected" (local_port is the port) or "closed". */
void tn_datagram_bind(struct tn_socket *socket, uint16_t port);

/** Opens a socket on the network below, on a port of its own. Told by "connected" or "closed". */
void tn_datagram_open_outside(struct tn_socket *socket);

/** After a change of our addresses: binds to the new ones. */
void tn_datagram_readdress(struct tn_socket *socket);

/** Sends a datagram. What cannot be sent is lost, as UDP may. */
void tn_datagram_send(struct tn_socket *socket, const uint8_t address[16], uint16_t port, const uint8_t *payload, size_t length);

/** Closes and releases it. */
void tn_datagram_close(struct tn_socket *socket);

#endif
