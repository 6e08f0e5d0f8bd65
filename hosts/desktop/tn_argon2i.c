/*
 * Argon2i, RFC 9106 §3. Memory is a matrix of blocks of 1 KiB, a row a lane; each pass goes over it in four slices, and within one a lane refers to other lanes
 * only in slices that are done. So lanes need no threads of their own.
 */
#include "tn_argon2i.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "tn_bytes.h"

#define LANES 4
#define PASSES 4
#define KIBIBYTES 16384
#define SLICES 4
#define COLUMNS (KIBIBYTES / LANES)
#define SEGMENT (COLUMNS / SLICES)
#define VERSION 0x13
#define TYPE_I 1
#define WORDS 128 /* of a block */
#define BLOCK_SIZE (8 * WORDS)
#define HASH_SIZE 64

struct block {
	uint64_t words[WORDS];
};

static void hash_u32(crypto_generichash_state *state, uint32_t value)
{
	uint8_t bytes[4];
	tn_store32le(bytes, value);
	crypto_generichash_update(state, bytes, sizeof bytes);
}

static void hash_string(crypto_generichash_state *state, const uint8_t *bytes, size_t length)
{
	hash_u32(state, (uint32_t)length);
	crypto_generichash_update(state, bytes, length);
}

/** H' of §3.3: BLAKE2b for more than 64 bytes, each but the last giving 32. */
static void long_hash(uint8_t *out, size_t out_length, const uint8_t *in, size_t in_length)
{
	crypto_generichash_state state;
	uint8_t value[HASH_SIZE];
	const size_t first = out_length < HASH_SIZE ? out_length : HASH_SIZE;
	crypto_generichash_init(&state, NULL, 0, first);
	hash_u32(&state, (uint32_t)out_length);
	crypto_generichash_update(&state, in, in_length);
	crypto_generichash_final(&state, value, first);
	while (out_length > HASH_SIZE) {
		memcpy(out, value, HASH_SIZE / 2);
		out += HASH_SIZE / 2;
		out_length -= HASH_SIZE / 2;
		uint8_t next[HASH_SIZE];
		const size_t length = out_length < HASH_SIZE ? out_length : HASH_SIZE;
		crypto_generichash(next, length, value, HASH_SIZE, NULL, 0);
		memcpy(value, next, length);
	}
	memcpy(out, value, out_length);
	sodium_memzero(value, sizeof value);
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value >> bits | value << (64 - bits);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	return a + b + 2 * (uint64_t)(uint32_t)a * (uint32_t)b;
}

static void quarter(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d)
{
	*a = mix(*a, *b);
	*d = rotate(*d ^ *a, 32);
	*c = mix(*c, *d);
	*b = rotate(*b ^ *c, 24);
	*a = mix(*a, *b);
	*d = rotate(*d ^ *a, 16);
	*c = mix(*c, *d);
	*b = rotate(*b ^ *c, 63);
}

/** P of §3.6 over 16 words: pairs of neighbours, step apart. */
static void permute(uint64_t *words, size_t step)
{
	uint64_t *v[16];
	for (size_t i = 0; i < 8; i++) {
		v[2 * i] = words + i * step;
		v[2 * i + 1] = words + i * step + 1;
	}
	for (size_t i = 0; i < 4; i++)
		quarter(v[i], v[i + 4], v[i + 8], v[i + 12]);
	for (size_t i = 0; i < 4; i++)
		quarter(v[i], v[4 + (i + 1) % 4], v[8 + (i + 2) % 4], v[12 + (i + 3) % 4]);
}

/** G of §3.5. @param keeps out is XORed with what it holds already */
static void compress(struct block *out, const struct block *x, const struct block *y, bool keeps)
{
	struct block r, z;
	for (size_t i = 0; i < WORDS; i++)
		r.words[i] = x->words[i] ^ y->words[i];
	z = r;
	for (size_t i = 0; i < 8; i++)
		permute(z.words + 16 * i, 2);
	for (size_t i = 0; i < 8; i++)
		permute(z.words + 2 * i, 16);
	for (size_t i = 0; i < WORDS; i++)
		out->words[i] = (keeps ? out->words[i] : 0) ^ r.words[i] ^ z.words[i];
}

/** Where the references of 128 columns from at on go: they depend on no secret (§3.4.1.2). */
static void addresses(struct block *out, uint32_t pass, uint32_t lane, uint32_t slice, uint32_t at)
{
	static const struct block zero;
	const struct block input = {{pass, lane, slice, KIBIBYTES, PASSES, TYPE_I, at / WORDS + 1}};
	struct block between;
	compress(&between, &zero, &input, false);
	compress(out, &zero, &between, false);
}

