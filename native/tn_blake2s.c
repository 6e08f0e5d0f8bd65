/*
 * See tn_blake2s.h. The compression function is written as in RFC 7693 §3.1, §3.2.
 */
#include "tn_blake2s.h"

#include <string.h>

#include "tn_bytes.h"
#include "tn_crypto.h"

static const uint32_t iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint8_t sigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                      {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                      {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                      {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                      {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static inline uint32_t rotate(uint32_t x, unsigned bits)
{
	return x >> bits | x << (32 - bits);
}

/* The mixing function G. */
static inline void mix(uint32_t v[16], unsigned a, unsigned b, unsigned c, unsigned d, uint32_t x, uint32_t y)
{
	v[a] += v[b] + x;
	v[d] = rotate(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 12);
	v[a] += v[b] + y;
	v[d] = rotate(v[d] ^ v[a], 8);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 7);
}

/* The compression function F; count includes this block. */
static void compress(struct tn_blake2s *state, const uint8_t *block, uint32_t last)
{
	uint32_t m[16], v[16];
	for (unsigned i = 0; i < 16; i++)
		m[i] = tn_load32le(block + 4 * i);
	for (unsigned i = 0; i < 8; i++) {
		v[i] = state->h[i];
		v[i + 8] = iv[i];
	}
	v[12] ^= (uint32_t)state->count;
	v[13] ^= (uint32_t)(state->count >> 32);
	v[14] ^= last;
	for (unsigned round = 0; round < 10; round++) {
		const uint8_t *s = sigma[round];
		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (unsigned i = 0; i < 8; i++)
		state->h[i] ^= v[i] ^ v[i + 8];
	tn_wipe(m, sizeof m);
	tn_wipe(v, sizeof v);
}

void tn_blake2s_init(struct tn_blake2s *state, size_t digest, const uint8_t *key, size_t key_length)
{
	memcpy(state->h, iv, sizeof iv);
	state->h[0] ^= 0x01010000 ^ (uint32_t)key_length << 8 ^ (uint32_t)digest;
	state->count = 0;
	state->used = 0;
	state->digest = digest;
	if (key_length > 0) {
		memset(state->block, 0, sizeof state->block);
		memcpy(state->block, key, key_length);
		state->used = TN_BLAKE2S_BLOCK;
	}
}

void tn_blake2s_update(struct tn_blake2s *state, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	while (length > 0) {
		/* A full block waits until more comes, since the last block is compressed with another flag. */
		if (state->used == TN_BLAKE2S_BLOCK) {
			state->count += TN_BLAKE2S_BLOCK;
			compress(state, state->block, 0);
			state->used = 0;
		}
		const size_t room = TN_BLAKE2S_BLOCK - state->used;
		const size_t part = length < room ? length : room;
		memcpy(state->block + state->used, from, part);
		state->used += part;
		from += part;
		length -= part;
	}
}

void tn_blake2s_final(struct tn_blake2s *state, uint8_t *out)
{
	uint8_t digest[TN_HASH_SIZE];
	memset(state->block + state->used, 0, TN_BLAKE2S_BLOCK - state->used);
	state->count += state->used;
	compress(state, state->block, UINT32_MAX);
	for (unsigned i = 0; i < 8; i++)
		tn_store32le(digest + 4 * i, state->h[i]);
	memcpy(out, digest, state->digest);
	tn_wipe(digest, sizeof digest);
	tn_wipe(state, sizeof *state);
}

void tn_hash(uint8_t out[TN_HASH_SIZE], const void *a, size_t a_length, const void *b, size_t b_length)
{
	struct tn_blake2s state;
	tn_blake2s_init(&state, TN_HASH_SIZE, NULL, 0);
	tn_blake2s_update(&state, a, a_length);
	tn_blake2s_update(&state, b, b_length);
	tn_blake2s_final(&state, out);
}

void tn_mac(uint8_t out[TN_MAC_SIZE], const uint8_t *key, size_t key_length, const void *bytes, size_t length)
{
	struct tn_blake2s state;
	tn_blake2s_init(&state, TN_MAC_SIZE, key, key_length);
	tn_blake2s_update(&state, bytes, length);
	tn_blake2s_final(&state, out);
}

void tn_hmac(uint8_t out[TN_HASH_SIZE], const uint8_t key[TN_HASH_SIZE], const void *a, size_t a_length, const void *b, size_t b_length)
{
	struct tn_blake2s state;
	uint8_t pad[TN_BLAKE2S_BLOCK], inner[TN_HASH_SIZE];
	for (unsigned i = 0; i < TN_BLAKE2S_BLOCK; i++)
		pad[i] = (uint8_t)((i < TN_HASH_SIZE ? key[i] : 0) ^ 0x36);
	tn_blake2s_init(&state, TN_HASH_SIZE, NULL, 0);
	tn_blake2s_update(&state, pad, sizeof pad);
	tn_blake2s_update(&state, a, a_length);
	tn_blake2s_update(&state, b, b_length);
	tn_blake2s_final(&state, inner);
	for (unsigned i = 0; i < TN_BLAKE2S_BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	tn_hash(out, pad, sizeof pad, inner, sizeof inner);
	tn_wipe(pad, sizeof pad);
	tn_wipe(inner, sizeof inner);
}

/* Outputs may overwrite the key: it is used once, for prk. */
static void kdf(uint8_t *outputs[], unsigned count, const uint8_t key[TN_HASH_SIZE], const void *input, size_t length)
{
	uint8_t prk[TN_HASH_SIZE], t[TN_HASH_SIZE];
	tn_hmac(prk, key, input, length, NULL, 0);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t number = (uint8_t)(i + 1);
		tn_hmac(t, prk, t, i == 0 ? 0 : sizeof t, &number, 1);
		memcpy(outputs[i], t, sizeof t);
	}
	tn_wipe(prk, sizeof prk);
	tn_wipe(t, sizeof t);
}

void tn_kdf1(uint8_t t1[TN_HASH_SIZE], const uint8_t key[TN_HASH_SIZE], const void *input, size_t length)
{
	kdf((uint8_t *[]){t1}, 1, key, input, length);
}

void tn_kdf2(uint8_t t1[TN_HASH_SIZE], uint8_t t2[TN_HASH_SIZE], const uint8_t key[TN_HASH_SIZE], const void *input, size_t length)
{
	kdf((uint8_t *[]){t1, t2}, 2, key, input, length);
}

void tn_kdf3(uint8_t t1[TN_HASH_SIZE], uint8_t t2[TN_HASH_SIZE], uint8_t t3[TN_HASH_SIZE], const uint8_t key[TN_HASH_SIZE], const void *input, size_t length)
{
	kdf((uint8_t *[]){t1, t2, t3}, 3, key, input, length);
}
