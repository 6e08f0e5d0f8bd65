/*
 * Sessions that outlive their device: one that is suspended gives them away, another adopts them. The layout is in tn_wireguard.h.
 *
 * A nonce must never be used twice, so a counter is read only when nothing can be sealed any more, and is given away with a margin; that a session is
 * adopted once is up to the caller. What was received before is refused afterwards, also what was late and never came: the window itself is not kept.
 */
#include <string.h>

#include "tn_bytes.h"
#include "tn_wireguard_internal.h"

#define RECEIVE_KEY 32
#define LOCAL_INDEX 64
#define REMOTE_INDEX 68
#define SEND_COUNTER 72
#define RECEIVE_COUNTER 80
#define FLAGS 92
#define FLAG_INITIATOR 1

void tn_wg_suspend(struct tn_wg *wg)
{
	wg->has_key = false;
	wg->deadline = TN_WG_NO_DEADLINE;
	for (unsigned slot = 0; slot < wg->peer_count; slot++) {
		struct tn_wg_peer *peer = &wg->peers[slot];
		if (!peer->used)
			continue;
		tn_wg_handshake_drop(wg, peer);
		tn_wg_session_suspend(wg, peer);
		peer->retransmit_at = peer->send_keepalive_at = peer->new_handshake_at = peer->zero_keys_at = peer->rekey_at = 0;
	}
}

bool tn_wg_save(const struct tn_wg *wg, unsigned slot, uint64_t now, uint8_t saved[TN_WG_SAVED_SIZE])
{
	if (slot >= wg->peer_count || wg->has_key || !wg->peers[slot].used || wg->peers[slot].previous == TN_WG_NO_KEYPAIR)
		return false;
	const struct tn_keypair *keypair = &wg->peers[slot].keypairs[wg->peers[slot].previous];
	const uint64_t age = now - keypair->created_at;
	if (age >= TN_WG_REJECT_AFTER_MS || keypair->counter >= TN_REJECT_AFTER_MESSAGES - TN_WG_SAVED_MARGIN)
		return false;
	memset(saved, 0, TN_WG_SAVED_SIZE);
	memcpy(saved, keypair->send_key, TN_KEY_SIZE);
	memcpy(saved + RECEIVE_KEY, keypair->receive_key, TN_KEY_SIZE);
	tn_store32le(saved + LOCAL_INDEX, keypair->local_index);
	tn_store32le(saved + REMOTE_INDEX, keypair->remote_index);
	tn_store64le(saved + SEND_COUNTER, keypair->counter + TN_WG_SAVED_MARGIN);
	tn_store64le(saved + RECEIVE_COUNTER, tn_replay_next(&keypair->replay));
	tn_store32le(saved + TN_WG_SAVED_AGE, (uint32_t)age);
	saved[FLAGS] = keypair->initiator ? FLAG_INITIATOR : 0;
	return true;
}

bool tn_wg_adopt(struct tn_wg *wg, unsigned slot, const uint8_t saved[TN_WG_SAVED_SIZE], uint64_t now)
{
	const uint32_t age = tn_load32le(saved + TN_WG_SAVED_AGE), local_index = tn_load32le(saved + LOCAL_INDEX);
	if (slot >= wg->peer_count || !wg->has_key || !wg->peers[slot].used || age >= TN_WG_REJECT_AFTER_MS)
		return false;
	struct tn_wg_peer *peer = &wg->peers[slot];
	if (peer->current != TN_WG_NO_KEYPAIR || peer->next != TN_WG_NO_KEYPAIR || wg->indices[local_index & wg->index_mask].kind != TN_WG_INDEX_FREE)
		return false;
	struct tn_session_keys keys;
	memcpy(keys.send, saved, TN_KEY_SIZE);
	memcpy(keys.receive, saved + RECEIVE_KEY, TN_KEY_SIZE);
	/* The clock of a machine that has just started may be below the age: differences are right all the same. */
	tn_wg_session_begin(wg, slot, &keys, true, local_index, tn_load32le(saved + REMOTE_INDEX), now - age);
	tn_wipe(&keys, sizeof keys);
	struct tn_keypair *keypair = &peer->keypairs[peer->current];
	keypair->initiator = (saved[FLAGS] & FLAG_INITIATOR) != 0;
	keypair->counter = tn_load64le(saved + SEND_COUNTER);
	tn_replay_refuse_below(&keypair->replay, tn_load64le(saved + RECEIVE_COUNTER));
	tn_wg_arm(wg, &peer->zero_keys_at, now + TN_WG_ZERO_KEYS_MS - age);
	tn_wg_handshake_complete(peer, now);
	wg->counters.adopted++;
	return true;
}
