/*
 * The timers of the WireGuard device. protocol/tunnel.md §2.3.
 *
 *   deadline         armed by                                     when it comes
 *   retransmit       initiation sent: 5 s + j                      a new initiation, or after 20 the end
 *                    handshake wanted too early: remaining 5 s + j
 *                    a relay is back: at once
 *   send_keepalive   data received: 10 s, if idle                  keepalive, once more if data kept coming
 *   new_handshake    data sent: 15 s + j, if idle                  initiation
 *   zero_keys        session, or peer added: 540 s                 everything secret of the peer is erased
 *   rekey            packet path: at once                          initiation: X25519 is not for the stack below lwIP
 *
 * Deadlines are cancelled by writing 0. The device keeps a lower bound of them all, which cancelling leaves alone: then a tick comes too early,
 * finds nothing and computes the bound anew.
 */
#include <string.h>

#include "tn_wireguard_internal.h"

/* xorshift64: breaks symmetry between peers, hides nothing. */
uint64_t tn_wg_jitter(struct tn_wg *wg)
{
	uint64_t x = wg->jitter_state;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	wg->jitter_state = x;
	return (x >> 32) % (TN_WG_JITTER_MS + 1);
}

void tn_wg_handshake_complete(struct tn_wg_peer *peer, uint64_t now)
{
	peer->retransmit_at = 0;
	peer->rekey_at = 0;
	peer->attempts = 0;
	peer->sent_last_minute = false;
	peer->session_at = now;
}

bool tn_wg_start_handshake(struct tn_wg *wg, unsigned slot, bool retry, uint64_t now, uint8_t message[TN_INITIATION_SIZE])
{
	struct tn_wg_peer *peer = &wg->peers[slot];
	uint8_t timestamp[TN_TIMESTAMP_SIZE];
	peer->rekey_at = 0;
	if (!retry)
		peer->attempts = 0;
	if (now < peer->handshake_allowed_at) {
		/* Crossing initiations kill each other, and a skipped retry would leave both sides waiting for the next packet. §2.4 */
		if (peer->retransmit_at == 0 && wg->host.has_staged(wg->host.context, slot))
			tn_wg_arm(wg, &peer->retransmit_at, peer->handshake_allowed_at + tn_wg_jitter(wg));
		return false;
	}
	if (!tn_remote_prepare(&peer->remote, &wg->identity))
		return false;
	if (!tn_clock_next(&wg->clock, now, timestamp)) {
		wg->counters.clock_bound++;
		if (wg->host.has_staged(wg->host.context, slot))
			tn_wg_arm(wg, &peer->retransmit_at, now + TN_WG_REKEY_TIMEOUT_MS + tn_wg_jitter(wg));
		return false;
	}
	tn_wg_handshake_drop(wg, peer);
	const uint32_t local_index = tn_wg_index_new(wg, slot, TN_WG_INDEX_HANDSHAKE);
	if (!tn_handshake_create_initiation(&peer->handshake, &wg->identity, &peer->remote, local_index, timestamp, message)) {
		tn_wg_index_free(wg, local_index);
		return false;
	}
	wg->counters.initiations++;
	tn_cookie_add_macs(&peer->cookie, &peer->remote.cookie, message, TN_INITIATION_SIZE, now);
	peer->handshake_allowed_at = now + TN_WG_REKEY_TIMEOUT_MS;
	peer->send_keepalive_at = 0;
	tn_wg_arm(wg, &peer->retransmit_at, now + TN_WG_REKEY_TIMEOUT_MS + tn_wg_jitter(wg));
	return true;
}

static bool initiate(struct tn_wg *wg, unsigned slot, bool retry, uint64_t now)
{
	uint8_t message[TN_INITIATION_SIZE];
	if (!tn_wg_start_handshake(wg, slot, retry, now, message))
		return false;
	wg->host.send(wg->host.context, slot, message, sizeof message);
	return true;
}

bool tn_wg_initiate(struct tn_wg *wg, unsigned slot, uint64_t now)
{
	return wg->has_key && slot < wg->peer_count && wg->peers[slot].used && initiate(wg, slot, false, now);
}

void tn_wg_want_session(struct tn_wg *wg, unsigned slot, uint64_t now)
{
	if (wg->has_key && slot < wg->peer_count && wg->peers[slot].used && wg->peers[slot].rekey_at == 0)
		tn_wg_arm(wg, &wg->peers[slot].rekey_at, now);
}

