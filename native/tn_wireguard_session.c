/*
 * Keypairs and indices of the WireGuard device. protocol/tunnel.md §1.12, §2.4.
 *
 *   event                    previous        current   next
 *   session, we initiated    next, or else   new       none     (what leaves is erased)
 *                            current
 *   session, we responded    none            stays     new
 *   first packet under next  current         next      none
 *
 * Receiving works with all three, found by index; sending only with current.
 */
#include <string.h>

#include "tn_wireguard_internal.h"

uint32_t tn_wg_index_new(struct tn_wg *wg, unsigned slot, unsigned kind)
{
	uint32_t index;
	unsigned tries = 0;
	do
		tn_port_random(&index, sizeof index);
	while (wg->indices[index & wg->index_mask].kind != TN_WG_INDEX_FREE && ++tries < 32);
	/* At least half of the table is free, so a broken source of randomness costs a walk, not a hang. */
	while (wg->indices[index & wg->index_mask].kind != TN_WG_INDEX_FREE)
		index++;
	wg->indices[index & wg->index_mask] = (struct tn_wg_index){index, (uint16_t)slot, (uint8_t)kind};
	return index;
}

void tn_wg_index_free(struct tn_wg *wg, uint32_t index)
{
	struct tn_wg_index *entry = tn_wg_index_find(wg, index);
	if (entry)
		*entry = (struct tn_wg_index){0, 0, TN_WG_INDEX_FREE};
}

/* Erases the keypair in a place of the rotation and empties that place. */
static void drop(struct tn_wg *wg, struct tn_wg_peer *peer, uint8_t *place)
{
	if (*place == TN_WG_NO_KEYPAIR)
		return;
	struct tn_keypair *keypair = &peer->keypairs[*place];
	tn_wg_index_free(wg, keypair->local_index);
	tn_wipe(keypair, sizeof *keypair);
	*place = TN_WG_NO_KEYPAIR;
}

void tn_wg_session_begin(struct tn_wg *wg, unsigned slot, const struct tn_session_keys *keys, bool initiator, uint32_t local_index, uint32_t remote_index,
                         uint64_t now)
{
	struct tn_wg_peer *peer = &wg->peers[slot];
	drop(wg, peer, &peer->previous);
	if (!initiator) {
		drop(wg, peer, &peer->next);
	} else if (peer->next != TN_WG_NO_KEYPAIR) {
		peer->previous = peer->next;
		peer->next = TN_WG_NO_KEYPAIR;
		drop(wg, peer, &peer->current);
	} else {
		peer->previous = peer->current;
		peer->current = TN_WG_NO_KEYPAIR;
	}
	uint8_t place = 0;
	while (peer->keypairs[place].used) /* one is free: at most two are left */
		place++;
	struct tn_keypair *keypair = &peer->keypairs[place];
	memcpy(keypair->send_key, keys->send, TN_KEY_SIZE);
	memcpy(keypair->receive_key, keys->receive, TN_KEY_SIZE);
	keypair->counter = 0;
	keypair->created_at = now;
	keypair->local_index = local_index;
	keypair->remote_index = remote_index;
	keypair->used = true;
	keypair->initiator = initiator;
	tn_replay_reset(&keypair->replay);
	if (initiator)
		peer->current = place;
	else
		peer->next = place;
	wg->indices[local_index & wg->index_mask] = (struct tn_wg_index){local_index, (uint16_t)slot, (uint8_t)(TN_WG_INDEX_KEYPAIR + place)};
}

void tn_wg_session_promote(struct tn_wg *wg, struct tn_wg_peer *peer)
{
	drop(wg, peer, &peer->previous);
	peer->previous = peer->current;
	peer->current = peer->next;
	peer->next = TN_WG_NO_KEYPAIR;
}

void tn_wg_session_suspend(struct tn_wg *wg, struct tn_wg_peer *peer)
{
	/* The peer may send under the next keys from any moment on: without them it would speak to nobody until it notices. */
	if (peer->next != TN_WG_NO_KEYPAIR)
		drop(wg, peer, &peer->current);
	drop(wg, peer, &peer->next);
	drop(wg, peer, &peer->previous);
	peer->previous = peer->current;
	peer->current = TN_WG_NO_KEYPAIR;
}

void tn_wg_handshake_drop(struct tn_wg *wg, struct tn_wg_peer *peer)
{
	if (peer->handshake.state == TN_HANDSHAKE_INITIATION_CREATED)
		tn_wg_index_free(wg, peer->handshake.local_index);
	tn_handshake_zero(&peer->handshake);
}

void tn_wg_sessions_drop(struct tn_wg *wg, struct tn_wg_peer *peer)
{
	drop(wg, peer, &peer->previous);
	drop(wg, peer, &peer->current);
	drop(wg, peer, &peer->next);
	tn_wg_handshake_drop(wg, peer);
	tn_wipe(&peer->cookie, sizeof peer->cookie);
}
