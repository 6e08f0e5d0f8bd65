/*
 * Subnet routes: flows of peers to hosts below. TCP streams are in tn_subnet_stream.c.
 */
#include "tn_subnet.h"

#if TN_SUBNET

#include <string.h>
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_netif.h"
#include "tn_outside.h"
#include "tn_port.h"
#include "tn_subnet_stream.h"

#define DATAGRAM_MS 120000u
#define NAME_MS 30000u
#define ECHO_MS 10000u
#define NAME_PORT 53
/** A connection that is not open on both sides by then is given up. */
#define OPENING_MS 30000u
#define UDP_HEADER 8
#define ICMP_HEADER 8
#define ECHO_REPLY4 0
#define ECHO_REPLY6 129
#define TTL 64
/** Of an IPv4 fragment, but the last: a multiple of 8. */
#define FRAGMENT_BYTES ((TN_MTU - TN_IP4_HEADER) / 8u * 8u)
#define MORE_FRAGMENTS 0x2000u

struct tn_forward *tn_subnet_find(struct tn_subnet *subnet, bool is_of_kind(enum tn_forward_state state), const struct tn_packet *packet, uint16_t peer_port,
                                  uint16_t host_port)
{
	unsigned left = subnet->used;
	for (size_t i = 0; i < TN_SUBNET_FLOWS && left > 0; i++) {
		struct tn_forward *flow = &subnet->flows[i];
		if (flow->state == TN_FORWARD_FREE)
			continue;
		left--;
		if (flow->peer_port == peer_port && flow->host_port == host_port && is_of_kind(flow->state) && memcmp(flow->host, packet->destination, 16) == 0 &&
		    memcmp(flow->peer, packet->source, 16) == 0)
			return flow;
	}
	return NULL;
}

static uint64_t now_of(const struct tn_subnet *subnet)
{
	return subnet->netif->tunnel->now;
}

void tn_subnet_end(struct tn_forward *flow)
{
	struct tn_subnet *subnet = flow->subnet;
	tn_subnet_end_stream(flow);
	tn_outside_close(flow->outside);
	*flow = (struct tn_forward){.state = TN_FORWARD_FREE};
	if (--subnet->used == 0) {
		tn_port_free(subnet->buffer);
		subnet->buffer = NULL;
	}
}

/** When a flow is over if nothing happens. */
static uint64_t end_of(const struct tn_forward *flow)
{
	switch (flow->state) {
	case TN_FORWARD_DATAGRAMS:
		return flow->used_at + (flow->host_port == NAME_PORT ? NAME_MS : DATAGRAM_MS);
	case TN_FORWARD_ECHO:
		return flow->used_at + ECHO_MS;
	case TN_FORWARD_CONNECTING:
	case TN_FORWARD_ACCEPTING:
		return flow->used_at + OPENING_MS;
	default:
		return UINT64_MAX;
	}
}

/** Makes room among flows without connection: the one that was silent longest gives way. @return false if there is none */
static bool evict(struct tn_subnet *subnet)
{
	struct tn_forward *oldest = NULL;
	for (size_t i = 0; i < TN_SUBNET_FLOWS; i++) {
		struct tn_forward *flow = &subnet->flows[i];
		if ((flow->state == TN_FORWARD_DATAGRAMS || flow->state == TN_FORWARD_ECHO) && (oldest == NULL || flow->used_at < oldest->used_at))
			oldest = flow;
	}
	if (oldest != NULL)
		tn_subnet_end(oldest);
	return oldest != NULL;
}

/** One peer has two thirds of the flows at most. */
static bool has_share(const struct tn_subnet *subnet, const uint8_t peer[16])
{
	unsigned count = 0;
	for (size_t i = 0; i < TN_SUBNET_FLOWS; i++)
		count += subnet->flows[i].state != TN_FORWARD_FREE && memcmp(subnet->flows[i].peer, peer, 16) == 0;
	return 3 * count < 2 * TN_SUBNET_FLOWS;
}

