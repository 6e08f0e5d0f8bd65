/*
 * The tunnel's way in: one datagram from UDP or DERP, until its packet is delivered, answered or dropped. The rows are those of
 * protocol/tunnel.md §4.1.
 */
#include "tn_tunnel.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_classify.h"
#include "tn_records.h"

/* Bits of TN_EVENT_ACTIVITY. */
#define ACTIVITY_RECEIVED 2
#define ACTIVITY_DERP 4

#define WANTED_HANDSHAKE 1
#define WANTED_DERP 2

#define UDP_HEADER 8
#define DISCO_KEY_OFFSET 6

/** An unknown key spoke: its message is kept, the VM looks for the peer. */
static void want_key(struct tn_tunnel *tunnel, const uint8_t key[32], uint8_t flags, const struct tn_origin *origin, const uint8_t *datagram, size_t length)
{
	if (tn_waiting_add_message(&tunnel->waiting, key, origin->source, origin->source_length, origin->region, datagram, length, tunnel->now))
		tn_events_pass(tunnel->events, TN_EVENT_PEER_WANTED, flags, 0, key, 32, NULL, 0);
}

/** Whether the peer that sent a packet has a capability: asked by the filter. */
struct capability_question {
	const struct tn_peer *peer;
};

static bool has_capability(void *context, const uint8_t address[16], uint16_t capability)
{
	const struct tn_peer *peer = ((const struct capability_question *)context)->peer;
	for (size_t i = 0; i < peer->address_count; i++) {
		if (memcmp(peer->addresses[i], address, 16) != 0)
			continue;
		for (size_t j = 0; j < peer->capability_count; j++) {
			if (peer->capabilities[j] == capability)
				return true;
		}
		return false;
	}
	return false;
}

/** Row 12: the PeerAPI does its own checks. */
static bool is_for_peerapi(const struct tn_tunnel *tunnel, const struct tn_packet *packet)
{
	uint16_t port = packet->version == 4 ? tunnel->peerapi4 : tunnel->peerapi6;
	const uint8_t *address = packet->version == 4 ? tunnel->address4 : tunnel->address6;
	return tn_packet_has_tcp_syn(packet) && port != 0 && packet->destination_port == port && memcmp(packet->destination, address, 16) == 0;
}

/** Row 7: DISCO of our own inside the tunnel. */
static bool is_loop(const struct tn_tunnel *tunnel, const struct tn_packet *packet)
{
	if (packet->protocol != TN_PROTOCOL_UDP || packet->length < (size_t)packet->transport + UDP_HEADER)
		return false;
	const uint8_t *payload = packet->bytes + packet->transport + UDP_HEADER;
	return tn_classify_is_disco(payload, packet->length - packet->transport - UDP_HEADER) && memcmp(payload + DISCO_KEY_OFFSET, tunnel->disco_key, 32) == 0;
}

/** Rows 1 to 15 for one inner packet. */
static void receive_packet(struct tn_tunnel *tunnel, unsigned slot, uint8_t *bytes, size_t length)
{
	struct tn_peer *peer = &tunnel->peers[slot];
	struct tn_packet packet;
	unsigned version = bytes[0] >> 4;
	if (length > TN_PACKET_MAX) {
		tunnel->counters.oversized++;
		return;
	}
	if (!tn_routes_is_source(&tunnel->routes, (uint16_t)slot, version, bytes + (version == 4 ? 12 : 8))) {
		tunnel->counters.bad_source++;
		return;
	}
	tn_packet_parse(&packet, bytes, length);
	if (packet.version == 4 && peer->has_masquerade4 && memcmp(packet.destination, peer->masquerade4, 16) == 0)
		tn_packet_set_destination(&packet, bytes, tunnel->address4);
	else if (packet.version == 6 && peer->has_masquerade6 && memcmp(packet.destination, peer->masquerade6, 16) == 0)
		tn_packet_set_destination(&packet, bytes, tunnel->address6);
	if (packet.protocol == TN_PROTOCOL_TSMP) {
		tn_tunnel_tsmp(tunnel, slot, &packet);
		return;
	}
	if (packet.protocol == TN_PROTOCOL_ICMP4 || packet.protocol == TN_PROTOCOL_ICMP6) {
		if (tn_tunnel_echo_reply(tunnel, slot, &packet))
			return;
	} else if (is_loop(tunnel, &packet)) {
		tunnel->counters.loops++;
		return;
	}
	struct capability_question question = {.peer = peer};
	enum tn_verdict verdict = tn_filter_in(peer->jailed ? &tunnel->jailed_filter : &tunnel->filter, &packet, has_capability, &question);
	if (verdict != TN_ACCEPT && !is_for_peerapi(tunnel, &packet)) {
		tunnel->counters.filtered_in++;
		tn_tunnel_reject(tunnel, slot, &packet);
		return;
	}
	if ((!tn_tunnel_is_own(tunnel, packet.destination) && !tn_tunnel_is_subnet(tunnel, packet.destination)) || tn_tunnel_is_own(tunnel, packet.source)) {
		tunnel->counters.not_own++;
		return;
	}
	tunnel->counters.packets_in++;
	tunnel->upper.deliver(tunnel->upper.context, bytes, &packet);
}

