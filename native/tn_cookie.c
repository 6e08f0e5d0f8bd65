/*
 * See tn_cookie.h.
 */
#include "tn_cookie.h"

#include <string.h>

#define MACS_SIZE (2 * TN_MAC_SIZE)

void tn_cookie_keys_init(struct tn_cookie_keys *keys, const uint8_t public_key[TN_KEY_SIZE])
{
	tn_hash(keys->mac1, "mac1----", 8, public_key, TN_KEY_SIZE);
	tn_hash(keys->cookie, "cookie--", 8, public_key, TN_KEY_SIZE);
}

bool tn_cookie_check_mac1(const struct tn_cookie_keys *own, const uint8_t *message, size_t length)
{
	uint8_t mac[TN_MAC_SIZE];
	if (length < MACS_SIZE)
		return false;
	tn_mac(mac, own->mac1, sizeof own->mac1, message, length - MACS_SIZE);
	return tn_equal(mac, message + length - MACS_SIZE, sizeof mac);
}

/* The cookie of a source, under a secret not older than its lifetime. */
static void bake(struct tn_cookie_maker *maker, const uint8_t *source, size_t source_length, uint64_t now, uint8_t cookie[TN_COOKIE_SIZE])
{
	if (now >= maker->until) {
		tn_port_random(maker->secret, sizeof maker->secret);
		maker->until = now + TN_COOKIE_LIFETIME_MS;
	}
	tn_mac(cookie, maker->secret, sizeof maker->secret, source, source_length);
}

bool tn_cookie_check_mac2(struct tn_cookie_maker *maker, const uint8_t *source, size_t source_length, const uint8_t *message, size_t length, uint64_t now)
{
	uint8_t cookie[TN_COOKIE_SIZE], mac[TN_MAC_SIZE];
	if (length < MACS_SIZE)
		return false;
	bake(maker, source, source_length, now, cookie);
	tn_mac(mac, cookie, sizeof cookie, message, length - TN_MAC_SIZE);
	const bool ok = tn_equal(mac, message + length - TN_MAC_SIZE, sizeof mac);
	tn_wipe(cookie, sizeof cookie);
	return ok;
}

void tn_cookie_reply(struct tn_cookie_maker *maker, const struct tn_cookie_keys *own, const uint8_t *source, size_t source_length, const uint8_t *message,
                     size_t length, uint64_t now, uint8_t reply[TN_COOKIE_REPLY_SIZE])
{
	uint8_t cookie[TN_COOKIE_SIZE];
	bake(maker, source, source_length, now, cookie);
	memcpy(reply, (const uint8_t[]){3, 0, 0, 0}, 4);
	memcpy(reply + 4, message + 4, 4);
	tn_port_random(reply + 8, TN_XNONCE_SIZE);
	tn_xaead_seal(reply + 32, own->cookie, reply + 8, cookie, sizeof cookie, message + length - MACS_SIZE, TN_MAC_SIZE);
	tn_wipe(cookie, sizeof cookie);
}

void tn_cookie_add_macs(struct tn_cookie_jar *jar, const struct tn_cookie_keys *remote, uint8_t *message, size_t length, uint64_t now)
{
	uint8_t *mac1 = message + length - MACS_SIZE;
	tn_mac(mac1, remote->mac1, sizeof remote->mac1, message, length - MACS_SIZE);
	memcpy(jar->last_mac1, mac1, TN_MAC_SIZE);
	jar->sent = true;
	if (now < jar->until)
		tn_mac(mac1 + TN_MAC_SIZE, jar->cookie, sizeof jar->cookie, message, length - TN_MAC_SIZE);
	else
		memset(mac1 + TN_MAC_SIZE, 0, TN_MAC_SIZE);
}

bool tn_cookie_take(struct tn_cookie_jar *jar, const struct tn_cookie_keys *remote, const uint8_t reply[TN_COOKIE_REPLY_SIZE], uint64_t now)
{
	uint8_t cookie[TN_COOKIE_SIZE];
	if (!jar->sent || !tn_xaead_open(cookie, remote->cookie, reply + 8, reply + 32, TN_COOKIE_SIZE + TN_TAG_SIZE, jar->last_mac1, TN_MAC_SIZE))
		return false;
	memcpy(jar->cookie, cookie, sizeof cookie);
	jar->until = now + TN_COOKIE_LIFETIME_MS;
	tn_wipe(cookie, sizeof cookie);
	return true;
}
