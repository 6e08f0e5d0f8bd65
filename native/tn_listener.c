/*
 * Listening TCP sockets: one lwIP listener for each of our addresses.
 */
#include "tn_listener.h"

#include "tn_lwip.h"
#include "tn_netif.h"
#include "tn_port.h"
#include "tn_records.h"
#include "tn_stream.h"

#define FIRST_PORT 49152u
#define PORTS 16384u
#define PORT_TRIES 16

static err_t on_accept(void *context, struct tcp_pcb *pcb, err_t error)
{
	struct tn_socket *listener = context;
	if (error != ERR_OK || pcb == NULL || listener == NULL)
		return ERR_VAL;
	struct tn_socket *socket = tn_socket_take(listener->table);
	if (socket == NULL) {
		listener->table->counters.refused_full++;
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	if (!tn_stream_adopt(socket, pcb, tn_socket_handle(listener))) {
		tn_socket_release(socket);
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	listener->table->counters.accepted++;
	return ERR_OK;
}

/** Listens on one of our addresses. @return ERR_OK with *listener set */
static err_t listen_on(struct tn_socket *socket, const uint8_t address[16], uint16_t port, struct tcp_pcb **listener)
{
	err_t error;
	struct tcp_pcb *pcb = tcp_new_ip_type(tn_address_is_ip4(address) ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
	if (pcb == NULL)
		return ERR_MEM;
	ip_set_option(pcb, SOF_REUSEADDR);
	error = tn_stream_bind(socket->table->netif, pcb, address, port);
	struct tcp_pcb *smaller = error == ERR_OK ? tcp_listen_with_backlog_and_err(pcb, TCP_DEFAULT_LISTEN_BACKLOG, &error) : NULL;
	if (smaller == NULL) {
		tcp_abort(pcb);
		return error;
	}
	tcp_arg(smaller, socket);
	tcp_accept(smaller, on_accept);
	tcp_setprio(smaller, TCP_PRIO_MIN);
	*listener = smaller;
	return ERR_OK;
}

static void close_listeners(struct tn_socket *socket)
{
	for (size_t i = 0; i < 2; i++) {
		if (socket->listeners[i] != NULL)
			tcp_close(socket->listeners[i]);
		socket->listeners[i] = NULL;
	}
}

static err_t listen_on_all(struct tn_socket *socket)
{
	const struct tn_tunnel *tunnel = socket->table->netif->tunnel;
	err_t error = ERR_OK;
	if (tunnel->has_address4) {
		error = listen_on(socket, tunnel->address4, socket->local_port, &socket->listeners[0]);
		if (error == ERR_OK)
			socket->local_port = socket->listeners[0]->local_port;
	}
	if (error == ERR_OK && tunnel->has_address6) {
		error = listen_on(socket, tunnel->address6, socket->local_port, &socket->listeners[1]);
		if (error == ERR_OK)
			socket->local_port = socket->listeners[1]->local_port;
	}
	if (error != ERR_OK)
		close_listeners(socket);
	return error;
}

void tn_listener_open(struct tn_socket *socket, uint16_t port)
{
	uint16_t random_port;
	if (socket->kind != TN_SOCKET_NONE)
		return;
	socket->kind = TN_SOCKET_LISTENER;
	tn_port_random(&random_port, sizeof random_port);
	socket->local_port = port != 0 ? port : (uint16_t)(FIRST_PORT + random_port % PORTS);
	err_t error = listen_on_all(socket);
	for (unsigned i = 0; port == 0 && error == ERR_USE && i < PORT_TRIES; i++) {
		socket->local_port = (uint16_t)(FIRST_PORT + (socket->local_port + 1u) % PORTS);
		error = listen_on_all(socket);
	}
	if (error == ERR_OK)
		tn_socket_raise(socket, TN_SOCKET_CONNECTED);
	else
		tn_socket_raise_closed(socket, error == ERR_USE ? TN_CLOSE_IN_USE : TN_CLOSE_FULL);
}

void tn_listener_readdress(struct tn_socket *socket)
{
	close_listeners(socket);
	err_t error = listen_on_all(socket);
	if (error != ERR_OK)
		tn_socket_raise_closed(socket, error == ERR_USE ? TN_CLOSE_IN_USE : TN_CLOSE_FULL);
}

void tn_listener_close(struct tn_socket *socket)
{
	close_listeners(socket);
	tn_socket_release(socket);
}
