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
#include <sodium.h>
#include <string.h>

#include "tn_wireguard_internal.h"

#define STICKY_MS 1000u
#define TOKEN 1000u

_Static_assert((TN_WG_SOURCES & (TN_WG_SOURCES - 1)) == 0, "the table of sources is a power of two");
_Static_assert(sizeof(((struct tn_wg *)0)->source_key) == crypto_shorthash_KEYBYTES, "SipHash key");

/* Refills rate tokens a second up to burst, then takes one. */
static bool take(struct tn_wg_bucket *bucket, uint32_t rate, uint32_t burst, uint64_t now)
{
	const uint64_t elapsed = now - bucket->at;
	const uint64_t tokens = bucket->tokens + (elapsed < 1000 * TOKEN ? elapsed : 1000 * TOKEN) * rate;
	bucket->at = now;
	bucket->tokens = (uint32_t)(tokens < (uint64_t)burst * TOKEN ? tokens : (uint64_t)burst * TOKEN);
	if (bucket->tokens < TOKEN)
		return false;
	bucket->tokens -= TOKEN;
	return true;
}

/* An IPv4 address, an IPv6 /64 or a node key has one bucket. Two that fall on the same place of the table share it. */
static bool take_source(struct tn_wg *wg, const uint8_t *source, size_t length, uint64_t now)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	if (length == 18)
		length = memcmp(source, mapped, sizeof mapped) == 0 ? 16 : 8;
	uint64_t hash;
	(void)crypto_shorthash((uint8_t *)&hash, source, length, wg->source_key);
	const uint32_t tag = (uint32_t)(hash >> 32);
	struct tn_wg_bucket *bucket = &wg->sources[hash & (TN_WG_SOURCES - 1)].bucket;
	uint32_t *owner = &wg->sources[hash & (TN_WG_SOURCES - 1)].source;
	if (*owner != tag && now - bucket->at >= 1000) {
		*owner = tag;
		*bucket = (struct tn_wg_bucket){now, TN_WG_SOURCE_BURST * TOKEN};
	}
	return take(bucket, TN_WG_SOURCE_RATE, TN_WG_SOURCE_BURST, now);
}

void tn_wg_load_init(struct tn_wg *wg)
{
	wg->load = (struct tn_wg_bucket){0, TN_WG_LOAD * TOKEN};
	wg->initiations = wg->responses = (struct tn_wg_bucket){0, TN_WG_BUDGET * TOKEN};
	for (unsigned i = 0; i < TN_WG_SOURCES; i++)
		wg->sources[i].bucket = (struct tn_wg_bucket){0, TN_WG_SOURCE_BURST * TOKEN};
	tn_port_random(wg->source_key, sizeof wg->source_key);
}

enum tn_wg_gate tn_wg_gate_initiation(struct tn_wg *wg, const uint8_t *source, size_t source_length, const uint8_t *message, uint64_t now)
{
	if (!take(&wg->load, TN_WG_LOAD, TN_WG_LOAD, now))
		wg->under_load_until = now + STICKY_MS;
	if (now < wg->under_load_until) {
		if (!tn_cookie_check_mac2(&wg->cookie_maker, source, source_length, message, TN_INITIATION_SIZE, now))
			return TN_WG_GATE_COOKIE;
		if (!take_source(wg, source, source_length, now))
			return TN_WG_GATE_SHUT;
	}
	return take(&wg->initiations, TN_WG_BUDGET, TN_WG_BUDGET, now) ? TN_WG_GATE_OPEN : TN_WG_GATE_SHUT;
}

bool tn_wg_gate_response(struct tn_wg *wg, uint64_t now)
{
	return take(&wg->responses, TN_WG_BUDGET, TN_WG_BUDGET, now);
}
