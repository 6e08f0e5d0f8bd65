/*
 * Argon2i as tailnet lock uses it (RFC 9106, version 0x13): 4 passes over 16 MiB in 4 lanes, 32 bytes. libsodium has it with one lane only.
 */
#ifndef TN_ARGON2I_H
#define TN_ARGON2I_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TN_ARGON2I_SIZE 32

/** Takes 16 MiB while it runs, and some 300 ms. @return false if there is no such memory */
bool tn_argon2i(uint8_t out[TN_ARGON2I_SIZE], const uint8_t *secret, size_t secret_length, const uint8_t *salt, size_t salt_length);

#endif
