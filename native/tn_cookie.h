/*
 * mac1, mac2 and cookies: who may make us compute a Diffie-Hellman. protocol/tunnel.md §1.9.
 *
 *   mac1 = MAC(HASH("mac1----" || receiver's static public), message before mac1)     proves that the sender knows our key
 *   mac2 = MAC(cookie, message before mac2), or 16 zero bytes                         proves that it receives at its source address
 *
 * The maker's cookie is MAC(secret, source), the secret replaced every 120 s. Cookie reply, 64 bytes:
 *
 *   bytes 0..3    03 00 00 00
 *   bytes 4..7    receiver index: the sender index of the refused message
 *   bytes 8..31   nonce, random
 *   bytes 32..63  XAEAD(cookie key, nonce, cookie, mac1 of the refused message), cookie key = HASH("cookie--" || maker's static public)
 */
#ifndef TN_COOKIE_H
#define TN_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tn_blake2s.h"
#include "tn_crypto.h"

#define TN_COOKIE_SIZE 16
#define TN_COOKIE_REPLY_SIZE 64
#define TN_COOKIE_LIFETIME_MS 120000u

/** What checks and makes macs for messages to the owner of a static key. */
struct tn_cookie_keys {
	uint8_t mac1[TN_HASH_SIZE];
	uint8_t cookie[TN_HASH_SIZE];
};

/** The side that demands cookies. */
struct tn_cookie_maker {
	uint8_t secret[TN_HASH_SIZE];
	uint64_t until; /* when the secret is replaced; 0: none yet */
};

/** The side that got one: one a peer. */
struct tn_cookie_jar {
	uint8_t cookie[TN_COOKIE_SIZE];
	uint64_t until;                 /* 0: none */
	uint8_t last_mac1[TN_MAC_SIZE]; /* of the last handshake message sent */
	bool sent;                      /* last_mac1 is valid */
};

void tn_cookie_keys_init(struct tn_cookie_keys *keys, const uint8_t public_key[TN_KEY_SIZE]);

/** Whether a message of `length` bytes, macs included, has the right mac1. Constant time. */
bool tn_cookie_check_mac1(const struct tn_cookie_keys *own, const uint8_t *message, size_t length);

/** Whether it has the mac2 of the cookie that this maker gives to this source. Constant time. */
bool tn_cookie_check_mac2(struct tn_cookie_maker *maker, const uint8_t *source, size_t source_length, const uint8_t *message, size_t length, uint64_t now);

/** Writes the cookie reply to a refused message (length bytes, macs included). */
void tn_cookie_reply(struct tn_cookie_maker *maker, const struct tn_cookie_keys *own, const uint8_t *source, size_t source_length, const uint8_t *message,
                     size_t length, uint64_t now, uint8_t reply[TN_COOKIE_REPLY_SIZE]);

/** Fills in mac1 and mac2 (the last 32 bytes) of a message to the owner of `remote`, and remembers mac1. */
void tn_cookie_add_macs(struct tn_cookie_jar *jar, const struct tn_cookie_keys *remote, uint8_t *message, size_t length, uint64_t now);

/**
 * Takes a cookie reply for the last message sent.
 * @param reply 64 bytes, type and receiver index already looked at
 * @return false when nothing was sent or it does not open
 */
bool tn_cookie_take(struct tn_cookie_jar *jar, const struct tn_cookie_keys *remote, const uint8_t reply[TN_COOKIE_REPLY_SIZE], uint64_t now);

#endif
