/*
 * See tn_wireguard.h: peers, and the way of a packet in and out. Nothing here is called for a packet that does not need it: no clock, no
 * allocation, no copy.
 */
#include "tn_wireguard.h"

#include <string.h>

#include "tn_bytes.h"
#include "tn_wireguard_internal.h"

_Static_assert((TN_WG_KEY_CHAINS & (TN_WG_KEY_CHAINS - 1)) == 0 && TN_WG_KEY_CHAINS <= 256, "chains of keys are chosen by bits of one byte");

void tn_wg_init(struct tn_wg *wg, struct tn_wg_peer *peers, unsigned peer_count, struct tn_wg_index *indices, const struct tn_wg_host *host)
{
	memset(wg, 0, sizeof *wg);
	memset(peers, 0, peer_count * sizeof *peers);
	memset(indices, 0, TN_WG_INDICES(peer_count) * sizeof *indices);
	wg->peers = peers;
	wg->peer_count = peer_count;
	wg->indices = indices;
	wg->index_mask = (uint32_t)TN_WG_INDICES(peer_count) - 1;
	wg->host = *host;
	wg->deadline = TN_WG_NO_DEADLINE;
	for (unsigned i = 0; i < TN_WG_KEY_CHAINS; i++)
		wg->by_key[i] = TN_WG_NO_SLOT;
	tn_port_random(&wg->jitter_state, sizeof wg->jitter_state);
	wg->jitter_state |= 1; /* xorshift stays at zero */
	tn_wg_load_init(wg);
}

void tn_wg_wipe(struct tn_wg *wg)
{
	tn_wipe(wg->peers, wg->peer_count * sizeof *wg->peers);
	tn_wipe(wg->indices, ((size_t)wg->index_mask + 1) * sizeof *wg->indices);
	tn_wipe(&wg->identity, sizeof wg->identity);
	tn_wipe(&wg->cookie_maker, sizeof wg->cookie_maker);
	for (unsigned i = 0; i < TN_WG_KEY_CHAINS; i++)
		wg->by_key[i] = TN_WG_NO_SLOT;
	wg->has_key = false;
	wg->deadline = TN_WG_NO_DEADLINE;
}

/* Erases all that was agreed with a peer; it stays configured and its 540 s begin. */
static void forget(struct tn_wg *wg, struct tn_wg_peer *peer, uint64_t now)
{
	tn_wg_sessions_drop(wg, peer);
	peer->retransmit_at = peer->send_keepalive_at = peer->new_handshake_at = peer->rekey_at = 0;
	peer->handshake_allowed_at = peer->initiation_allowed_at = 0;
	peer->attempts = 0;
	peer->need_another_keepalive = peer->sent_last_minute = peer->has_timestamp = false;
	peer->session_at = 0;
	tn_wg_arm(wg, &peer->zero_keys_at, now + TN_WG_ZERO_KEYS_MS);
}

void tn_wg_set_key(struct tn_wg *wg, const uint8_t *private_key, uint64_t now)
{
	if (private_key && wg->has_key && tn_equal(private_key, wg->identity.private_key, TN_KEY_SIZE))
		return;
	for (unsigned slot = 0; slot < wg->peer_count; slot++) {
		struct tn_wg_peer *peer = &wg->peers[slot];
		if (!peer->used)
			continue;
		forget(wg, peer, now);
		tn_wipe(peer->remote.static_static, TN_KEY_SIZE);
		peer->remote.state = TN_REMOTE_FRESH;
	}
	memset(wg->remembered, 0, sizeof wg->remembered);
	tn_wipe(&wg->identity, sizeof wg->identity);
	tn_wipe(&wg->cookie_maker, sizeof wg->cookie_maker);
	wg->has_key = private_key != NULL;
	if (private_key)
		tn_identity_init(&wg->identity, private_key);
}

/* Public keys are as good as random already. */
static unsigned chain_of(const uint8_t public_key[TN_KEY_SIZE])
{
	return public_key[3] & (TN_WG_KEY_CHAINS - 1);
}

int tn_wg_peer_find(const struct tn_wg *wg, const uint8_t public_key[TN_KEY_SIZE])
{
	uint16_t slot = wg->by_key[chain_of(public_key)];
	while (slot != TN_WG_NO_SLOT && memcmp(wg->peers[slot].remote.public_key, public_key, TN_KEY_SIZE) != 0)
		slot = wg->peers[slot].next_by_key;
	return slot == TN_WG_NO_SLOT ? -1 : slot;
}

/* Takes back the greatest timestamp of a peer that was evicted a short time ago. */
static void recall(struct tn_wg *wg, struct tn_wg_peer *peer, uint64_t now)
{
	for (unsigned i = 0; i < TN_WG_REMEMBERED; i++) {
		struct tn_wg_remembered *entry = &wg->remembered[i];
		if (now >= entry->until || memcmp(entry->key, peer->remote.public_key, sizeof entry->key) != 0)
			continue;
		memcpy(peer->timestamp, entry->timestamp, sizeof peer->timestamp);
		peer->has_timestamp = true;
		memset(entry, 0, sizeof *entry);
	}
}