void tn_wg_retry(struct tn_wg *wg, unsigned slot, uint64_t lost_at, uint64_t now)
{
	if (slot >= wg->peer_count)
		return;
	struct tn_wg_peer *peer = &wg->peers[slot];
	if (!peer->used || peer->retransmit_at == 0 || peer->handshake_allowed_at > lost_at + TN_WG_REKEY_TIMEOUT_MS)
		return;
	peer->handshake_allowed_at = now;
	tn_wg_arm(wg, &peer->retransmit_at, now);
}

static bool due(uint64_t *deadline, uint64_t now)
{
	if (*deadline == 0 || now < *deadline)
		return false;
	*deadline = 0;
	return true;
}

static void retransmit(struct tn_wg *wg, unsigned slot, uint64_t now)
{
	struct tn_wg_peer *peer = &wg->peers[slot];
	if (peer->attempts > TN_WG_RETRIES) {
		peer->attempts = 0;
		peer->send_keepalive_at = 0;
		if (peer->zero_keys_at == 0)
			tn_wg_arm(wg, &peer->zero_keys_at, now + TN_WG_ZERO_KEYS_MS);
		wg->host.drop_staged(wg->host.context, slot);
		return;
	}
	if (initiate(wg, slot, true, now))
		peer->attempts++;
}

static void zero_keys(struct tn_wg *wg, unsigned slot)
{
	struct tn_wg_peer *peer = &wg->peers[slot];
	tn_wg_sessions_drop(wg, peer);
	tn_wipe(peer->remote.static_static, TN_KEY_SIZE);
	peer->remote.state = TN_REMOTE_FRESH;
	/* Forgotten as the official node forgets: a peer whose clock was reset gets in again. */
	peer->has_timestamp = false;
	peer->retransmit_at = peer->send_keepalive_at = peer->new_handshake_at = peer->rekey_at = 0;
	wg->host.drop_staged(wg->host.context, slot);
	wg->host.idle(wg->host.context, slot);
}

static void send_keepalive(struct tn_wg *wg, unsigned slot, uint64_t now)
{
	struct tn_wg_peer *peer = &wg->peers[slot];
	uint8_t datagram[TN_WG_OVERHEAD];
	if (!wg->host.has_staged(wg->host.context, slot)) {
		const size_t length = tn_wg_seal(wg, slot, datagram + TN_WG_HEADER, 0, now);
		if (length > 0)
			wg->host.send(wg->host.context, slot, datagram, length);
	}
	if (peer->need_another_keepalive) {
		peer->need_another_keepalive = false;
		tn_wg_arm(wg, &peer->send_keepalive_at, now + TN_WG_KEEPALIVE_MS);
	}
}

static void fire(struct tn_wg *wg, unsigned slot, uint64_t now)
{
	struct tn_wg_peer *peer = &wg->peers[slot];
	if (due(&peer->zero_keys_at, now))
		zero_keys(wg, slot);
	if (!wg->has_key)
		return;
	if (due(&peer->retransmit_at, now))
		retransmit(wg, slot, now);
	if (due(&peer->send_keepalive_at, now))
		send_keepalive(wg, slot, now);
	const bool unanswered = due(&peer->new_handshake_at, now), old = due(&peer->rekey_at, now);
	if (unanswered || old)
		(void)initiate(wg, slot, false, now);
}

static void include(struct tn_wg *wg, uint64_t deadline)
{
	if (deadline != 0 && deadline < wg->deadline)
		wg->deadline = deadline;
}

void tn_wg_tick(struct tn_wg *wg, uint64_t now)
{
	if (now < wg->deadline)
		return;
	for (unsigned slot = 0; slot < wg->peer_count; slot++)
		if (wg->peers[slot].used)
			fire(wg, slot, now);
	wg->deadline = TN_WG_NO_DEADLINE;
	for (unsigned slot = 0; slot < wg->peer_count; slot++) {
		const struct tn_wg_peer *peer = &wg->peers[slot];
		if (!peer->used)
			continue;
		include(wg, peer->zero_keys_at);
		include(wg, peer->retransmit_at);
		include(wg, peer->send_keepalive_at);
		include(wg, peer->new_handshake_at);
		include(wg, peer->rekey_at);
	}
}

uint64_t tn_wg_next_deadline(const struct tn_wg *wg)
{
	return wg->deadline;
}
