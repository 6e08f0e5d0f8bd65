/*
 * TCP sockets on the tailnet interface.
 *
 *   send      VM -> send ring -> tcp_write (without a copy where lwIP allows, then the bytes stay in the ring until they are acknowledged)
 *   receive   lwIP -> receive ring -> VM; the TCP window is never larger than the free part of the ring, so nothing has to be refused
 *   end       the rest of the send ring, then FIN; the other way stays open
 *   close     the rest of the send ring, then FIN; a connection that stands still for a minute meanwhile, or takes ten, is reset
 *
 * Everything here runs on the tunnel thread.
 */
#ifndef TN_STREAM_H
#define TN_STREAM_H

#include "tn_socket.h"

/** Opens a connection. What becomes of it is told by flags: connected, or closed with a reason. */
void tn_stream_connect(struct tn_socket *socket, const uint8_t address[16], uint16_t port, bool no_delay);

/** After a change of our addresses: resets a stream of an address that we have no more. */
void tn_stream_readdress(struct tn_socket *socket);

/** The VM touched the socket: sends what is in the ring, opens the window for what was read. */
void tn_stream_service(struct tn_socket *socket);

/** The VM let go of it. @param is_abort RST at once; else the bytes in the send ring leave first, then FIN. The slot is released when lwIP is done */
void tn_stream_close(struct tn_socket *socket, bool is_abort);

/** Nothing more is written: when all has left, FIN. What the peer sends still comes. */
void tn_stream_end(struct tn_socket *socket);

/** A peer's rules refuse a connection that is being opened. @return whether socket is that one */
bool tn_stream_refuse(struct tn_socket *socket, const uint8_t remote[16], uint16_t remote_port, uint16_t local_port);

/** lwIP has taken a packet, presumably of this connection, which need not be ours. */
void tn_stream_after_input(struct tcp_pcb *pcb);

/** Every 250 ms for every connection, which need not be ours. It may end the connection. */
void tn_stream_step(struct tcp_pcb *pcb);

/** A probe of some connection is due, for every connection. */
void tn_stream_probe(struct tcp_pcb *pcb, uint64_t now);

/**
 * For listeners: makes a connection that lwIP has accepted a stream of ours.
 * @param listener handle
 * @return false when memory is short: the connection is the caller's to abort, the socket to release
 */
bool tn_stream_adopt(struct tn_socket *socket, struct tcp_pcb *pcb, uint32_t listener);

/** Binds to one of our addresses, on our interface only. @param port 0: a random one. @return lwIP's err_t */
int8_t tn_stream_bind(struct tn_netif *interface, struct tcp_pcb *pcb, const uint8_t address[16], uint16_t port);

#endif