bool tn_wg_peer_add(struct tn_wg *wg, unsigned slot, const uint8_t public_key[TN_KEY_SIZE], uint64_t now)
{
	const int holder = tn_wg_peer_find(wg, public_key);
	if (holder >= 0)
		return (unsigned)holder == slot;
	if (slot >= wg->peer_count || wg->peers[slot].used)
		return false;
	if (wg->has_key && memcmp(public_key, wg->identity.public_key, TN_KEY_SIZE) == 0)
		return false;
	struct tn_wg_peer *peer = &wg->peers[slot];
	memset(peer, 0, sizeof *peer);
	peer->used = true;
	peer->current = peer->next = peer->previous = TN_WG_NO_KEYPAIR;
	tn_remote_init(&peer->remote, public_key);
	peer->next_by_key = wg->by_key[chain_of(public_key)];
	wg->by_key[chain_of(public_key)] = (uint16_t)slot;
	recall(wg, peer, now);
	tn_wg_arm(wg, &peer->zero_keys_at, now + TN_WG_ZERO_KEYS_MS);
	return true;
}

void tn_wg_peer_remove(struct tn_wg *wg, unsigned slot)
{
	if (slot >= wg->peer_count || !wg->peers[slot].used)
		return;
	struct tn_wg_peer *peer = &wg->peers[slot];
	tn_wg_sessions_drop(wg, peer);
	uint16_t *link = &wg->by_key[chain_of(peer->remote.public_key)];
	while (*link != slot)
		link = &wg->peers[*link].next_by_key;
	*link = peer->next_by_key;
	tn_wipe(peer, sizeof *peer);
}

void tn_wg_peer_evict(struct tn_wg *wg, unsigned slot, uint64_t now)
{
	if (slot < wg->peer_count && wg->peers[slot].used && wg->peers[slot].has_timestamp) {
		struct tn_wg_remembered *entry = &wg->remembered[wg->remembered_next++ % TN_WG_REMEMBERED];
		memcpy(entry->key, wg->peers[slot].remote.public_key, sizeof entry->key);
		memcpy(entry->timestamp, wg->peers[slot].timestamp, sizeof entry->timestamp);
		entry->until = now + TN_WG_ZERO_KEYS_MS;
	}
	tn_wg_peer_remove(wg, slot);
}

void tn_wg_peer_drop_sessions(struct tn_wg *wg, unsigned slot, uint64_t now)
{
	if (slot < wg->peer_count && wg->peers[slot].used)
		forget(wg, &wg->peers[slot], now);
}

/* The current keypair if it may still send. */
static struct tn_keypair *sending(struct tn_wg_peer *peer, uint64_t now)
{
	if (peer->current == TN_WG_NO_KEYPAIR || !peer->used)
		return NULL;
	struct tn_keypair *keypair = &peer->keypairs[peer->current];
	return keypair->counter < TN_REJECT_AFTER_MESSAGES && now - keypair->created_at < TN_WG_REJECT_AFTER_MS ? keypair : NULL;
}

bool tn_wg_has_session(const struct tn_wg *wg, unsigned slot, uint64_t now)
{
	return slot < wg->peer_count && sending(&wg->peers[slot], now) != NULL;
}

size_t tn_wg_padding(size_t length, size_t mtu)
{
	if (mtu == 0)
		return (16 - (length & 15)) & 15;
	if (length > mtu)
		length %= mtu;
	const size_t padded = (length + 15) & ~(size_t)15;
	return (padded < mtu ? padded : mtu) - length;
}

size_t tn_wg_seal(struct tn_wg *wg, unsigned slot, uint8_t *packet, size_t length, uint64_t now)
{
	if (slot >= wg->peer_count)
		return 0;
	struct tn_wg_peer *peer = &wg->peers[slot];
	struct tn_keypair *keypair = sending(peer, now);
	if (!keypair)
		return 0;
	const uint64_t counter = keypair->counter++; /* gone, whatever becomes of the datagram: a nonce is never used twice */
	const size_t padding = tn_wg_padding(length, TN_WG_MTU);
	memset(packet + length, 0, padding);
	tn_store32le(packet - 16, 4);
	tn_store32le(packet - 12, keypair->remote_index);
	tn_store64le(packet - 8, counter);
	tn_aead_seal(packet, keypair->send_key, counter, packet, length + padding, NULL, 0);

	peer->send_keepalive_at = 0;
	if (length > 0 && peer->new_handshake_at == 0)
		tn_wg_arm(wg, &peer->new_handshake_at, now + TN_WG_NEW_HANDSHAKE_MS + tn_wg_jitter(wg));
	if (((keypair->initiator && now - keypair->created_at > TN_WG_REKEY_AFTER_MS) || counter >= TN_WG_REKEY_AFTER_MESSAGES) && peer->rekey_at == 0 &&
	    now >= peer->handshake_allowed_at)
		tn_wg_arm(wg, &peer->rekey_at, now); /* by the next tick, so that the initiation does not overtake this batch */
	return TN_WG_HEADER + length + padding + TN_TAG_SIZE;
}

