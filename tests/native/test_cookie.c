/* tn_cookie.h against the vectors. */
#include "tn_cookie.h"

#include "tn_bytes.h"
#include "tn_script.h"
#include "vectors_wireguard.h"

static const struct tn_vector *vector(const char *name)
{
	return tn_vector_get(tn_vector_get(&tn_vectors_wireguard, "cookie"), name);
}

static void bytes(const char *name, uint8_t *out, size_t length)
{
	CHECK_EQ(tn_vector_hex(vector(name), out, length), length);
}

/* bob of handshake 1 made the cookie, alice got it. */
static struct tn_cookie_keys bob(void)
{
	struct tn_cookie_keys keys;
	uint8_t key[32];
	const struct tn_vector *responder = tn_vector_get(tn_vector_at(tn_vector_get(&tn_vectors_wireguard, "handshakes"), 0), "responder");
	CHECK_EQ(tn_vector_hex(tn_vector_get(responder, "static_public"), key, 32), 32);
	tn_cookie_keys_init(&keys, key);
	bytes("cookie_key", key, 32);
	CHECK_MEM(keys.cookie, key, 32);
	return keys;
}

TN_VECTOR_TEST("wireguard", "[tunnel 17] the cookie vectors: reply, mac2, and their refusals, byte for byte")
{
	REQUIRE_VECTORS(tn_vector_get(&tn_vectors_wireguard, "cookie"));
	TEST_VECTOR("cookie");
	const struct tn_cookie_keys keys = bob();
	uint8_t source[6], secret[32], nonce[24], initiation[148], reply[64], want[148];
	bytes("source_bytes", source, sizeof source);
	bytes("cookie_secret_Rm", secret, sizeof secret);
	bytes("nonce", nonce, sizeof nonce);
	bytes("initiation_1", initiation, sizeof initiation);
	struct tn_cookie_maker maker = {{0}, 0};
	script_push(secret, sizeof secret);

	bytes("initiation_1_mac1", want, 16);
	CHECK_MEM(initiation + 116, want, 16);
	CHECK_EQ(tn_cookie_check_mac1(&keys, initiation, sizeof initiation), tn_vector_true(vector("initiation_1_mac1_ok")));
	CHECK_EQ(tn_cookie_check_mac2(&maker, source, sizeof source, initiation, sizeof initiation, 1000), tn_vector_true(vector("initiation_1_mac2_ok")));
	script_push(nonce, sizeof nonce);
	tn_cookie_reply(&maker, &keys, source, sizeof source, initiation, sizeof initiation, 1000, reply);
	bytes("cookie_reply", want, 64);
	CHECK_MEM(reply, want, 64);

	/* alice takes it for initiation 1 and puts mac2 on initiation 2. */
	struct tn_cookie_jar jar = {{0}, 0, {0}, false};
	uint8_t copy[148];
	memcpy(copy, initiation, sizeof copy);
	tn_cookie_add_macs(&jar, &keys, copy, sizeof copy, 1000);
	CHECK_MEM(copy, initiation, sizeof copy);
	reply[40] ^= 1;
	CHECK_EQ(tn_cookie_take(&jar, &keys, reply, 1000), tn_vector_true(vector("tampered_cookie_reply_accepted")));
	reply[40] ^= 1;
	CHECK_EQ(tn_cookie_take(&jar, &keys, reply, 1000), tn_vector_true(vector("cookie_reply_accepted")));
	bytes("cookie", want, 16);
	CHECK_MEM(jar.cookie, want, 16);
	bytes("initiation_2", initiation, sizeof initiation);
	memcpy(copy, initiation, sizeof copy);
	memset(copy + 116, 0xee, 32);
	tn_cookie_add_macs(&jar, &keys, copy, sizeof copy, 1000);
	CHECK_MEM(copy, initiation, sizeof copy);
	bytes("initiation_2_mac1", want, 16);
	CHECK_MEM(copy + 116, want, 16);
	bytes("initiation_2_mac2", want, 16);
	CHECK_MEM(copy + 132, want, 16);
	CHECK_EQ(tn_cookie_check_mac2(&maker, source, sizeof source, copy, sizeof copy, 1000), tn_vector_true(vector("initiation_2_mac2_ok")));
	source[4]++;
	CHECK_EQ(tn_cookie_check_mac2(&maker, source, sizeof source, copy, sizeof copy, 1000), tn_vector_true(vector("initiation_2_mac2_ok_from_other_port")));
}

TN_TEST("[tunnel 16] a cookie is put on messages for 120 s, then no more; its maker forgets it then too")
{
	const struct tn_cookie_keys keys = bob();
	struct tn_cookie_maker maker = {{0}, 0};
	struct tn_cookie_jar jar = {{0}, 0, {0}, false};
	uint8_t message[148] = {1}, reply[64];
	const uint8_t source[18] = {1, 2, 3};
	CHECK(!tn_cookie_take(&jar, &keys, reply, 5));
	tn_cookie_add_macs(&jar, &keys, message, sizeof message, 5);
	CHECK(tn_is_zero(message + 132, 16));
	tn_cookie_reply(&maker, &keys, source, sizeof source, message, sizeof message, 5, reply);
	CHECK(tn_cookie_take(&jar, &keys, reply, 5));
	tn_cookie_add_macs(&jar, &keys, message, sizeof message, 5 + 119999);
	CHECK(!tn_is_zero(message + 132, 16));
	CHECK(tn_cookie_check_mac2(&maker, source, sizeof source, message, sizeof message, 5 + 119999));
	CHECK(!tn_cookie_check_mac2(&maker, source, sizeof source, message, sizeof message, 5 + 120000));
	tn_cookie_add_macs(&jar, &keys, message, sizeof message, 5 + 120000);
	CHECK(tn_is_zero(message + 132, 16));
	message[1] = 1;
	tn_cookie_add_macs(&jar, &keys, message, sizeof message, 5 + 120000);
	CHECK(!tn_cookie_take(&jar, &keys, reply, 5 + 120000)); /* it answered another message */
}

TN_TEST("[tunnel 8] any changed bit of a message or its mac1 is refused")
{
	const struct tn_cookie_keys keys = bob();
	struct tn_cookie_jar jar = {{0}, 0, {0}, false};
	uint8_t message[92];
	tn_test_random_bytes(message, sizeof message);
	tn_cookie_add_macs(&jar, &keys, message, sizeof message, 0);
	CHECK(tn_cookie_check_mac1(&keys, message, sizeof message));
	for (unsigned bit = 0; bit < 76 * 8; bit++) {
		message[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(!tn_cookie_check_mac1(&keys, message, sizeof message));
		message[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t length = 0; length < sizeof message; length++)
		CHECK(!tn_cookie_check_mac1(&keys, message, length));
}