/** Block that the one at a column refers to (§3.4.2). */
static const struct block *reference(const struct block *memory, uint64_t pseudo, uint32_t pass, uint32_t lane, uint32_t slice, uint32_t column)
{
	const uint32_t other = pass == 0 && slice == 0 ? lane : (uint32_t)(pseudo >> 32) % LANES;
	const uint32_t done = pass == 0 ? slice * SEGMENT : COLUMNS - SEGMENT;
	const uint32_t area = other == lane ? done + column - 1 : done - (column == 0);
	const uint64_t x = (pseudo & 0xffffffff) * (pseudo & 0xffffffff) >> 32;
	const uint32_t relative = area - 1 - (uint32_t)(area * x >> 32);
	const uint32_t start = pass == 0 ? 0 : (slice + 1) % SLICES * SEGMENT;
	return memory + other * COLUMNS + (start + relative) % COLUMNS;
}

static void fill_segment(struct block *memory, uint32_t pass, uint32_t lane, uint32_t slice)
{
	struct block places;
	struct block *row = memory + lane * COLUMNS;
	const uint32_t first = pass == 0 && slice == 0 ? 2 : 0;
	for (uint32_t column = first; column < SEGMENT; column++) {
		const uint32_t at = slice * SEGMENT + column;
		if (column == first || column % WORDS == 0)
			addresses(&places, pass, lane, slice, column);
		const struct block *other = reference(memory, places.words[column % WORDS], pass, lane, slice, column);
		compress(row + at, row + (at + COLUMNS - 1) % COLUMNS, other, pass > 0);
	}
}

static void load_block(struct block *out, const uint8_t bytes[BLOCK_SIZE])
{
	for (size_t i = 0; i < WORDS; i++)
		out->words[i] = tn_load64le(bytes + 8 * i);
}

static void store_block(uint8_t bytes[BLOCK_SIZE], const struct block *in)
{
	for (size_t i = 0; i < WORDS; i++)
		tn_store64le(bytes + 8 * i, in->words[i]);
}

/** The first two columns follow from everything that is given. */
static void begin(struct block *memory, const uint8_t *secret, size_t secret_length, const uint8_t *salt, size_t salt_length)
{
	static const uint32_t parameters[] = {LANES, TN_ARGON2I_SIZE, KIBIBYTES, PASSES, VERSION, TYPE_I};
	crypto_generichash_state state;
	uint8_t seed[HASH_SIZE + 8], bytes[BLOCK_SIZE];
	crypto_generichash_init(&state, NULL, 0, HASH_SIZE);
	for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
		hash_u32(&state, parameters[i]);
	hash_string(&state, secret, secret_length);
	hash_string(&state, salt, salt_length);
	hash_u32(&state, 0); /* no key */
	hash_u32(&state, 0); /* no associated data */
	crypto_generichash_final(&state, seed, HASH_SIZE);
	for (uint32_t lane = 0; lane < LANES; lane++) {
		for (uint32_t column = 0; column < 2; column++) {
			tn_store32le(seed + HASH_SIZE, column);
			tn_store32le(seed + HASH_SIZE + 4, lane);
			long_hash(bytes, sizeof bytes, seed, sizeof seed);
			load_block(memory + lane * COLUMNS + column, bytes);
		}
	}
	sodium_memzero(seed, sizeof seed);
	sodium_memzero(bytes, sizeof bytes);
}

bool tn_argon2i(uint8_t out[TN_ARGON2I_SIZE], const uint8_t *secret, size_t secret_length, const uint8_t *salt, size_t salt_length)
{
	struct block *memory = malloc(sizeof *memory * LANES * COLUMNS);
	if (memory == NULL)
		return false;
	begin(memory, secret, secret_length, salt, salt_length);
	for (uint32_t pass = 0; pass < PASSES; pass++)
		for (uint32_t slice = 0; slice < SLICES; slice++)
			for (uint32_t lane = 0; lane < LANES; lane++)
				fill_segment(memory, pass, lane, slice);
	struct block last = memory[COLUMNS - 1];
	for (uint32_t lane = 1; lane < LANES; lane++)
		for (size_t i = 0; i < WORDS; i++)
			last.words[i] ^= memory[lane * COLUMNS + COLUMNS - 1].words[i];
	uint8_t bytes[BLOCK_SIZE];
	store_block(bytes, &last);
	long_hash(out, TN_ARGON2I_SIZE, bytes, sizeof bytes);
	sodium_memzero(&last, sizeof last);
	sodium_memzero(bytes, sizeof bytes);
	sodium_memzero(memory, sizeof *memory * LANES * COLUMNS);
	free(memory);
	return true;
}