struct tn_forward *tn_subnet_begin(struct tn_subnet *subnet, enum tn_forward_state state, const struct tn_packet *packet, uint16_t peer_port,
                                   uint16_t host_port)
{
	if (!has_share(subnet, packet->source) || (subnet->used == TN_SUBNET_FLOWS && !evict(subnet))) {
		subnet->refused_full++;
		return NULL;
	}
	if (subnet->buffer == NULL && (subnet->buffer = tn_port_allocate(TN_OUTSIDE_DATAGRAM)) == NULL) {
		subnet->refused_full++;
		return NULL;
	}
	struct tn_forward *flow = subnet->flows;
	while (flow->state != TN_FORWARD_FREE)
		flow++;
	*flow = (struct tn_forward){.state = state, .peer_port = peer_port, .host_port = host_port, .subnet = subnet, .used_at = now_of(subnet)};
	memcpy(flow->peer, packet->source, 16);
	memcpy(flow->host, packet->destination, 16);
	subnet->used++;
	subnet->look_at = 0;
	return flow;
}

/* ---- Packets to a peer ---- */

/** Writes an IP header from the host of a flow to its peer. @return its length */
static size_t write_header(const struct tn_forward *flow, uint8_t *packet, uint8_t protocol, size_t length)
{
	if (tn_address_is_ip4(flow->host)) {
		memset(packet, 0, TN_IP4_HEADER);
		packet[0] = 0x45;
		tn_store16be(packet + 2, (uint16_t)(TN_IP4_HEADER + length));
		packet[8] = TTL;
		packet[9] = protocol;
		memcpy(packet + 12, flow->host + 12, 4);
		memcpy(packet + 16, flow->peer + 12, 4);
		return TN_IP4_HEADER;
	}
	memset(packet, 0, TN_IP6_HEADER);
	packet[0] = 0x60;
	tn_store16be(packet + 4, (uint16_t)length);
	packet[6] = protocol;
	packet[7] = TTL;
	memcpy(packet + 8, flow->host, 16);
	memcpy(packet + 24, flow->peer, 16);
	return TN_IP6_HEADER;
}

static size_t header_of(const struct tn_forward *flow)
{
	return tn_address_is_ip4(flow->host) ? TN_IP4_HEADER : TN_IP6_HEADER;
}

/** Sends what is larger than the tunnel's packets in IPv4 fragments. @param whole the datagram, UDP header and payload, checksum filled */
static void send_fragments(struct tn_forward *flow, const uint8_t head[UDP_HEADER], const uint8_t *payload, size_t length)
{
	struct tn_netif *netif = flow->subnet->netif;
	uint16_t id;
	tn_port_random(&id, sizeof id);
	for (size_t at = 0; at < UDP_HEADER + length;) {
		size_t left = UDP_HEADER + length - at, part = left < FRAGMENT_BYTES ? left : FRAGMENT_BYTES;
		uint8_t *packet = tn_netif_place(netif, (uint16_t)(TN_IP4_HEADER + part));
		if (packet == NULL)
			return;
		write_header(flow, packet, TN_PROTOCOL_UDP, part);
		tn_store16be(packet + 4, id);
		tn_store16be(packet + 6, (uint16_t)(at / 8 | (part < left ? MORE_FRAGMENTS : 0)));
		tn_store16be(packet + 10, tn_checksum_ip4(packet, TN_IP4_HEADER));
		size_t skip = at == 0 ? UDP_HEADER : 0;
		if (skip > 0)
			memcpy(packet + TN_IP4_HEADER, head, UDP_HEADER);
		memcpy(packet + TN_IP4_HEADER + skip, payload + (at + skip - UDP_HEADER), part - skip);
		tn_netif_commit(netif, (uint16_t)(TN_IP4_HEADER + part));
		at += part;
	}
}

static void send_datagram(struct tn_forward *flow, const uint8_t *payload, size_t length)
{
	struct tn_netif *netif = flow->subnet->netif;
	uint8_t head[UDP_HEADER];
	size_t header = header_of(flow), total = header + UDP_HEADER + length;
	tn_store16be(head, flow->host_port);
	tn_store16be(head + 2, flow->peer_port);
	tn_store16be(head + 4, (uint16_t)(UDP_HEADER + length));
	/* No checksum: IPv4 allows it, and the tunnel has a better one. */
	tn_store16be(head + 6, 0);
	if (total > TN_MTU) {
		if (header == TN_IP4_HEADER)
			send_fragments(flow, head, payload, length);
		else
			flow->subnet->too_long++;
		return;
	}
	uint8_t *packet = tn_netif_place(netif, (uint16_t)total);
	if (packet == NULL)
		return;
	write_header(flow, packet, TN_PROTOCOL_UDP, UDP_HEADER + length);
	memcpy(packet + header, head, UDP_HEADER);
	memcpy(packet + header + UDP_HEADER, payload, length);
	tn_checksum_fill(packet, total);
	tn_netif_commit(netif, (uint16_t)total);
}

