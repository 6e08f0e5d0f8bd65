/*
 * BLAKE2s (RFC 7693) and what WireGuard builds on it: hash, keyed MAC, HMAC, KDF. protocol/tunnel.md §1.1.
 *
 * Three uses that must not be mixed up: the plain 32-byte hash, the keyed 16-byte MAC (not a truncated hash: the digest length is
 * part of the parameters), and HMAC over the plain hash (not keyed BLAKE2s).
 */
#ifndef TN_BLAKE2S_H
#define TN_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

#define TN_HASH_SIZE 32
#define TN_MAC_SIZE 16
#define TN_BLAKE2S_BLOCK 64

struct tn_blake2s {
	uint32_t h[8];
	uint64_t count; /* bytes compressed so far */
	uint8_t block[TN_BLAKE2S_BLOCK];
	size_t used;   /* bytes waiting in block */
	size_t digest; /* bytes of output */
};

/**
 * Starts a hash of `digest` bytes (1..32), keyed if key_length is not 0 (1..32).
 */
void tn_blake2s_init(struct tn_blake2s *state, size_t digest, const uint8_t *key, size_t key_length);
void tn_blake2s_update(struct tn_blake2s *state, const void *bytes, size_t length);
/** Writes the digest and wipes the state. */
void tn_blake2s_final(struct tn_blake2s *state, uint8_t *out);

/** HASH(a || b): 32 bytes. b may be NULL when b_length is 0; out may be a or b. */
void tn_hash(uint8_t out[TN_HASH_SIZE], const void *a, size_t a_length, const void *b, size_t b_length);

/** MAC(key, bytes): keyed BLAKE2s of 16 bytes; key of 16 (cookies) or 32 bytes (mac1). */
void tn_mac(uint8_t out[TN_MAC_SIZE], const uint8_t *key, size_t key_length, const void *bytes, size_t length);

/** HMAC-BLAKE2s of a || b with a 32-byte key; b may be NULL when b_length is 0; out may be the key. */
void tn_hmac(uint8_t out[TN_HASH_SIZE], const uint8_t key[TN_HASH_SIZE], const void *a, size_t a_length, const void *b, size_t b_length);

/**
 * KDF1, KDF2, KDF3: HKDF without salt and info. The outputs may be the key itself.
 * @param key the chaining key, 32 bytes
 * @param input what is mixed in; may be empty
 */
void tn_kdf1(uint8_t t1[TN_HASH_SIZE], const uint8_t key[TN_HASH_SIZE], const void *input, size_t length);
void tn_kdf2(uint8_t t1[TN_HASH_SIZE], uint8_t t2[TN_HASH_SIZE], const uint8_t key[TN_HASH_SIZE], const void *input, size_t length);
void tn_kdf3(uint8_t t1[TN_HASH_SIZE], uint8_t t2[TN_HASH_SIZE], uint8_t t3[TN_HASH_SIZE], const uint8_t key[TN_HASH_SIZE], const void *input, size_t length);

#endif
