/* tn_handshake.h against the vectors: every message byte, every C, H, K of every step, in both roles. */
struct traced {
	unsigned char C[32], H[32], K[32], T[32];
};
static struct traced trace[32];
static unsigned trace_count;
static void trace_step(const unsigned char *C, const unsigned char *H, const unsigned char *K, const unsigned char *T);
#define TN_HANDSHAKE_TRACE trace_step
#include "../../native/tn_handshake.c"

#include "tn_script.h"
#include "vectors_wireguard.h"

static void trace_step(const unsigned char *C, const unsigned char *H, const unsigned char *K, const unsigned char *T)
{
	if (trace_count >= 32)
		return;
	struct traced *step = &trace[trace_count++];
	memcpy(step->C, C, 32);
	memcpy(step->H, H, 32);
	memset(step->K, 0, 32);
	memset(step->T, 0, 32);
	if (K)
		memcpy(step->K, K, 32);
	if (T)
		memcpy(step->T, T, 32);
}

struct side {
	struct tn_identity identity;
	uint8_t ephemeral[32];
	uint32_t index;
};

static void hex32(const struct tn_vector *vector, uint8_t out[32])
{
	CHECK_EQ(tn_vector_hex(vector, out, 32), 32);
}

static void check_hex(const struct tn_vector *vector, const void *got, size_t length)
{
	uint8_t want[512];
	CHECK_EQ(tn_vector_hex(vector, want, sizeof want), length);
	CHECK_MEM(got, want, length);
}

static struct side load_side(const struct tn_vector *vector)
{
	struct side side;
	uint8_t key[32];
	hex32(tn_vector_get(vector, "static_private"), key);
	tn_identity_init(&side.identity, key);
	check_hex(tn_vector_get(vector, "static_public"), side.identity.public_key, 32);
	check_hex(tn_vector_get(vector, "mac1_key_of_this_node"), side.identity.cookie.mac1, 32);
	if (tn_vector_get(vector, "cookie_key_of_this_node")->type != TN_VECTOR_NULL)
		check_hex(tn_vector_get(vector, "cookie_key_of_this_node"), side.identity.cookie.cookie, 32);
	hex32(tn_vector_get(vector, "ephemeral_private"), side.ephemeral);
	side.index = (uint32_t)tn_vector_number(tn_vector_get(vector, "index"));
	return side;
}

static void check_steps(const struct tn_vector *steps, unsigned count)
{
	CHECK_EQ(count, steps->count);
	for (unsigned i = 0; i < steps->count && i < count; i++) {
		static const struct {
			const char *name;
			size_t offset;
		} members[] = {
		    {"C", offsetof(struct traced, C)}, {"H", offsetof(struct traced, H)}, {"K", offsetof(struct traced, K)}, {"T", offsetof(struct traced, T)}};
		for (unsigned m = 0; m < 4; m++) {
			const struct tn_vector *want = tn_vector_get(&steps->items[i], members[m].name);
			if (want->type != TN_VECTOR_NULL)
				check_hex(want, (const uint8_t *)&trace[i] + members[m].offset, 32);
		}
	}
}

