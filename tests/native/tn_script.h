/*
 * Scripted randomness: what is pushed comes out of tn_port_random first, then the seeded generator goes on. Vectors need it to put their
 * ephemeral keys, indices and nonces where the code draws them.
 */
#ifndef TN_SCRIPT_H
#define TN_SCRIPT_H

#define TN_TEST_OWN_RANDOM
#include <sodium.h>

#include "tn_vectors.h"

static uint8_t script_bytes[4096];
static size_t script_length, script_at;

/** Appends bytes that tn_port_random gives next. */
static inline void script_push(const void *bytes, size_t length)
{
	if (script_at == script_length)
		script_at = script_length = 0;
	memcpy(script_bytes + script_length, bytes, length);
	script_length += length;
}

void tn_port_random(void *out, size_t n);
void tn_port_random(void *out, size_t n)
{
	uint8_t *bytes = out;
	while (n > 0 && script_at < script_length) {
		*bytes++ = script_bytes[script_at++];
		n--;
	}
	tn_test_random_bytes(bytes, n);
}

__attribute__((constructor)) static void script_start(void)
{
	if (sodium_init() < 0)
		abort();
}

#endif
