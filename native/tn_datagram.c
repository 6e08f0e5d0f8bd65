/*
 * UDP sockets.
 */
#include "tn_datagram.h"

#include "tn_bytes.h"
#include "tn_lwip.h"
#include "tn_netif.h"
#include "tn_outside.h"
#include "tn_port.h"
#include "tn_records.h"

#define FIRST_PORT 49152u
#define PORTS 16384u
#define PORT_TRIES 16

static void on_receive(void *context, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address, u16_t port)
{
	struct tn_socket *socket = context;
	(void)pcb;
	uint8_t *record = tn_ring_reserve(&socket->receive, TN_DATAGRAM_HEAD + (uint32_t)p->tot_len);
	if (record == NULL) {
		socket->dropped++;
		socket->table->counters.datagrams_dropped++;
	} else {
		tn_from_lwip(record, address);
		tn_store16le(record + 16, port);
		pbuf_copy_partial(p, record + TN_DATAGRAM_HEAD, p->tot_len, 0);
		tn_ring_publish(&socket->receive, TN_DATAGRAM_HEAD + (uint32_t)p->tot_len);
	}
	pbuf_free(p);
	tn_socket_raise(socket, TN_SOCKET_READABLE);
}

/** The network below has datagrams for a socket. */
static void on_outside(void *context, struct tn_outside *outside)
{
	struct tn_socket *socket = context;
	bool is_any = false;
	for (;;) {
		uint8_t address[16];
		uint16_t port;
		uint8_t *record = tn_ring_reserve(&socket->receive, TN_DATAGRAM_HEAD + TN_OUTSIDE_DATAGRAM);
		ptrdiff_t length = tn_outside_receive(outside, address, &port, record == NULL ? NULL : record + TN_DATAGRAM_HEAD);
		if (length < 0)
			break;
		if (record == NULL) {
			socket->dropped++;
			socket->table->counters.datagrams_dropped++;
			continue;
		}
		memcpy(record, address, sizeof address);
		tn_store16le(record + 16, port);
		tn_ring_publish(&socket->receive, TN_DATAGRAM_HEAD + (uint32_t)length);
		is_any = true;
	}
	if (is_any)
		tn_socket_raise(socket, TN_SOCKET_READABLE);
}

static void close_all(struct tn_socket *socket)
{
	for (size_t i = 0; i < 2; i++) {
		if (socket->is_outside)
			tn_outside_close(socket->outside[i]);
		else if (socket->datagrams[i] != NULL)
			udp_remove(socket->datagrams[i]);
		socket->datagrams[i] = NULL;
	}
}

static err_t bind_to(struct tn_socket *socket, const uint8_t address[16], struct udp_pcb **made)
{
	ip_addr_t own;
	struct udp_pcb *pcb = udp_new_ip_type(tn_address_is_ip4(address) ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
	if (pcb == NULL)
		return ERR_MEM;
	tn_to_lwip(&own, address);
	udp_bind_netif(pcb, &socket->table->netif->netif);
	err_t error = udp_bind(pcb, &own, socket->local_port);
	if (error != ERR_OK) {
		udp_remove(pcb);
		return error;
	}
	udp_recv(pcb, on_receive, socket);
	*made = pcb;
	return ERR_OK;
}

static err_t bind_to_all(struct tn_socket *socket)
{
	const struct tn_tunnel *tunnel = socket->table->netif->tunnel;
	err_t error = ERR_OK;
	if (tunnel->has_address4)
		error = bind_to(socket, tunnel->address4, &socket->datagrams[0]);
	if (error == ERR_OK && tunnel->has_address6)
		error = bind_to(socket, tunnel->address6, &socket->datagrams[1]);
	if (error != ERR_OK)
		close_all(socket);
	return error;
}

/** Makes it a datagram socket with a ring. @return false, and told, when memory is short; false when it is a socket already */
static bool begin(struct tn_socket *socket)
{
	if (socket->kind != TN_SOCKET_NONE)
		return false;
	socket->kind = TN_SOCKET_DATAGRAM;
	socket->memory = tn_port_allocate(TN_DATAGRAM_RECEIVE);
	if (socket->memory == NULL) {
		tn_socket_raise_closed(socket, TN_CLOSE_FULL);
		return false;
	}
	tn_ring_init(&socket->receive, socket->memory, TN_DATAGRAM_RECEIVE);
	return true;
}

void tn_datagram_open_outside(struct tn_socket *socket)
{
	void *host = socket->table->netif->tunnel->host;
	if (!begin(socket))
		return;
	socket->is_outside = true;
	for (size_t i = 0; i < 2; i++)
		socket->outside[i] = tn_outside_udp(host, i == 1, on_outside, socket);
	if (socket->outside[0] == NULL && socket->outside[1] == NULL)
		tn_socket_raise_closed(socket, TN_CLOSE_FULL);
	else
		tn_socket_raise(socket, TN_SOCKET_CONNECTED);
}

void tn_datagram_bind(struct tn_socket *socket, uint16_t port)
{
	uint16_t random_port;
	if (!begin(socket))
		return;
	tn_port_random(&random_port, sizeof random_port);
	socket->local_port = port != 0 ? port : (uint16_t)(FIRST_PORT + random_port % PORTS);
	err_t error = bind_to_all(socket);
	for (unsigned i = 0; port == 0 && error == ERR_USE && i < PORT_TRIES; i++) {
		socket->local_port = (uint16_t)(FIRST_PORT + (socket->local_port + 1u) % PORTS);
		error = bind_to_all(socket);
	}
	if (error == ERR_OK)
		tn_socket_raise(socket, TN_SOCKET_CONNECTED);
	else
		tn_socket_raise_closed(socket, error == ERR_USE ? TN_CLOSE_IN_USE : TN_CLOSE_FULL);
}

void tn_datagram_readdress(struct tn_socket *socket)
{
	if (socket->is_outside)
		return;
	close_all(socket);
	err_t error = bind_to_all(socket);
	if (error != ERR_OK)
		tn_socket_raise_closed(socket, error == ERR_USE ? TN_CLOSE_IN_USE : TN_CLOSE_FULL);
}

void tn_datagram_send(struct tn_socket *socket, const uint8_t address[16], uint16_t port, const uint8_t *payload, size_t length)
{
	struct tn_netif *interface = socket->table->netif;
	size_t family = tn_address_is_ip4(address) ? 0 : 1;
	ip_addr_t remote;
	if (socket->is_outside) {
		if (socket->outside[family] != NULL && port != 0)
			tn_outside_send(socket->outside[family], address, port, payload, length);
		return;
	}
	struct udp_pcb *pcb = socket->datagrams[family];
	if (pcb == NULL || port == 0 || length > UINT16_MAX - 64 || tn_tunnel_is_own(interface->tunnel, address))
		return;
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)length, PBUF_RAM);
	if (p == NULL) {
		socket->table->counters.no_memory++;
		return;
	}
	memcpy(p->payload, payload, length);
	tn_to_lwip(&remote, address);
	if (udp_sendto_if_src(pcb, p, &remote, port, &interface->netif, &pcb->local_ip) == ERR_MEM)
		socket->table->counters.no_memory++;
	pbuf_free(p);
}

void tn_datagram_close(struct tn_socket *socket)
{
	close_all(socket);
	tn_socket_release(socket);
}
