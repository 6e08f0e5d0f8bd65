/*
 * See tn_crypto.h. Whatever libsodium calls it, here it has the paper's name.
 */
#include "tn_crypto.h"

#include <sodium.h>

#include "tn_bytes.h"

/* A program that looks for branches on secrets defines it (tests/native/secret_branches.c): what it names is a secret no more. */
#ifndef TN_NO_SECRET
#define TN_NO_SECRET(bytes, length) ((void)0)
#endif

/* Whether something is authentic, or the same, or zero: what the program does next shows it to everybody. */
static bool tn_verdict(bool is)
{
	TN_NO_SECRET(&is, sizeof is);
	return is;
}

/* What was opened is the caller's to look into. */
static bool tn_opened(const uint8_t *plaintext, size_t length, bool is_authentic)
{
	(void)plaintext;
	(void)length;
	TN_NO_SECRET(plaintext, length);
	return tn_verdict(is_authentic);
}

/* 00000000 || LE64(counter): transport nonces are little-endian, unlike those of the control channel. */
static void tn_nonce(uint8_t nonce[12], uint64_t counter)
{
	tn_store32le(nonce, 0);
	tn_store64le(nonce + 4, counter);
}

bool tn_x25519(uint8_t shared[TN_KEY_SIZE], const uint8_t private_key[TN_KEY_SIZE], const uint8_t public_key[TN_KEY_SIZE])
{
	if (tn_verdict(crypto_scalarmult_curve25519(shared, private_key, public_key) == 0) && !tn_is_zero(shared, TN_KEY_SIZE))
		return true;
	tn_wipe(shared, TN_KEY_SIZE);
	return false;
}

void tn_x25519_public(uint8_t public_key[TN_KEY_SIZE], const uint8_t private_key[TN_KEY_SIZE])
{
	(void)crypto_scalarmult_curve25519_base(public_key, private_key);
}

void tn_x25519_generate(uint8_t private_key[TN_KEY_SIZE], uint8_t public_key[TN_KEY_SIZE])
{
	tn_port_random(private_key, TN_KEY_SIZE);
	private_key[0] &= 248;
	private_key[31] = (uint8_t)((private_key[31] & 127) | 64);
	tn_x25519_public(public_key, private_key);
}

void tn_aead_seal(uint8_t *out, const uint8_t key[TN_KEY_SIZE], uint64_t counter, const uint8_t *plaintext, size_t length, const uint8_t *additional,
                  size_t additional_length)
{
	uint8_t nonce[12];
	tn_nonce(nonce, counter);
	(void)crypto_aead_chacha20poly1305_ietf_encrypt_detached(out, out + length, NULL, plaintext, length, additional, additional_length, NULL, nonce, key);
}

bool tn_aead_open(uint8_t *out, const uint8_t key[TN_KEY_SIZE], uint64_t counter, const uint8_t *sealed, size_t length, const uint8_t *additional,
                  size_t additional_length)
{
	if (length < TN_TAG_SIZE)
		return false;
	uint8_t nonce[12];
	tn_nonce(nonce, counter);
	length -= TN_TAG_SIZE;
	return tn_opened(
	    out, length,
	    crypto_aead_chacha20poly1305_ietf_decrypt_detached(out, NULL, sealed, length, sealed + length, additional, additional_length, nonce, key) == 0);
}

void tn_xaead_seal(uint8_t *out, const uint8_t key[TN_KEY_SIZE], const uint8_t nonce[TN_XNONCE_SIZE], const uint8_t *plaintext, size_t length,
                   const uint8_t *additional, size_t additional_length)
{
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt_detached(out, out + length, NULL, plaintext, length, additional, additional_length, NULL, nonce, key);
}

bool tn_xaead_open(uint8_t *out, const uint8_t key[TN_KEY_SIZE], const uint8_t nonce[TN_XNONCE_SIZE], const uint8_t *sealed, size_t length,
                   const uint8_t *additional, size_t additional_length)
{
	if (length < TN_TAG_SIZE)
		return false;
	length -= TN_TAG_SIZE;
	return tn_opened(
	    out, length,
	    crypto_aead_xchacha20poly1305_ietf_decrypt_detached(out, NULL, sealed, length, sealed + length, additional, additional_length, nonce, key) == 0);
}

bool tn_equal(const void *a, const void *b, size_t n)
{
	return tn_verdict(sodium_memcmp(a, b, n) == 0);
}

bool tn_is_zero(const void *bytes, size_t n)
{
	return tn_verdict(sodium_is_zero(bytes, n) == 1);
}

void tn_wipe(void *secret, size_t n)
{
	sodium_memzero(secret, n);
}
