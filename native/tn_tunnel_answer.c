/*
 * What the node answers or consumes before its IP stack sees it: TSMP and the replies to diagnostic echo requests. protocol/tunnel.md §5.3
 */
#include "tn_tunnel.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_records.h"

#define SECOND_MS 1000u
#define ECHO_ID 4 /* id and sequence, in ICMP */

/** Event body: handle, source address. */
static void peer_and_source(const struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *packet, uint8_t body[20])
{
	tn_store32le(body, slot | (uint32_t)tunnel->peers[slot].generation << 16);
	memcpy(body + 4, packet->source, 16);
}

static void report(struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *packet)
{
	uint8_t body[20];
	peer_and_source(tunnel, slot, packet, body);
	tn_events_pass(tunnel->events, TN_EVENT_TSMP, 0, 0, body, sizeof body, packet->bytes + packet->transport, packet->length - packet->transport);
}

static void answer_ping(struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *ping)
{
	struct tn_peer *peer = &tunnel->peers[slot];
	uint8_t pong[TN_TSMP_MAX];
	uint64_t second = tunnel->now / SECOND_MS;
	if (!tn_tunnel_is_own(tunnel, ping->destination)) {
		tunnel->counters.not_own++;
		return;
	}
	if (peer->pong_second != second) {
		peer->pong_second = second;
		peer->pongs = 0;
	}
	if (peer->pongs >= TN_PONGS_PER_SECOND) {
		tunnel->counters.rate_limited++;
		return;
	}
	peer->pongs++;
	tunnel->counters.pongs++;
	tn_tunnel_inject(tunnel, pong, tn_tsmp_pong(pong, sizeof pong, ping, ping->version == 4 ? tunnel->peerapi4 : tunnel->peerapi6));
}

void tn_tunnel_tsmp(struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *packet)
{
	struct tn_tsmp message;
	if (!tn_tsmp_parse(&message, packet))
		return;
	switch (message.kind) {
	case TN_TSMP_PING:
		answer_ping(tunnel, slot, packet);
		break;
	case TN_TSMP_REJECT:
		if (!message.maybe_broken)
			tunnel->upper.refused(tunnel->upper.context, &message, packet);
		report(tunnel, slot, packet);
		break;
	case TN_TSMP_PONG:
	case TN_TSMP_DISCO:
		report(tunnel, slot, packet);
		break;
	case TN_TSMP_NONE:
		break;
	}
}

void tn_tunnel_echo_request(struct tn_tunnel *tunnel, const struct tn_packet *packet)
{
	unsigned index = tunnel->echo_next++ % TN_ECHOES;
	tunnel->echoes[index].used = true;
	memcpy(tunnel->echoes[index].id_sequence, packet->bytes + packet->transport + ECHO_ID, 4);
}

bool tn_tunnel_echo_reply(struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *packet)
{
	if (!tn_packet_is_echo_reply(packet))
		return false;
	const uint8_t *id_sequence = packet->bytes + packet->transport + ECHO_ID;
	for (size_t i = 0; i < TN_ECHOES; i++) {
		if (tunnel->echoes[i].used && memcmp(tunnel->echoes[i].id_sequence, id_sequence, 4) == 0) {
			uint8_t body[20];
			peer_and_source(tunnel, slot, packet, body);
			tunnel->echoes[i].used = false;
			tn_events_put(tunnel->events, TN_EVENT_ECHO_REPLY, 0, 0, body, sizeof body, id_sequence, 4);
			return true;
		}
	}
	return false;
}

void tn_tunnel_reject(struct tn_tunnel *tunnel, unsigned slot, const struct tn_packet *refused)
{
	uint8_t reject[TN_TSMP_MAX];
	uint64_t second = tunnel->now / SECOND_MS;
	if (refused->version != 4 || !tn_packet_has_tcp_syn(refused))
		return;
	if (tunnel->reject_second != second) {
		tunnel->reject_second = second;
		tunnel->rejects = 0;
	}
	if (tunnel->rejects >= TN_REJECTS_PER_SECOND) {
		tunnel->counters.rate_limited++;
		return;
	}
	bool is_shielded = tunnel->shields_up || tunnel->peers[slot].jailed;
	size_t length = tn_tsmp_reject(reject, sizeof reject, refused, is_shielded ? TN_TSMP_BY_SHIELDS : TN_TSMP_BY_RULES);
	if (length == 0)
		return;
	tunnel->rejects++;
	tunnel->counters.rejects++;
	tn_tunnel_inject(tunnel, reject, length);
}