/* §1.8 step 8: cuts the plaintext to the inner packet. @return its length, 0 when it is none */
static size_t inner_length(const uint8_t *packet, size_t length)
{
	size_t stated;
	if (length >= 20 && packet[0] >> 4 == 4)
		stated = tn_load16be(packet + 2);
	else if (length >= 40 && packet[0] >> 4 == 6)
		stated = 40 + (size_t)tn_load16be(packet + 4);
	else
		return 0;
	return stated >= 20 && stated <= length ? stated : 0;
}

/* Timers and rotation of an authenticated transport packet. */
static void heard(struct tn_wg *wg, unsigned slot, struct tn_keypair *keypair, bool data, uint64_t now, struct tn_wg_in *in)
{
	struct tn_wg_peer *peer = &wg->peers[slot];
	if (peer->next != TN_WG_NO_KEYPAIR && keypair == &peer->keypairs[peer->next]) {
		tn_wg_session_promote(wg, peer);
		tn_wg_handshake_complete(peer, now);
		in->events |= TN_WG_SESSION;
		if (wg->host.has_staged(wg->host.context, slot))
			in->events |= TN_WG_FLUSH;
	}
	if (!peer->sent_last_minute && peer->current != TN_WG_NO_KEYPAIR) {
		const struct tn_keypair *current = &peer->keypairs[peer->current];
		if (current->initiator && now - current->created_at > TN_WG_LAST_MINUTE_MS) {
			peer->sent_last_minute = true;
			if (tn_wg_start_handshake(wg, slot, false, now, in->reply)) {
				in->reply_to = TN_WG_REPLY_PATH;
				in->reply_length = TN_INITIATION_SIZE;
			}
		}
	}
	peer->new_handshake_at = 0;
	if (!data)
		return;
	if (peer->send_keepalive_at != 0) {
		peer->need_another_keepalive = true;
	} else {
		peer->need_another_keepalive = false;
		tn_wg_arm(wg, &peer->send_keepalive_at, now + TN_WG_KEEPALIVE_MS);
	}
}

static void receive_transport(struct tn_wg *wg, uint8_t *datagram, size_t length, uint64_t now, struct tn_wg_in *in)
{
	const struct tn_wg_index *entry = tn_wg_index_find(wg, tn_load32le(datagram + 4));
	if (!entry || entry->kind < TN_WG_INDEX_KEYPAIR) {
		wg->counters.unknown_index++;
		return;
	}
	const unsigned slot = entry->slot;
	struct tn_keypair *keypair = &wg->peers[slot].keypairs[entry->kind - TN_WG_INDEX_KEYPAIR];
	if (now - keypair->created_at >= TN_WG_REJECT_AFTER_MS) {
		wg->counters.expired++;
		return;
	}
	const uint64_t counter = tn_load64le(datagram + 8);
	uint8_t *packet = datagram + TN_WG_HEADER;
	if (!tn_aead_open(packet, keypair->receive_key, counter, packet, length - TN_WG_HEADER, NULL, 0)) {
		wg->counters.bad_tag++;
		return;
	}
	if (!tn_replay_accept(&keypair->replay, counter)) {
		wg->counters.replayed++;
		return;
	}
	const bool data = length > TN_WG_OVERHEAD;
	in->slot = slot;
	in->events |= TN_WG_AUTHENTICATED;
	heard(wg, slot, keypair, data, now, in);
	if (!data) {
		in->kind = TN_WG_KEEPALIVE;
		return;
	}
	in->length = inner_length(packet, length - TN_WG_OVERHEAD);
	in->offset = TN_WG_HEADER;
	if (in->length > 0)
		in->kind = TN_WG_DATA;
	else
		wg->counters.bad_inner++;
}

void tn_wg_receive(struct tn_wg *wg, uint8_t *datagram, size_t length, const uint8_t *source, size_t source_length, uint64_t now, struct tn_wg_in *in)
{
	in->kind = TN_WG_NOTHING;
	in->events = 0;
	in->reply_to = TN_WG_REPLY_NONE;
	if (!wg->has_key)
		return;
	const uint32_t type = length >= TN_WG_OVERHEAD ? tn_load32le(datagram) : 0; /* with the reserved bytes, which are zero */
	if (type == 4)
		receive_transport(wg, datagram, length, now, in);
	else if (type == 1 && length == TN_INITIATION_SIZE)
		tn_wg_receive_initiation(wg, datagram, source, source_length, now, in);
	else if (type == 2 && length == TN_RESPONSE_SIZE)
		tn_wg_receive_response(wg, datagram, now, in);
	else if (type == 3 && length == TN_COOKIE_REPLY_SIZE)
		tn_wg_receive_cookie_reply(wg, datagram, now);
	else
		wg->counters.malformed++;
}
