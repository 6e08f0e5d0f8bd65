/*
 * The tunnel's way out: packets of the IP stack and of the node itself to peers, datagrams to their paths.
 */
#include "tn_tunnel.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_classify.h"
#include "tn_port.h"
#include "tn_records.h"

/** A datagram that carries TN_MTU bytes; the batch always has room for one when a packet is written. */
#define DATAGRAM_MAX (TN_WG_HEADER + TN_MTU + TN_WG_TAIL)

#define DISCO_KEY_OFFSET 6
#define UDP_HEADER 8

/* Bits of TN_EVENT_ACTIVITY. */
#define ACTIVITY_SENT 1

static void make_room(struct tn_tunnel *tunnel, size_t length)
{
	if (!tn_out_has_room(&tunnel->out, (uint32_t)length))
		tn_tunnel_flush(tunnel);
}

void tn_tunnel_flush(struct tn_tunnel *tunnel)
{
	if (tunnel->out.run_count == 0)
		return;
	tn_port_send(tunnel->host, &tunnel->out);
	tn_out_clear(&tunnel->out);
}

uint8_t *tn_tunnel_place(struct tn_tunnel *tunnel)
{
	make_room(tunnel, DATAGRAM_MAX);
	return tn_out_place(&tunnel->out) + TN_WG_HEADER;
}

void tn_tunnel_send_raw(struct tn_tunnel *tunnel, const uint8_t endpoint[TN_ENDPOINT], const uint8_t *datagram, size_t length)
{
	if (length == 0 || length > tunnel->out.size || length > TN_OUT_RUN_BYTES || tn_load16be(endpoint + 16) == 0 || tunnel->is_suspended)
		return;
	make_room(tunnel, length);
	memmove(tn_out_place(&tunnel->out), datagram, length);
	tn_out_add(&tunnel->out, endpoint, (uint32_t)length);
	tunnel->counters.datagrams_out++;
}

void tn_tunnel_send_derp(struct tn_tunnel *tunnel, uint16_t region, const uint8_t key[32], const uint8_t *packet, size_t length, bool is_disco)
{
	if (tunnel->is_suspended)
		return;
	tunnel->counters.derp_out++;
	if (tn_relay_send(&tunnel->relay, region, key, packet, length, is_disco, tunnel->now) &&
	    !tn_events_put(tunnel->events, TN_EVENT_DERP_READY, 0, region, NULL, 0, NULL, 0))
		tn_relay_untold(&tunnel->relay, region);
}

/** The region for a peer: its home if that is open, else where it spoke to us on a connection that still stands, else its home. relay.md §3.8 */
static uint16_t region_of(const struct tn_tunnel *tunnel, const struct tn_peer *peer)
{
	uint32_t connection;
	if (peer->home_region != 0 && tn_relay_is_open(&tunnel->relay, peer->home_region, NULL))
		return peer->home_region;
	if (peer->learned_region != 0 && tn_relay_is_open(&tunnel->relay, peer->learned_region, &connection) && connection == peer->learned_connection)
		return peer->learned_region;
	return peer->home_region;
}

bool tn_tunnel_is_direct(const struct tn_tunnel *tunnel, const struct tn_peer *peer)
{
	return peer->has_endpoint && tunnel->now <= peer->trusted_until;
}

bool tn_tunnel_is_relayed(const struct tn_tunnel *tunnel, const uint8_t address[16])
{
	bool is_ip4 = tn_address_is_ip4(address);
	int slot = tn_routes_destination(&tunnel->routes, is_ip4 ? 4 : 6, is_ip4 ? address + 12 : address);
	return slot >= 0 && !tn_tunnel_is_direct(tunnel, &tunnel->peers[slot]);
}

