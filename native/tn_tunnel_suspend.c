/*
 * The tunnel's sleep: sessions are given away at its end, and adopted by the tunnel of the next run.
 *
 * What the sessions' counters are is read when nothing can be sealed any more. Until the last one is told the tunnel stays as it is: deaf and dumb.
 */
#include "tn_tunnel.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_records.h"

/** The VM reads events meanwhile. */
#define RETRY_MS 10u
/** suspended_next when everything is told. */
#define TOLD (TN_PEERS + 1)

void tn_tunnel_suspend(struct tn_tunnel *tunnel)
{
	if (tunnel->is_suspended)
		return;
	tn_tunnel_flush(tunnel);
	tn_wg_suspend(&tunnel->wg);
	tunnel->has_key = false;
	tunnel->is_suspended = true;
	tunnel->suspended_next = 0;
}

/** @return false when the ring of events is full */
static bool tell(struct tn_tunnel *tunnel, unsigned slot)
{
	uint8_t handle[4], saved[TN_WG_SAVED_SIZE];
	if (!tn_wg_save(&tunnel->wg, slot, tunnel->now, saved))
		return true;
	tn_store32le(handle, slot | (uint32_t)tunnel->peers[slot].generation << 16);
	bool is_told = tn_events_put(tunnel->events, TN_EVENT_SUSPENDED, 0, 0, handle, sizeof handle, saved, sizeof saved);
	tn_wipe(saved, sizeof saved);
	return is_told;
}

uint64_t tn_tunnel_tell_sessions(struct tn_tunnel *tunnel)
{
	while (tunnel->suspended_next < TN_PEERS) {
		if (!tell(tunnel, tunnel->suspended_next))
			return tunnel->now + RETRY_MS;
		tunnel->suspended_next++;
	}
	if (tunnel->suspended_next < TOLD && !tn_events_put(tunnel->events, TN_EVENT_SUSPENDED, 1, 0, NULL, 0, NULL, 0))
		return tunnel->now + RETRY_MS;
	tunnel->suspended_next = TOLD;
	return UINT64_MAX;
}

void tn_tunnel_adopt(struct tn_tunnel *tunnel, unsigned slot, const uint8_t *saved)
{
	struct tn_peer *peer = &tunnel->peers[slot];
	if (!tn_wg_adopt(&tunnel->wg, slot, saved + TN_ENDPOINT, tunnel->now))
		return;
	memcpy(peer->endpoint, saved, TN_ENDPOINT);
	peer->has_endpoint = tn_load16be(saved + 16) != 0;
	peer->trusted_until = 0;
	tn_tunnel_send_staged(tunnel, slot);
}
