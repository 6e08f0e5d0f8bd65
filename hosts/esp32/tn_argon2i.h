/*
 * Argon2i as tailnet lock uses it takes 16 MiB of memory: a device has none of it. hosts/desktop/tn_argon2i.h is the real one.
 */
#ifndef TN_ARGON2I_H
#define TN_ARGON2I_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TN_ARGON2I_SIZE 32

static inline bool tn_argon2i(uint8_t out[TN_ARGON2I_SIZE], const uint8_t *secret, size_t secret_length, const uint8_t *salt, size_t salt_length)
{
	(void)out, (void)secret, (void)secret_length, (void)salt, (void)salt_length;
	return false;
}

#endif