void tn_tunnel_send_to_peer(struct tn_tunnel *tunnel, unsigned slot, const uint8_t *datagram, size_t length)
{
	struct tn_peer *peer = &tunnel->peers[slot];
	bool is_trusted = tn_tunnel_is_direct(tunnel, peer);
	make_room(tunnel, length);
	uint8_t *place = tn_out_place(&tunnel->out);
	if (datagram != place)
		memmove(place, datagram, length);
	if (!is_trusted) {
		uint16_t region = region_of(tunnel, peer);
		if (region != 0)
			tn_tunnel_send_derp(tunnel, region, peer->public_key, place, length, false);
		else if (!peer->has_endpoint)
			tunnel->counters.no_path++;
	}
	if (peer->has_endpoint) {
		tn_out_add(&tunnel->out, peer->endpoint, (uint32_t)length);
		tunnel->counters.datagrams_out++;
	}
	peer->bytes_sent += length;
	tn_tunnel_note(tunnel, slot, ACTIVITY_SENT, 0, !is_trusted);
}

bool tn_tunnel_advertise(struct tn_tunnel *tunnel, unsigned slot)
{
	struct tn_peer *peer = &tunnel->peers[slot];
	uint8_t *place = tn_tunnel_place(tunnel);
	size_t length = 0;
	for (size_t i = 0; i < peer->address_count && length == 0; i++) {
		bool is_ip4 = tn_address_is_ip4(peer->addresses[i]);
		const uint8_t *source =
		    is_ip4 ? (peer->has_masquerade4 ? peer->masquerade4 : tunnel->address4) : (peer->has_masquerade6 ? peer->masquerade6 : tunnel->address6);
		if (is_ip4 ? tunnel->has_address4 : tunnel->has_address6)
			length = tn_tsmp_disco(place, TN_MTU, source, peer->addresses[i], tunnel->disco_key);
	}
	if (length == 0)
		return false;
	size_t total = tn_wg_seal(&tunnel->wg, slot, place, length, tunnel->now);
	if (total == 0)
		return false;
	peer->advertised = true;
	tn_tunnel_send_to_peer(tunnel, slot, place - TN_WG_HEADER, total);
	return true;
}

/** Seals the packet at place for a peer, or stages it. */
static void seal(struct tn_tunnel *tunnel, unsigned slot, uint8_t *place, size_t length)
{
	size_t total = tn_wg_seal(&tunnel->wg, slot, place, length, tunnel->now);
	if (total > 0) {
		tn_tunnel_send_to_peer(tunnel, slot, place - TN_WG_HEADER, total);
	} else {
		tn_staged_push(&tunnel->staged, &tunnel->peers[slot].staged, place, length);
		tn_wg_want_session(&tunnel->wg, slot, tunnel->now);
	}
}

void tn_tunnel_send_staged(struct tn_tunnel *tunnel, unsigned slot)
{
	struct tn_staged_list *list = &tunnel->peers[slot].staged;
	const struct tn_staged_packet *packet;
	while ((packet = tn_staged_front(&tunnel->staged, list)) != NULL) {
		uint8_t *place = tn_tunnel_place(tunnel);
		memcpy(place, packet->bytes, packet->length);
		size_t total = tn_wg_seal(&tunnel->wg, slot, place, packet->length, tunnel->now);
		if (total == 0)
			return;
		tn_staged_pop(&tunnel->staged, list);
		tn_tunnel_send_to_peer(tunnel, slot, place - TN_WG_HEADER, total);
	}
}

/** UDP that carries DISCO of our own key: the tunnel would run inside itself. */
static bool is_own_disco(const struct tn_tunnel *tunnel, const struct tn_packet *packet)
{
	if (packet->protocol != TN_PROTOCOL_UDP || packet->length < (size_t)packet->transport + UDP_HEADER)
		return false;
	const uint8_t *payload = packet->bytes + packet->transport + UDP_HEADER;
	return tn_classify_is_disco(payload, packet->length - packet->transport - UDP_HEADER) && memcmp(payload + DISCO_KEY_OFFSET, tunnel->disco_key, 32) == 0;
}

/** 100.100.100.100 and fd7a:115c:a1e0::53: local to every node, never a peer's. */
static bool is_service_address(const struct tn_packet *packet)
{
	static const uint8_t ip4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 100, 100, 100, 100};
	static const uint8_t ip6[16] = {0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53};
	return memcmp(packet->destination, packet->version == 4 ? ip4 : ip6, 16) == 0;
}

