/*
 * Handshake messages received by the WireGuard device: initiation, response, cookie reply. protocol/tunnel.md §1.9, §1.10, §2.3.
 * Each is refused at the first check it fails, cheapest check first; nothing of the peer changes before the last.
 */
#include <string.h>

#include "tn_bytes.h"
#include "tn_wireguard_internal.h"

/* The response, the session and the timers of an initiation that passed every check. */
static void answer(struct tn_wg *wg, unsigned slot, const struct tn_initiation *initiation, uint64_t now, struct tn_wg_in *in)
{
	struct tn_wg_peer *peer = &wg->peers[slot];
	struct tn_session_keys keys;
	tn_wg_handshake_drop(wg, peer); /* an initiation of ours in flight dies here; its retry is what heals a crossing */
	tn_handshake_accept(&peer->handshake, initiation);
	memcpy(peer->timestamp, initiation->timestamp, sizeof peer->timestamp);
	peer->has_timestamp = true;
	peer->initiation_allowed_at = now + TN_WG_INITIATION_GAP_MS + 1;
	peer->new_handshake_at = 0;

	const uint32_t local_index = tn_wg_index_new(wg, slot, TN_WG_INDEX_HANDSHAKE);
	wg->counters.x25519 += 3;
	if (!tn_handshake_create_response(&peer->handshake, &peer->remote, tn_no_psk, local_index, in->reply, &keys)) {
		tn_wg_index_free(wg, local_index);
		wg->counters.bad_handshake++;
		return;
	}
	tn_cookie_add_macs(&peer->cookie, &peer->remote.cookie, in->reply, TN_RESPONSE_SIZE, now);
	tn_wg_session_begin(wg, slot, &keys, false, local_index, initiation->sender_index, now);
	tn_wipe(&keys, sizeof keys);
	peer->handshake_allowed_at = now + TN_WG_REKEY_TIMEOUT_MS;
	peer->send_keepalive_at = 0;
	tn_wg_arm(wg, &peer->zero_keys_at, now + TN_WG_ZERO_KEYS_MS);
	in->reply_to = TN_WG_REPLY_PATH;
	in->reply_length = TN_RESPONSE_SIZE;
}

/* From the static field on. The initiation holds secrets, so one function wipes it on every way out. */
static void open_initiation(struct tn_wg *wg, const uint8_t *message, struct tn_initiation *initiation, uint64_t now, struct tn_wg_in *in)
{
	wg->counters.x25519++;
	if (!tn_handshake_read_static(initiation, &wg->identity, message)) {
		wg->counters.bad_handshake++;
		return;
	}
	const int slot = tn_wg_peer_find(wg, initiation->static_key);
	if (slot < 0) {
		wg->counters.unknown_static++;
		in->kind = TN_WG_UNKNOWN_STATIC;
		memcpy(in->public_key, initiation->static_key, TN_KEY_SIZE);
		return;
	}
	struct tn_wg_peer *peer = &wg->peers[slot];
	in->slot = (unsigned)slot;
	in->events |= TN_WG_CLAIMED;
	if (peer->remote.state == TN_REMOTE_FRESH)
		wg->counters.x25519++;
	if (!tn_handshake_read_timestamp(initiation, &wg->identity, &peer->remote, message) ||
	    (peer->has_timestamp && memcmp(initiation->timestamp, peer->timestamp, TN_TIMESTAMP_SIZE) <= 0) || now < peer->initiation_allowed_at) {
		wg->counters.bad_handshake++;
		return;
	}
	answer(wg, (unsigned)slot, initiation, now, in);
}

void tn_wg_receive_initiation(struct tn_wg *wg, const uint8_t *message, const uint8_t *source, size_t source_length, uint64_t now, struct tn_wg_in *in)
{
	struct tn_initiation initiation;
	if (!tn_cookie_check_mac1(&wg->identity.cookie, message, TN_INITIATION_SIZE)) {
		wg->counters.bad_mac1++;
		return;
	}
	switch (tn_wg_gate_initiation(wg, source, source_length, message, now)) {
	case TN_WG_GATE_COOKIE:
		wg->counters.cookie_demanded++;
		tn_cookie_reply(&wg->cookie_maker, &wg->identity.cookie, source, source_length, message, TN_INITIATION_SIZE, now, in->reply);
		in->reply_to = TN_WG_REPLY_SOURCE;
		in->reply_length = TN_COOKIE_REPLY_SIZE;
		return;
	case TN_WG_GATE_SHUT:
		wg->counters.over_budget++;
		return;
	case TN_WG_GATE_OPEN:
		open_initiation(wg, message, &initiation, now, in);
		tn_wipe(&initiation, sizeof initiation);
		return;
	}
}

void tn_wg_receive_response(struct tn_wg *wg, const uint8_t *message, uint64_t now, struct tn_wg_in *in)
{
	struct tn_session_keys keys;
	uint32_t remote_index;
	if (!tn_cookie_check_mac1(&wg->identity.cookie, message, TN_RESPONSE_SIZE)) {
		wg->counters.bad_mac1++;
		return;
	}
	const uint32_t local_index = tn_load32le(message + 8);
	const struct tn_wg_index *entry = tn_wg_index_find(wg, local_index);
	if (!entry || entry->kind != TN_WG_INDEX_HANDSHAKE) {
		wg->counters.bad_handshake++;
		return;
	}
	if (!tn_wg_gate_response(wg, now)) {
		wg->counters.over_budget++;
		return;
	}
	const unsigned slot = entry->slot;
	struct tn_wg_peer *peer = &wg->peers[slot];
	wg->counters.x25519 += 2;
	if (!tn_handshake_consume_response(&peer->handshake, &wg->identity, tn_no_psk, message, &remote_index, &keys)) {
		wg->counters.bad_handshake++;
		return;
	}
	tn_wg_session_begin(wg, slot, &keys, true, local_index, remote_index, now);
	tn_wipe(&keys, sizeof keys);
	peer->new_handshake_at = 0;
	tn_wg_arm(wg, &peer->zero_keys_at, now + TN_WG_ZERO_KEYS_MS);
	tn_wg_handshake_complete(peer, now);
	in->slot = slot;
	in->events |= TN_WG_SESSION | TN_WG_INITIATOR;
	/* Key confirmation: until a packet comes under the new keys the responder may not send. */
	if (wg->host.has_staged(wg->host.context, slot)) {
		in->events |= TN_WG_FLUSH;
	} else {
		in->reply_length = tn_wg_seal(wg, slot, in->reply + TN_WG_HEADER, 0, now);
		in->reply_to = TN_WG_REPLY_PATH;
	}
}

void tn_wg_receive_cookie_reply(struct tn_wg *wg, const uint8_t *message, uint64_t now)
{
	const struct tn_wg_index *entry = tn_wg_index_find(wg, tn_load32le(message + 4));
	if (!entry) {
		wg->counters.bad_handshake++;
		return;
	}
	struct tn_wg_peer *peer = &wg->peers[entry->slot];
	/* The cookie waits for the next regular retry: an answer at once would let the flood pace us. */
	if (!tn_cookie_take(&peer->cookie, &peer->remote.cookie, message, now))
		wg->counters.bad_handshake++;
}