/** What a WireGuard message brought besides a packet. */
static void handle_events(struct tn_tunnel *tunnel, const struct tn_origin *origin, const struct tn_wg_in *in, size_t length)
{
	struct tn_peer *peer = &tunnel->peers[in->slot];
	bool is_first = false;
	if ((in->events & (TN_WG_CLAIMED | TN_WG_AUTHENTICATED)) != 0) {
		uint8_t flags = (in->events & TN_WG_AUTHENTICATED) != 0 ? ACTIVITY_RECEIVED : 0;
		if (origin->region != 0)
			flags |= ACTIVITY_DERP;
		peer->bytes_received += length;
		tn_tunnel_note(tunnel, in->slot, flags, origin->region, false);
	}
	if ((in->events & TN_WG_SESSION) != 0) {
		uint8_t handle[4];
		bool is_initiator = (in->events & TN_WG_INITIATOR) != 0;
		tn_store32le(handle, in->slot | (uint32_t)peer->generation << 16);
		tn_events_put(tunnel->events, TN_EVENT_SESSION, is_initiator, 0, handle, sizeof handle, NULL, 0);
		is_first = is_initiator && !peer->advertised && tn_tunnel_advertise(tunnel, in->slot);
	}
	if (in->reply_to == TN_WG_REPLY_PATH && !(is_first && in->reply_length <= TN_WG_OVERHEAD))
		tn_tunnel_send_to_peer(tunnel, in->slot, in->reply, in->reply_length);
	else if (in->reply_to == TN_WG_REPLY_SOURCE && origin->region != 0)
		tn_tunnel_send_derp(tunnel, origin->region, origin->source, in->reply, in->reply_length, false);
	else if (in->reply_to == TN_WG_REPLY_SOURCE)
		tn_tunnel_send_raw(tunnel, origin->source, in->reply, in->reply_length);
	if ((in->events & TN_WG_FLUSH) != 0)
		tn_tunnel_send_staged(tunnel, in->slot);
}

static void receive_wireguard(struct tn_tunnel *tunnel, const struct tn_origin *origin, uint8_t *datagram, size_t length)
{
	struct tn_wg_in in = {.kind = TN_WG_NOTHING};
	tn_wg_receive(&tunnel->wg, datagram, length, origin->source, origin->source_length, tunnel->now, &in);
	if (in.kind == TN_WG_UNKNOWN_STATIC) {
		want_key(tunnel, in.public_key, WANTED_HANDSHAKE, origin, datagram, length);
		return;
	}
	if (in.events != 0 || in.reply_to != TN_WG_REPLY_NONE)
		handle_events(tunnel, origin, &in, length);
	if (in.kind != TN_WG_DATA)
		return;
	if (origin->region != 0 && memcmp(tunnel->peers[in.slot].public_key, origin->source, 32) != 0) {
		tunnel->counters.derp_mismatch++;
		return;
	}
	receive_packet(tunnel, in.slot, datagram + in.offset, in.length);
}

/** DISCO is the owner's, who is woken by it. */
static void pass_disco(struct tn_tunnel *tunnel, const struct tn_origin *origin, const uint8_t *packet, size_t length)
{
	if (!tn_sources_take(&tunnel->disco_sources, origin->source, origin->source_length, tunnel->now))
		tunnel->counters.disco_limited++;
	else
		tn_events_pass(tunnel->events, TN_EVENT_DISCO, 0, 0, origin->source, origin->source_length, packet, length);
}

/** A packet of a DERP region: from a known key it is DISCO or WireGuard. */
static void receive_derp(struct tn_tunnel *tunnel, const struct tn_origin *origin, uint8_t *datagram, size_t length)
{
	tunnel->counters.derp_in++;
	if (!tunnel->has_key) {
		tunnel->counters.without_key++;
		return;
	}
	int slot = tn_wg_peer_find(&tunnel->wg, origin->source);
	if (slot >= 0) {
		struct tn_peer *peer = &tunnel->peers[slot];
		if (tn_relay_is_open(&tunnel->relay, origin->region, &peer->learned_connection))
			peer->learned_region = origin->region;
	}
	if (tn_classify_is_disco(datagram, length))
		tn_events_pass(tunnel->events, TN_EVENT_DERP_DISCO, 0, origin->region, origin->source, origin->source_length, datagram, length);
	else if (slot >= 0)
		receive_wireguard(tunnel, origin, datagram, length);
	else
		want_key(tunnel, origin->source, WANTED_DERP, origin, datagram, length);
}

void tn_tunnel_receive(struct tn_tunnel *tunnel, const struct tn_origin *origin, uint8_t *datagram, size_t length)
{
	bool geneve = false;
	if (tunnel->is_suspended)
		return;
	if (origin->region != 0) {
		receive_derp(tunnel, origin, datagram, length);
		return;
	}
	tunnel->counters.datagrams_in++;
	enum tn_datagram kind = tn_classify(datagram, length, &geneve);
	if (geneve)
		tunnel->counters.geneve++;
	else if (kind == TN_DATAGRAM_STUN)
		tn_events_pass(tunnel->events, TN_EVENT_STUN, 0, 0, origin->source, TN_ENDPOINT, datagram, length);
	else if (kind == TN_DATAGRAM_WIREGUARD && tn_classify_is_mapping(origin->source, datagram, length))
		tn_events_pass(tunnel->events, TN_EVENT_MAPPING, 0, 0, origin->source, TN_ENDPOINT, datagram, length);
	else if (!tunnel->has_key)
		tunnel->counters.without_key++;
	else if (kind == TN_DATAGRAM_DISCO)
		pass_disco(tunnel, origin, datagram, length);
	else
		receive_wireguard(tunnel, origin, datagram, length);
}
