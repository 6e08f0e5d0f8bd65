/*
 * Ed25519 signatures on a machine whose threads have room for it.
 */
#ifndef TN_ED25519_H
#define TN_ED25519_H

#include <sodium.h>

/** @return 1 for a right signature, 0 for a wrong one, -1 if it cannot be told at present */
static inline int tn_ed25519_verify(const uint8_t key[32], const uint8_t *message, size_t length, const uint8_t signature[64])
{
	return crypto_sign_verify_detached(signature, message, length, key) == 0;
}

#endif