static void send_echo_reply(struct tn_forward *flow, uint16_t sequence, const uint8_t *payload, size_t length)
{
	struct tn_netif *netif = flow->subnet->netif;
	size_t header = header_of(flow), total = header + ICMP_HEADER + length;
	uint8_t *packet = total > TN_MTU ? NULL : tn_netif_place(netif, (uint16_t)total);
	if (packet == NULL)
		return;
	write_header(flow, packet, header == TN_IP4_HEADER ? TN_PROTOCOL_ICMP4 : TN_PROTOCOL_ICMP6, ICMP_HEADER + length);
	uint8_t *icmp = packet + header;
	icmp[0] = header == TN_IP4_HEADER ? ECHO_REPLY4 : ECHO_REPLY6;
	icmp[1] = 0;
	tn_store16be(icmp + 2, 0);
	tn_store16be(icmp + 4, flow->peer_port);
	tn_store16be(icmp + 6, sequence);
	memcpy(icmp + ICMP_HEADER, payload, length);
	tn_checksum_fill(packet, total);
	tn_netif_commit(netif, (uint16_t)total);
}

/* ---- UDP and echo ---- */

/** Something came from below. Only the host of the flow counts. */
static void on_datagram(void *context, struct tn_outside *outside)
{
	struct tn_forward *flow = context;
	struct tn_subnet *subnet = flow->subnet;
	uint8_t address[16];
	uint16_t port;
	ptrdiff_t length;
	while ((length = tn_outside_receive(outside, address, &port, subnet->buffer)) >= 0) {
		if (memcmp(address, flow->host, 16) != 0 || (flow->state == TN_FORWARD_DATAGRAMS && port != flow->host_port))
			continue;
		flow->used_at = now_of(subnet);
		if (flow->state == TN_FORWARD_DATAGRAMS)
			send_datagram(flow, subnet->buffer, (size_t)length);
		else
			send_echo_reply(flow, port, subnet->buffer, (size_t)length);
	}
}

static bool is_datagrams(enum tn_forward_state state)
{
	return state == TN_FORWARD_DATAGRAMS;
}

static bool is_echo(enum tn_forward_state state)
{
	return state == TN_FORWARD_ECHO;
}

static void take_datagram(struct tn_subnet *subnet, const uint8_t *bytes, const struct tn_packet *packet)
{
	const uint8_t *udp = bytes + packet->transport;
	size_t present = packet->length - packet->transport, length = tn_load16be(udp + 4);
	if (length < UDP_HEADER || length > present || packet->source_port == 0 || packet->destination_port == 0)
		return;
	struct tn_forward *flow = tn_subnet_find(subnet, is_datagrams, packet, packet->source_port, packet->destination_port);
	if (flow == NULL) {
		flow = tn_subnet_begin(subnet, TN_FORWARD_DATAGRAMS, packet, packet->source_port, packet->destination_port);
		if (flow == NULL)
			return;
		flow->outside = tn_outside_udp(subnet->netif->tunnel->host, packet->version == 6, on_datagram, flow);
		if (flow->outside == NULL) {
			subnet->refused_full++;
			tn_subnet_end(flow);
			return;
		}
		subnet->opened++;
	}
	flow->used_at = now_of(subnet);
	tn_outside_send(flow->outside, flow->host, flow->host_port, udp + UDP_HEADER, length - UDP_HEADER);
}