/** Routes the packet at place: to its peer, or to those that wait for one. @return the slot, -1 when it is dealt with */
static int route(struct tn_tunnel *tunnel, const struct tn_packet *packet)
{
	const uint8_t *destination = packet->bytes + (packet->version == 4 ? 16 : 24);
	int slot = tn_routes_destination(&tunnel->routes, packet->version, destination);
	if (slot >= 0)
		return slot;
	tunnel->counters.no_route++;
	if (tn_waiting_add_packet(&tunnel->waiting, packet->version, destination, packet->bytes, packet->length, tunnel->now))
		tn_events_put(tunnel->events, TN_EVENT_PEER_WANTED, 0, 0, packet->destination, 16, NULL, 0);
	return -1;
}

/** The peer knows us by another address. */
static void masquerade(struct tn_tunnel *tunnel, const struct tn_peer *peer, struct tn_packet *packet, uint8_t *place)
{
	if (packet->version == 4 && peer->has_masquerade4 && memcmp(packet->source, tunnel->address4, 16) == 0)
		tn_packet_set_source(packet, place, peer->masquerade4);
	else if (packet->version == 6 && peer->has_masquerade6 && memcmp(packet->source, tunnel->address6, 16) == 0)
		tn_packet_set_source(packet, place, peer->masquerade6);
}

/** 255.255.255.255, which an exit node's 0.0.0.0/0 would draw in. */
static bool is_broadcast(const struct tn_packet *packet)
{
	static const uint8_t address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	return memcmp(packet->destination, address, sizeof address) == 0;
}

static bool is_sendable(struct tn_tunnel *tunnel, const struct tn_packet *packet)
{
	if (packet->version == 0 || tn_packet_is_to_multicast(packet) || tn_packet_is_to_link_local(packet) || is_broadcast(packet)) {
		tunnel->counters.filtered_out++;
		return false;
	}
	if (tn_tunnel_is_own(tunnel, packet->destination) || is_service_address(packet)) {
		tunnel->counters.own_destination++;
		return false;
	}
	return true;
}

void tn_tunnel_output(struct tn_tunnel *tunnel, size_t length)
{
	uint8_t *place = tn_out_place(&tunnel->out) + TN_WG_HEADER;
	struct tn_packet packet;
	if (length > TN_MTU) {
		tunnel->counters.oversized++;
		return;
	}
	tn_packet_parse(&packet, place, length);
	if (!is_sendable(tunnel, &packet))
		return;
	if (packet.protocol == TN_PROTOCOL_UDP && is_own_disco(tunnel, &packet)) {
		tunnel->counters.loops++;
		return;
	}
	int slot = route(tunnel, &packet);
	if (slot < 0)
		return;
	struct tn_peer *peer = &tunnel->peers[slot];
	if (tn_filter_out(peer->jailed ? &tunnel->jailed_filter : &tunnel->filter, &packet) != TN_ACCEPT) {
		tunnel->counters.filtered_out++;
		return;
	}
	if (peer->has_masquerade4 || peer->has_masquerade6)
		masquerade(tunnel, peer, &packet, place);
	tunnel->counters.packets_out++;
	seal(tunnel, (unsigned)slot, place, packet.length);
}

void tn_tunnel_inject(struct tn_tunnel *tunnel, const uint8_t *bytes, size_t length)
{
	struct tn_packet packet;
	if (length > TN_MTU) {
		tunnel->counters.oversized++;
		return;
	}
	uint8_t *place = tn_tunnel_place(tunnel);
	memcpy(place, bytes, length);
	tn_packet_parse(&packet, place, length);
	if (!is_sendable(tunnel, &packet))
		return;
	if (tn_packet_is_echo_request(&packet))
		tn_tunnel_echo_request(tunnel, &packet);
	int slot = route(tunnel, &packet);
	if (slot < 0)
		return;
	masquerade(tunnel, &tunnel->peers[slot], &packet, place);
	seal(tunnel, (unsigned)slot, place, packet.length);
}
