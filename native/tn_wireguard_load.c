/*
 * Who may cost us an X25519. protocol/tunnel.md §2.5.
 *
 *   mac1 right → load bucket empty? then under load for 1 s → under load: mac2 right? else cookie reply
 *                                                           → under load: the source's bucket
 *              → the budget of all → X25519
 *
 * Responses are not asked for a cookie: only one whose index names an initiation of ours in flight comes this far, which a flood cannot
 * guess, and refusing it would let a flood of initiations stop our own handshakes. They have a budget of their own.
 */
#include "tn_wireguard_internal.h"

#define STICKY_MS 1000u
void tn_wg_load_init(struct tn_wg *wg)
{
	wg->load = tn_bucket_full(TN_WG_LOAD, 0);
	wg->initiations = wg->responses = tn_bucket_full(TN_WG_BUDGET, 0);
	tn_sources_init(&wg->sources, TN_WG_SOURCE_RATE, TN_WG_SOURCE_BURST);
}

enum tn_wg_gate tn_wg_gate_initiation(struct tn_wg *wg, const uint8_t *source, size_t source_length, const uint8_t *message, uint64_t now)
{
	if (!tn_bucket_take(&wg->load, TN_WG_LOAD, TN_WG_LOAD, now))
		wg->under_load_until = now + STICKY_MS;
	if (now < wg->under_load_until) {
		if (!tn_cookie_check_mac2(&wg->cookie_maker, source, source_length, message, TN_INITIATION_SIZE, now))
			return TN_WG_GATE_COOKIE;
		if (!tn_sources_take(&wg->sources, source, source_length, now))
			return TN_WG_GATE_SHUT;
	}
	return tn_bucket_take(&wg->initiations, TN_WG_BUDGET, TN_WG_BUDGET, now) ? TN_WG_GATE_OPEN : TN_WG_GATE_SHUT;
}

bool tn_wg_gate_response(struct tn_wg *wg, uint64_t now)
{
	return tn_bucket_take(&wg->responses, TN_WG_BUDGET, TN_WG_BUDGET, now);
}
