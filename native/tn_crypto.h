/*
 * The primitives of WireGuard by the names of its paper, thin over libsodium (BLAKE2s, which libsodium lacks, is tn_blake2s.h).
 * protocol/tunnel.md §1.1. The host has called sodium_init before anything here.
 */
#ifndef TN_CRYPTO_H
#define TN_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TN_KEY_SIZE 32
#define TN_TAG_SIZE 16
#define TN_XNONCE_SIZE 24

/** Fills out with n bytes of the host's entropy. Provided by the host (tn_port.h), by tests with a seeded generator. */
void tn_port_random(void *out, size_t n);

/**
 * X25519. The private key is clamped on the way.
 * @param shared 32 bytes out, secret; all zero when false is returned
 * @return false when the result is zero: the public key is a point of low order and must be refused
 */
bool tn_x25519(uint8_t shared[TN_KEY_SIZE], const uint8_t private_key[TN_KEY_SIZE], const uint8_t public_key[TN_KEY_SIZE]);

/** The public key of a private key. */
void tn_x25519_public(uint8_t public_key[TN_KEY_SIZE], const uint8_t private_key[TN_KEY_SIZE]);

/** A fresh key pair; the private key is stored clamped. */
void tn_x25519_generate(uint8_t private_key[TN_KEY_SIZE], uint8_t public_key[TN_KEY_SIZE]);

/**
 * ChaCha20-Poly1305 (RFC 8439) with the nonce 00000000 || LE64(counter).
 * @param out length + 16 bytes: ciphertext, tag; may be the same as plaintext
 * @param counter must never repeat under one key
 * @param additional may be NULL when its length is 0
 */
void tn_aead_seal(uint8_t *out, const uint8_t key[TN_KEY_SIZE], uint64_t counter, const uint8_t *plaintext, size_t length, const uint8_t *additional,
                  size_t additional_length);

/**
 * Opens what tn_aead_seal made.
 * @param out length - 16 bytes of plaintext; may be the same as sealed; undefined when false is returned
 * @param sealed ciphertext and tag, length bytes together
 * @return false when it is shorter than a tag or not authentic
 */
bool tn_aead_open(uint8_t *out, const uint8_t key[TN_KEY_SIZE], uint64_t counter, const uint8_t *sealed, size_t length, const uint8_t *additional,
                  size_t additional_length);

/** XChaCha20-Poly1305 with a nonce of 24 random bytes; otherwise as tn_aead_seal. */
void tn_xaead_seal(uint8_t *out, const uint8_t key[TN_KEY_SIZE], const uint8_t nonce[TN_XNONCE_SIZE], const uint8_t *plaintext, size_t length,
                   const uint8_t *additional, size_t additional_length);

/** Opens what tn_xaead_seal made; otherwise as tn_aead_open. */
bool tn_xaead_open(uint8_t *out, const uint8_t key[TN_KEY_SIZE], const uint8_t nonce[TN_XNONCE_SIZE], const uint8_t *sealed, size_t length,
                   const uint8_t *additional, size_t additional_length);

/** Compares n bytes in constant time. */
bool tn_equal(const void *a, const void *b, size_t n);

/** True when all n bytes are zero, in constant time. */
bool tn_is_zero(const void *bytes, size_t n);

/** Overwrites a secret with zeros; never optimised away. */
void tn_wipe(void *secret, size_t n);

#endif
