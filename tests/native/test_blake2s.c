/* tn_blake2s.h against the vectors, and RFC 7693's own. */
#include "tn_blake2s.h"
#include "tn_vectors.h"
#include "vectors_wireguard.h"

TN_VECTOR_TEST("wireguard", "[tunnel 1] every blake2s vector: hash, MAC with 32 and with 16 byte keys")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_wireguard, "blake2s");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		uint8_t in[1024], key32[32], key16[16], want[32], got[32];
		TEST_VECTOR(tn_vector_get(&list->items[i], "in")->text);
		const size_t length = tn_vector_hex(tn_vector_get(&list->items[i], "in"), in, sizeof in);
		REQUIRE(length != SIZE_MAX);
		CHECK_EQ(tn_vector_hex(tn_vector_get(&list->items[i], "mac_key32"), key32, 32), 32);
		CHECK_EQ(tn_vector_hex(tn_vector_get(&list->items[i], "mac_key16"), key16, 16), 16);

		tn_hash(got, in, length, NULL, 0);
		CHECK_EQ(tn_vector_hex(tn_vector_get(&list->items[i], "hash"), want, 32), 32);
		CHECK_MEM(got, want, 32);
		tn_mac(got, key32, 32, in, length);
		CHECK_EQ(tn_vector_hex(tn_vector_get(&list->items[i], "mac_with_key32"), want, 32), 16);
		CHECK_MEM(got, want, 16);
		tn_mac(got, key16, 16, in, length);
		CHECK_EQ(tn_vector_hex(tn_vector_get(&list->items[i], "mac_with_key16"), want, 32), 16);
		CHECK_MEM(got, want, 16);
	}
}

TN_VECTOR_TEST("wireguard", "[tunnel 1] every kdf vector: HMAC, KDF1, KDF2, KDF3")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_wireguard, "kdf");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		uint8_t key[32], in[1024], want[32], t[3][32];
		const struct tn_vector *item = &list->items[i];
		TEST_VECTOR(tn_vector_get(item, "in")->text);
		const size_t length = tn_vector_hex(tn_vector_get(item, "in"), in, sizeof in);
		REQUIRE(length != SIZE_MAX);
		CHECK_EQ(tn_vector_hex(tn_vector_get(item, "key"), key, 32), 32);
		tn_hmac(t[0], key, in, length, NULL, 0);
		CHECK_EQ(tn_vector_hex(tn_vector_get(item, "hmac"), want, 32), 32);
		CHECK_MEM(t[0], want, 32);
		static const char *const names[] = {"kdf1", "kdf2", "kdf3"};
		for (unsigned n = 1; n <= 3; n++) {
			if (n == 1)
				tn_kdf1(t[0], key, in, length);
			else if (n == 2)
				tn_kdf2(t[0], t[1], key, in, length);
			else
				tn_kdf3(t[0], t[1], t[2], key, in, length);
			const struct tn_vector *outputs = tn_vector_get(item, names[n - 1]);
			CHECK_EQ(outputs->count, n);
			for (unsigned k = 0; k < n; k++) {
				CHECK_EQ(tn_vector_hex(tn_vector_at(outputs, k), want, 32), 32);
				CHECK_MEM(t[k], want, 32);
			}
		}
		/* The chaining key is replaced by its first output everywhere. */
		uint8_t chain[32], second[32];
		memcpy(chain, key, 32);
		tn_kdf2(chain, second, chain, in, length);
		CHECK_MEM(chain, t[0], 32);
		CHECK_MEM(second, t[1], 32);
	}
}

TN_VECTOR_TEST("wireguard", "[tunnel 1] C0 and H0 are the hashes of their names")
{
	const struct tn_vector *constants = tn_vector_get(&tn_vectors_wireguard, "constants");
	const char *construction = tn_vector_get(constants, "construction")->text, *identifier = tn_vector_get(constants, "identifier")->text;
	uint8_t got[32], want[32];
	REQUIRE_VECTORS(constants);
	TEST_VECTOR("constants");
	CHECK_EQ(strlen(construction), 37);
	CHECK_EQ(strlen(identifier), 34);
	tn_hash(got, construction, strlen(construction), NULL, 0);
	CHECK_EQ(tn_vector_hex(tn_vector_get(constants, "C0"), want, 32), 32);
	CHECK_MEM(got, want, 32);
	tn_hash(got, got, 32, identifier, strlen(identifier));
	CHECK_EQ(tn_vector_hex(tn_vector_get(constants, "H0"), want, 32), 32);
	CHECK_MEM(got, want, 32);
	CHECK(tn_vector_is(tn_vector_get(constants, "label_mac1"), "mac1----"));
	CHECK(tn_vector_is(tn_vector_get(constants, "label_cookie"), "cookie--"));
}

/* RFC 7693 appendix E: a hash over hashes of every digest and input length. */
static void fill(uint8_t *out, size_t length, uint32_t seed)
{
	uint32_t a = 0xdead4bad * seed, b = 1;
	for (size_t i = 0; i < length; i++) {
		const uint32_t t = a + b;
		a = b;
		b = t;
		out[i] = (uint8_t)(t >> 24);
	}
}

TN_TEST("blake2s passes the self test of RFC 7693 appendix E")
{
	static const uint8_t want[32] = {0x6a, 0x41, 0x1f, 0x08, 0xce, 0x25, 0xad, 0xcd, 0xfb, 0x02, 0xab, 0xa6, 0x41, 0x45, 0x1c, 0xec,
	                                 0x53, 0xc5, 0x98, 0xb2, 0x4f, 0x4f, 0xc7, 0x87, 0xfb, 0xdc, 0x88, 0x79, 0x7f, 0x4c, 0x1d, 0xfe};
	static const size_t digests[4] = {16, 20, 28, 32}, inputs[6] = {0, 3, 64, 65, 255, 1024};
	uint8_t in[1024], key[32], digest[32];
	struct tn_blake2s outer, inner;
	tn_blake2s_init(&outer, 32, NULL, 0);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j < 6; j++) {
			fill(in, inputs[j], (uint32_t)inputs[j]);
			tn_blake2s_init(&inner, digests[i], NULL, 0);
			tn_blake2s_update(&inner, in, inputs[j]);
			tn_blake2s_final(&inner, digest);
			tn_blake2s_update(&outer, digest, digests[i]);
			fill(key, digests[i], (uint32_t)digests[i]);
			tn_blake2s_init(&inner, digests[i], key, digests[i]);
			tn_blake2s_update(&inner, in, inputs[j]);
			tn_blake2s_final(&inner, digest);
			tn_blake2s_update(&outer, digest, digests[i]);
		}
	tn_blake2s_final(&outer, digest);
	CHECK_MEM(digest, want, 32);
}

TN_TEST("blake2s gives the same digest however the input is split")
{
	uint8_t in[300], whole[32], parts[32];
	tn_test_random_bytes(in, sizeof in);
	for (unsigned round = 0; round < 200; round++) {
		const size_t length = tn_test_random_below(sizeof in + 1);
		struct tn_blake2s state;
		tn_hash(whole, in, length, NULL, 0);
		tn_blake2s_init(&state, 32, NULL, 0);
		for (size_t at = 0; at < length;) {
			size_t part = 1 + tn_test_random_below(90);
			if (part > length - at)
				part = length - at;
			tn_blake2s_update(&state, in + at, part);
			at += part;
		}
		tn_blake2s_final(&state, parts);
		CHECK_MEM(parts, whole, 32);
	}
}