static void take_echo(struct tn_subnet *subnet, const uint8_t *bytes, const struct tn_packet *packet)
{
	const uint8_t *icmp = bytes + packet->transport;
	uint16_t id = tn_load16be(icmp + 4);
	struct tn_forward *flow = tn_subnet_find(subnet, is_echo, packet, id, 0);
	if (flow == NULL) {
		flow = tn_subnet_begin(subnet, TN_FORWARD_ECHO, packet, id, 0);
		if (flow == NULL)
			return;
		flow->outside = tn_outside_echo(subnet->netif->tunnel->host, packet->version == 6, on_datagram, flow);
		if (flow->outside == NULL) {
			subnet->refused_full++;
			tn_subnet_end(flow);
			return;
		}
		subnet->opened++;
	}
	flow->used_at = now_of(subnet);
	tn_outside_send(flow->outside, flow->host, tn_load16be(icmp + 6), icmp + ICMP_HEADER, packet->length - packet->transport - ICMP_HEADER);
}

/** Hosts that no prefix opens. A v4-mapped address in an IPv6 packet is none of a host. */
static bool is_forwardable(const struct tn_packet *packet)
{
	static const uint8_t loopback6[16] = {[15] = 1}, unspecified6[16] = {0};
	const uint8_t *host = packet->destination;
	if (tn_packet_is_to_multicast(packet) || tn_packet_is_to_link_local(packet))
		return false;
	if (packet->version == 4)
		return host[12] != 0 && host[12] != 127 && host[12] < 240 && !(host[12] == 169 && host[13] == 254) && !tn_routes_is_node_address(4, host + 12);
	return !tn_address_is_ip4(host) && memcmp(host, loopback6, 16) != 0 && memcmp(host, unspecified6, 16) != 0 && !tn_routes_is_node_address(6, host);
}

void tn_subnet_input(struct tn_subnet *subnet, uint8_t *bytes, const struct tn_packet *packet)
{
	if (!is_forwardable(packet))
		return;
	if (packet->protocol == TN_PROTOCOL_FRAGMENT || (packet->version == 4 && (tn_load16be(bytes + 6) & 0x3fff) != 0)) {
		subnet->fragments++;
		return;
	}
	if (packet->protocol == TN_PROTOCOL_TCP)
		tn_subnet_take_segment(subnet, bytes, packet);
	else if (packet->protocol == TN_PROTOCOL_UDP)
		take_datagram(subnet, bytes, packet);
	else if (tn_packet_is_echo_request(packet))
		take_echo(subnet, bytes, packet);
}

/* ---- Turns ---- */

/** Ends what is over. */
static void look(struct tn_subnet *subnet, uint64_t now)
{
	subnet->look_at = UINT64_MAX;
	for (size_t i = 0; i < TN_SUBNET_FLOWS; i++) {
		struct tn_forward *flow = &subnet->flows[i];
		if (flow->state == TN_FORWARD_FREE)
			continue;
		uint64_t end = end_of(flow);
		if (now < end) {
			if (end < subnet->look_at)
				subnet->look_at = end;
			continue;
		}
		if (flow->state == TN_FORWARD_CONNECTING)
			tn_subnet_refuse(flow);
		tn_subnet_end(flow);
	}
}

uint64_t tn_subnet_turn(struct tn_subnet *subnet)
{
	if (subnet->used == 0)
		return UINT64_MAX;
	if (subnet->is_raised) {
		subnet->is_raised = false;
		for (size_t i = 0; i < TN_SUBNET_FLOWS; i++) {
			if (subnet->flows[i].state == TN_FORWARD_OPEN)
				tn_subnet_move(&subnet->flows[i]);
		}
	}
	if (now_of(subnet) >= subnet->look_at)
		look(subnet, now_of(subnet));
	return subnet->look_at;
}

void tn_subnet_check(struct tn_subnet *subnet)
{
	for (size_t i = 0; i < TN_SUBNET_FLOWS; i++) {
		struct tn_forward *flow = &subnet->flows[i];
		if (flow->state != TN_FORWARD_FREE && !tn_tunnel_is_subnet(subnet->netif->tunnel, flow->host))
			tn_subnet_end(flow);
	}
}

void tn_subnet_close(struct tn_subnet *subnet)
{
	for (size_t i = 0; i < TN_SUBNET_FLOWS; i++) {
		if (subnet->flows[i].state != TN_FORWARD_FREE)
			tn_subnet_end(&subnet->flows[i]);
	}
}

#else

/** An empty file is none in ISO C. */
typedef int tn_subnet_is_not_built;

#endif
