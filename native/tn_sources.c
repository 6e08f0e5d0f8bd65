/* How much each source may send, see tn_sources.h. */
#include "tn_sources.h"

#include <sodium.h>
#include <string.h>

#include "tn_port.h"

#define TOKEN 1000u
/** A bucket that nobody asked for longer than this goes to whoever asks next. */
#define IDLE_MS 1000u

_Static_assert((TN_SOURCES & (TN_SOURCES - 1)) == 0, "the table of sources is a power of two");
_Static_assert(sizeof(((struct tn_sources *)0)->key) == crypto_shorthash_KEYBYTES, "SipHash key");

struct tn_bucket tn_bucket_full(uint32_t burst, uint64_t now)
{
	return (struct tn_bucket){now, burst * TOKEN};
}

bool tn_bucket_take(struct tn_bucket *bucket, uint32_t rate, uint32_t burst, uint64_t now)
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

void tn_sources_init(struct tn_sources *sources, uint32_t rate, uint32_t burst)
{
	*sources = (struct tn_sources){.rate = rate, .burst = burst};
	for (unsigned i = 0; i < TN_SOURCES; i++)
		sources->entries[i].bucket = tn_bucket_full(burst, 0);
	tn_port_random(sources->key, sizeof sources->key);
}

bool tn_sources_take(struct tn_sources *sources, const uint8_t *source, size_t length, uint64_t now)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	if (length == 18)
		length = memcmp(source, mapped, sizeof mapped) == 0 ? 16 : 8;
	uint64_t hash;
	(void)crypto_shorthash((uint8_t *)&hash, source, length, sources->key);
	const uint32_t tag = (uint32_t)(hash >> 32);
	const uint32_t place = hash & (TN_SOURCES - 1);
	struct tn_bucket *bucket = &sources->entries[place].bucket;
	if (sources->entries[place].tag != tag && now - bucket->at >= IDLE_MS) {
		sources->entries[place].tag = tag;
		*bucket = tn_bucket_full(sources->burst, now);
	}
	return tn_bucket_take(bucket, sources->rate, sources->burst, now);
}