TN_VECTOR_TEST("wireguard", "[tunnel 2] the three handshakes reproduce as initiator and as responder, every C, H, K of each step")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_wireguard, "handshakes");
	REQUIRE_VECTORS(list);
	CHECK_COMMITTED(list->count == 3);
	for (size_t i = 0; i < list->count; i++) {
		const struct tn_vector *h = &list->items[i];
		TEST_VECTOR(tn_vector_get(h, "name")->text);
		const struct side initiator = load_side(tn_vector_get(h, "initiator")), responder = load_side(tn_vector_get(h, "responder"));
		uint8_t psk[32], timestamp[12], static_static[32], message[148], response[92], mac[16];
		hex32(tn_vector_get(h, "psk"), psk);
		hex32(tn_vector_get(h, "static_static"), static_static);
		CHECK_EQ(tn_vector_hex(tn_vector_get(h, "timestamp"), timestamp, 12), 12);

		struct tn_remote to_responder, to_initiator;
		tn_remote_init(&to_responder, responder.identity.public_key);
		tn_remote_init(&to_initiator, initiator.identity.public_key);
		struct tn_handshake mine, theirs;
		memset(&mine, 0, sizeof mine);
		memset(&theirs, 0, sizeof theirs);
		struct tn_cookie_jar jar = {{0}, 0, {0}, false};

		/* Initiation, written and read. */
		trace_count = 0;
		script_push(initiator.ephemeral, 32);
		CHECK(tn_handshake_create_initiation(&mine, &initiator.identity, &to_responder, initiator.index, timestamp, message));
		tn_cookie_add_macs(&jar, &to_responder.cookie, message, sizeof message, 0);
		check_steps(tn_vector_get(h, "initiation_steps"), trace_count);
		check_hex(tn_vector_get(h, "initiation"), message, 148);
		CHECK_MEM(to_responder.static_static, static_static, 32);

		struct tn_initiation initiation;
		trace_count = 0;
		CHECK(tn_cookie_check_mac1(&responder.identity.cookie, message, sizeof message));
		CHECK(tn_handshake_read_static(&initiation, &responder.identity, message));
		CHECK_MEM(initiation.static_key, initiator.identity.public_key, 32);
		CHECK(tn_handshake_read_timestamp(&initiation, &responder.identity, &to_initiator, message));
		CHECK_MEM(initiation.timestamp, timestamp, 12);
		check_steps(tn_vector_get(h, "initiation_steps"), trace_count);
		CHECK_MEM(to_initiator.static_static, static_static, 32);

		/* Response, written and read. */
		struct tn_session_keys sender, receiver;
		uint32_t remote_index;
		tn_handshake_accept(&theirs, &initiation);
		trace_count = 0;
		script_push(responder.ephemeral, 32);
		CHECK(tn_handshake_create_response(&theirs, &to_initiator, psk, responder.index, response, &receiver));
		jar.sent = false;
		tn_cookie_add_macs(&jar, &to_initiator.cookie, response, sizeof response, 0);
		check_steps(tn_vector_get(h, "response_steps"), trace_count);
		check_hex(tn_vector_get(h, "response"), response, 92);

		trace_count = 0;
		CHECK(tn_handshake_consume_response(&mine, &initiator.identity, psk, response, &remote_index, &sender));
		check_steps(tn_vector_get(h, "response_steps"), trace_count);
		CHECK_EQ(remote_index, responder.index);
		check_hex(tn_vector_get(h, "initiator_send_key"), sender.send, 32);
		check_hex(tn_vector_get(h, "initiator_receive_key"), sender.receive, 32);
		CHECK_MEM(receiver.send, sender.receive, 32);
		CHECK_MEM(receiver.receive, sender.send, 32);
		CHECK(tn_is_zero(&mine, sizeof mine));
		CHECK(tn_is_zero(&theirs, sizeof theirs));

		/* Transport packets, by the AEAD alone; through a device in test_wireguard.c. */
		const struct tn_vector *transport = tn_vector_get(h, "transport");
		CHECK(transport->count > 0);
		for (size_t k = 0; k < transport->count; k++) {
			static uint8_t packet[4096], inner[4096], opened[4096];
			const struct tn_vector *t = &transport->items[k];
			TEST_VECTOR(tn_vector_get(t, "packet")->text);
			const size_t length = tn_vector_hex(tn_vector_get(t, "packet"), packet, sizeof packet);
			const size_t inner_length = tn_vector_hex(tn_vector_get(t, "inner"), inner, sizeof inner);
			const size_t pad = (size_t)tn_vector_number(tn_vector_get(t, "pad"));
			REQUIRE(length != SIZE_MAX && inner_length != SIZE_MAX && length == 32 + inner_length + pad);
			const uint8_t *key = tn_vector_is(tn_vector_get(t, "dir"), "i2r") ? sender.send : sender.receive;
			CHECK_EQ(tn_load64le(packet + 8), tn_vector_number(tn_vector_get(t, "counter")));
			CHECK(tn_aead_open(opened, key, tn_load64le(packet + 8), packet + 16, length - 16, NULL, 0));
			CHECK_MEM(opened, inner, inner_length);
			CHECK(tn_is_zero(opened + inner_length, pad));
			tn_aead_seal(opened, key, tn_load64le(packet + 8), opened, inner_length + pad, NULL, 0);
			CHECK_MEM(opened, packet + 16, length - 16);
		}
		(void)mac;
	}
}

