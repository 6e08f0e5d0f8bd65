/*
 * TCP of subnet routes: a stream of lwIP with the host's address towards the peer, a connection of the machine towards the host.
 *
 *   CONNECTING   the SYN waits, the machine connects          refused, or 30 s: RST
 *   ACCEPTING    lwIP listens on the host's address and port, and is given the SYN; other flows may wait with it
 *   OPEN         bytes go both ways; the end of one side is told to the other, which may go on sending; a reset is passed on as one
 */
#include "tn_subnet_stream.h"

#if TN_SUBNET

#include <string.h>
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_netif.h"
#include "tn_outside.h"
#include "tn_records.h"
#include "tn_stream.h"

#define TCP_HEADER 20

static void become_accepting(struct tn_forward *flow);

static bool is_opening(enum tn_forward_state state)
{
	return state == TN_FORWARD_CONNECTING || state == TN_FORWARD_ACCEPTING;
}

/** Writes the RST that answers a segment. */
static void reset(struct tn_netif *netif, const uint8_t *bytes, const struct tn_packet *packet)
{
	const uint8_t *tcp = bytes + packet->transport;
	size_t header = packet->version == 4 ? TN_IP4_HEADER : TN_IP6_HEADER, total = header + TCP_HEADER;
	size_t data = packet->transport + (tcp[12] >> 4) * 4u;
	uint32_t length = packet->length > data ? (uint32_t)(packet->length - data) : 0;
	uint8_t *out = tn_netif_place(netif, (uint16_t)total);
	if (out == NULL)
		return;
	memset(out, 0, total);
	if (packet->version == 4) {
		out[0] = 0x45;
		tn_store16be(out + 2, (uint16_t)total);
		out[8] = 64;
		out[9] = TN_PROTOCOL_TCP;
		memcpy(out + 12, packet->destination + 12, 4);
		memcpy(out + 16, packet->source + 12, 4);
	} else {
		out[0] = 0x60;
		tn_store16be(out + 4, TCP_HEADER);
		out[6] = TN_PROTOCOL_TCP;
		out[7] = 64;
		memcpy(out + 8, packet->destination, 16);
		memcpy(out + 24, packet->source, 16);
	}
	uint8_t *answer = out + header;
	tn_store16be(answer, packet->destination_port);
	tn_store16be(answer + 2, packet->source_port);
	answer[12] = 0x50;
	if ((packet->tcp_flags & TN_TCP_ACK) != 0) {
		memcpy(answer + 4, tcp + 8, 4);
		answer[13] = TN_TCP_RST;
	} else {
		uint32_t acknowledged = tn_load32be(tcp + 4) + length + ((packet->tcp_flags & TN_TCP_SYN) != 0) + ((packet->tcp_flags & TN_TCP_FIN) != 0);
		tn_store32be(answer + 8, acknowledged);
		answer[13] = TN_TCP_RST | TN_TCP_ACK;
	}
	tn_checksum_fill(out, total);
	tn_netif_commit(netif, (uint16_t)total);
}

void tn_subnet_refuse(struct tn_forward *flow)
{
	struct tn_packet packet;
	tn_packet_parse(&packet, flow->syn, flow->syn_length);
	reset(flow->subnet->netif, flow->syn, &packet);
	flow->subnet->refused_below++;
}

/* ---- Below ---- */

static void on_outside(void *context, struct tn_outside *outside)
{
	struct tn_forward *flow = context;
	if (flow->state == TN_FORWARD_CONNECTING) {
		int result = tn_outside_connected(outside);
		if (result == TN_OUTSIDE_WAIT)
			return;
		if (result < 0) {
			tn_subnet_refuse(flow);
			tn_subnet_end(flow);
			return;
		}
		become_accepting(flow);
	} else if (flow->state == TN_FORWARD_OPEN) {
		tn_subnet_move(flow);
	}
}

/* ---- Towards the peer ---- */