/* A fresh pair with an initiation of ours in flight. */
static struct tn_identity us, them;
static struct tn_remote to_us, to_them;
static struct tn_handshake ours;

static void pair_up(uint8_t message[148])
{
	uint8_t key[32], timestamp[12];
	tn_test_random_bytes(key, 32);
	tn_identity_init(&us, key);
	tn_test_random_bytes(key, 32);
	tn_identity_init(&them, key);
	tn_remote_init(&to_us, us.public_key);
	tn_remote_init(&to_them, them.public_key);
	tn_tai64n(timestamp, 1764000000u, 0);
	memset(&ours, 0, sizeof ours);
	CHECK(tn_handshake_create_initiation(&ours, &us, &to_them, 0x11223344, timestamp, message));
}

TN_TEST("a forged response changes nothing of the handshake in flight")
{
	uint8_t message[148], response[92];
	struct tn_initiation initiation;
	struct tn_handshake theirs = {0};
	struct tn_session_keys keys, other;
	uint32_t index;
	pair_up(message);
	CHECK(tn_handshake_read_static(&initiation, &them, message) && tn_handshake_read_timestamp(&initiation, &them, &to_us, message));
	tn_handshake_accept(&theirs, &initiation);
	CHECK(tn_handshake_create_response(&theirs, &to_us, tn_no_psk, 7, response, &keys));
	const struct tn_handshake before = ours;
	for (unsigned at = 8; at < 60; at++) {
		uint8_t forged[92];
		memcpy(forged, response, 92);
		forged[at] ^= 0x40;
		CHECK(!tn_handshake_consume_response(&ours, &us, tn_no_psk, forged, &index, &other));
		CHECK_MEM(&ours, &before, sizeof ours);
	}
	CHECK(tn_handshake_consume_response(&ours, &us, tn_no_psk, response, &index, &other));
	CHECK_EQ(index, 7);
	CHECK_MEM(other.send, keys.receive, 32);
	CHECK(!tn_handshake_consume_response(&ours, &us, tn_no_psk, response, &index, &other));
}

TN_TEST("an initiation with any bit of ephemeral, static or timestamp changed does not open")
{
	uint8_t message[148];
	struct tn_initiation initiation;
	pair_up(message);
	for (unsigned bit = 8 * 8; bit < 116 * 8; bit++) {
		if (bit == 39 * 8 + 7)
			continue; /* the top bit of an X25519 public key is ignored by the function, but not by the hash: below */
		message[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(!(tn_handshake_read_static(&initiation, &them, message) && tn_handshake_read_timestamp(&initiation, &them, &to_us, message)));
		message[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	message[39] ^= 0x80;
	CHECK(!tn_handshake_read_static(&initiation, &them, message));
	message[39] ^= 0x80;
	CHECK(tn_handshake_read_static(&initiation, &them, message) && tn_handshake_read_timestamp(&initiation, &them, &to_us, message));
}

TN_TEST("[tunnel 10] a peer whose static key is of low order can never handshake")
{
	static const uint8_t points[][32] = {{0},
	                                     {1},
	                                     {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
	                                      0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	                                     {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}};
	uint8_t key[32], message[148], timestamp[12] = {0};
	tn_test_random_bytes(key, 32);
	tn_identity_init(&us, key);
	for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
		struct tn_handshake handshake = {0};
		uint8_t shared[32] = {9};
		tn_remote_init(&to_them, points[i]);
		CHECK(!tn_handshake_create_initiation(&handshake, &us, &to_them, 1, timestamp, message));
		CHECK_EQ(handshake.state, TN_HANDSHAKE_ZEROED);
		CHECK(!tn_x25519(shared, key, points[i]));
		CHECK(tn_is_zero(shared, 32));
	}
}