static err_t on_accept(void *context, struct tcp_pcb *pcb, err_t error)
{
	struct tn_subnet *subnet = context;
	struct tn_packet packet = {0};
	if (error != ERR_OK || pcb == NULL)
		return ERR_VAL;
	tn_from_lwip(packet.source, &pcb->remote_ip);
	tn_from_lwip(packet.destination, &pcb->local_ip);
	struct tn_forward *flow = tn_subnet_find(subnet, is_opening, &packet, pcb->remote_port, pcb->local_port);
	struct tn_socket *socket = flow == NULL || flow->state != TN_FORWARD_ACCEPTING ? NULL : tn_socket_take(subnet->netif->sockets);
	if (socket == NULL) {
		if (flow != NULL)
			tn_subnet_end(flow);
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	socket->flow = flow;
	if (!tn_stream_adopt(socket, pcb, 0)) {
		tn_socket_release(socket);
		tn_subnet_end(flow);
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	flow->socket = socket;
	flow->state = TN_FORWARD_OPEN;
	flow->subnet->opened++;
	tn_subnet_raise(flow);
	return ERR_OK;
}

/** A listener for the host and port of a flow: that of another flow, or a new one. */
static struct tcp_pcb *listener_for(const struct tn_forward *flow)
{
	struct tn_subnet *subnet = flow->subnet;
	for (size_t i = 0; i < TN_SUBNET_FLOWS; i++) {
		const struct tn_forward *other = &subnet->flows[i];
		if (other->listener != NULL && other->host_port == flow->host_port && memcmp(other->host, flow->host, 16) == 0)
			return other->listener;
	}
	struct tcp_pcb *pcb = tcp_new_ip_type(tn_address_is_ip4(flow->host) ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
	if (pcb == NULL)
		return NULL;
	ip_set_option(pcb, SOF_REUSEADDR);
	err_t error = tn_stream_bind(subnet->netif, pcb, flow->host, flow->host_port);
	struct tcp_pcb *listener = error == ERR_OK ? tcp_listen_with_backlog_and_err(pcb, TCP_DEFAULT_LISTEN_BACKLOG, &error) : NULL;
	if (listener == NULL) {
		tcp_abort(pcb);
		return NULL;
	}
	tcp_arg(listener, subnet);
	tcp_accept(listener, on_accept);
	tcp_setprio(listener, TCP_PRIO_MIN);
	return listener;
}

/** The flow does not need its listener any more; the last one closes it. */
static void leave_listener(struct tn_forward *flow)
{
	struct tcp_pcb *listener = flow->listener;
	flow->listener = NULL;
	for (size_t i = 0; i < TN_SUBNET_FLOWS && listener != NULL; i++) {
		if (flow->subnet->flows[i].listener == listener)
			return;
	}
	if (listener != NULL)
		tcp_close(listener);
}

/** The host has accepted: now the peer's SYN is answered. */
static void become_accepting(struct tn_forward *flow)
{
	struct tn_packet packet;
	tn_outside_want(flow->outside, 0);
	flow->listener = listener_for(flow);
	if (flow->listener == NULL) {
		flow->subnet->refused_full++;
		tn_subnet_refuse(flow);
		tn_subnet_end(flow);
		return;
	}
	flow->state = TN_FORWARD_ACCEPTING;
	tn_packet_parse(&packet, flow->syn, flow->syn_length);
	tn_netif_accept(flow->subnet->netif, flow->syn, &packet);
}

static void begin(struct tn_subnet *subnet, const uint8_t *bytes, const struct tn_packet *packet)
{
	if (packet->length > TN_FORWARD_SYN)
		return;
	struct tn_forward *flow = tn_subnet_begin(subnet, TN_FORWARD_CONNECTING, packet, packet->source_port, packet->destination_port);
	if (flow == NULL) {
		reset(subnet->netif, bytes, packet);
		return;
	}
	flow->syn_length = (uint16_t)packet->length;
	memcpy(flow->syn, bytes, packet->length);
	flow->outside = tn_outside_tcp(subnet->netif->tunnel->host, flow->host, flow->host_port, on_outside, flow);
	if (flow->outside == NULL) {
		tn_subnet_refuse(flow);
		tn_subnet_end(flow);
	}
}

void tn_subnet_take_segment(struct tn_subnet *subnet, uint8_t *bytes, const struct tn_packet *packet)
{
	bool is_open = tn_packet_is_tcp_open(packet);
	uint8_t index = netif_get_index(&subnet->netif->netif);
	if (tn_coalesce_find_finished(packet, index) != NULL ||
	    tn_coalesce_find_any(packet->destination, packet->destination_port, packet->source, packet->source_port, index) != NULL) {
		tn_netif_accept(subnet->netif, bytes, packet);
		return;
	}
	struct tn_forward *flow = tn_subnet_find(subnet, is_opening, packet, packet->source_port, packet->destination_port);
	if (flow != NULL && (packet->tcp_flags & TN_TCP_RST) != 0)
		tn_subnet_end(flow);
	else if (flow != NULL && flow->state == TN_FORWARD_ACCEPTING && is_open)
		tn_netif_accept(subnet->netif, bytes, packet);
	else if (flow == NULL && is_open)
		begin(subnet, bytes, packet);
	else if (flow == NULL && (packet->tcp_flags & TN_TCP_RST) == 0)
		reset(subnet->netif, bytes, packet);
}

/* ---- Both ---- */

void tn_subnet_raise(struct tn_forward *flow)
{
	flow->subnet->is_raised = true;
	tn_netif_stir(flow->subnet->netif);
}

/** @return false when the host has reset the connection */
static bool move_to_host(struct tn_forward *flow)
{
	struct tn_ring *ring = &flow->socket->receive;
	const uint8_t *bytes;
	uint32_t length;
	while ((length = tn_ring_peek(ring, 0, &bytes)) > 0) {
		int sent = tn_outside_write(flow->outside, bytes, length);
		if (sent == TN_OUTSIDE_WAIT)
			return true;
		if (sent < 0)
			return false;
		tn_ring_drop(ring, (uint32_t)sent);
	}
	if (flow->is_peer_ended && !flow->is_end_told) {
		flow->is_end_told = true;
		tn_outside_finish(flow->outside);
	}
	return true;
}

/** @return false when the host has reset the connection */
static bool move_to_peer(struct tn_forward *flow)
{
	struct tn_ring *ring = &flow->socket->send;
	uint8_t *place;
	uint32_t room;
	while (!flow->is_host_ended && (room = tn_ring_place(ring, &place)) > 0) {
		int received = tn_outside_read(flow->outside, place, room);
		if (received == TN_OUTSIDE_WAIT)
			return true;
		if (received < 0)
			return false;
		if (received == 0) {
			flow->is_host_ended = true;
			tn_stream_end(flow->socket);
		} else {
			tn_ring_fill(ring, (uint32_t)received);
		}
	}
	return true;
}

/** What the stream has told since. @return false when the peer has reset it */
static bool take_flags(struct tn_forward *flow)
{
	uint32_t flags = atomic_exchange_explicit(&flow->socket->flags, 0, memory_order_acq_rel);
	if ((flags & TN_SOCKET_CLOSED) == 0)
		return true;
	flow->is_peer_ended = true;
	return flow->socket->close_reason == TN_CLOSE_REMOTE;
}

void tn_subnet_move(struct tn_forward *flow)
{
	struct tn_socket *socket = flow->socket;
	if (!take_flags(flow) || !move_to_host(flow) || !move_to_peer(flow)) {
		tn_subnet_end(flow);
		return;
	}
	if (flow->is_end_told && flow->is_host_ended) {
		/* What is in the send ring leaves by itself. */
		socket->flow = NULL;
		flow->socket = NULL;
		tn_stream_close(socket, false);
		tn_subnet_end(flow);
		return;
	}
	unsigned wanted = 0;
	if (!flow->is_host_ended && tn_ring_free(&socket->send) > 0)
		wanted |= TN_OUTSIDE_READABLE;
	if (tn_ring_used(&socket->receive) > 0)
		wanted |= TN_OUTSIDE_WRITABLE;
	tn_outside_want(flow->outside, wanted);
	tn_stream_service(socket);
}

void tn_subnet_end_stream(struct tn_forward *flow)
{
	struct tn_socket *socket = flow->socket;
	leave_listener(flow);
	if (socket == NULL)
		return;
	socket->flow = NULL;
	flow->socket = NULL;
	tn_stream_close(socket, true);
}

#else

typedef int tn_subnet_stream_is_not_built;

#endif
