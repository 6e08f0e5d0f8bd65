/*
 * Branches and indices that depend on a secret, as valgrind sees them: it is told that secrets are memory without a value (VALGRIND_MAKE_MEM_UNDEFINED), follows
 * them through every computation, and names each jump and each address that depends on one. What everybody may know gets a value again: what goes over the wire,
 * public keys, and whether something was authentic (TN_NO_SECRET of native/tn_crypto.c).
 *
 * Run by `node tests/native/build.js secrets`, under valgrind with secrets.supp, as three settings of compilers make it. What is proved is proved of this machine's
 * code, not of a device's. libsodium's code is looked at as it is chosen without sodium_init, portable as on a device, and afterwards by this processor.
 */
#include <sodium.h>
#include <valgrind/memcheck.h>

#define TN_NO_SECRET(bytes, length) VALGRIND_MAKE_MEM_DEFINED(bytes, length)
#include "tn_crypto.c"

#define TN_TEST_OWN_RANDOM
#include "tn_handshake.h"
#include "tn_test.h"
#include "tn_wireguard.h"
#include "tn_wireguard_internal.h"

#define SECRET(memory) VALGRIND_MAKE_MEM_UNDEFINED(&(memory), sizeof(memory))
#define PUBLIC(memory) VALGRIND_MAKE_MEM_DEFINED(&(memory), sizeof(memory))

void tn_port_random(void *out, size_t n);
/** Keys are secrets; nonces, indices and ports are told. */
void tn_port_random(void *out, size_t n)
{
	tn_test_random_bytes(out, n);
	if (n == TN_KEY_SIZE)
		(void)VALGRIND_MAKE_MEM_UNDEFINED(out, n);
}

static void random_secret(uint8_t *out, size_t length)
{
	tn_test_random_bytes(out, length);
	(void)VALGRIND_MAKE_MEM_UNDEFINED(out, length);
}

/** Everything of an identity but the private key is public, or made of what is. */
static void publish(struct tn_identity *identity)
{
	PUBLIC(identity->public_key);
	PUBLIC(identity->hash);
	PUBLIC(identity->cookie);
}

static void make_identity(struct tn_identity *identity)
{
	uint8_t private_key[32];
	random_secret(private_key, sizeof private_key);
	tn_identity_init(identity, private_key);
	publish(identity);
}

static void check_handshake(void)
{
	static const uint8_t timestamp[TN_TIMESTAMP_SIZE] = {0x40, 1};
	struct tn_identity a, b;
	struct tn_remote to_a, to_b;
	struct tn_handshake mine = {0}, theirs = {0};
	struct tn_initiation read;
	struct tn_session_keys of_a, of_b;
	struct tn_cookie_jar jar = {0};
	uint8_t initiation[TN_INITIATION_SIZE], response[TN_RESPONSE_SIZE], psk[32], forged[TN_INITIATION_SIZE];
	uint32_t index;
	make_identity(&a);
	make_identity(&b);
	random_secret(psk, sizeof psk);
	tn_remote_init(&to_a, a.public_key);
	tn_remote_init(&to_b, b.public_key);
	CHECK(tn_handshake_create_initiation(&mine, &a, &to_b, 5, timestamp, initiation));
	tn_cookie_add_macs(&jar, &to_b.cookie, initiation, sizeof initiation, 0);
	PUBLIC(initiation);
	CHECK(tn_cookie_check_mac1(&b.cookie, initiation, sizeof initiation));
	for (size_t at = 8; at < 116; at += 27) {
		memcpy(forged, initiation, sizeof forged);
		forged[at] ^= 1;
		CHECK(!tn_handshake_read_static(&read, &b, forged) || !tn_handshake_read_timestamp(&read, &b, &to_a, forged));
	}
	CHECK(tn_handshake_read_static(&read, &b, initiation));
	CHECK(tn_handshake_read_timestamp(&read, &b, &to_a, initiation));
	CHECK(memcmp(read.static_key, a.public_key, 32) == 0);
	tn_handshake_accept(&theirs, &read);
	CHECK(tn_handshake_create_response(&theirs, &to_a, psk, 6, response, &of_b));
	PUBLIC(response);
	memcpy(forged, response, sizeof response);
	forged[50] ^= 1;
	CHECK(!tn_handshake_consume_response(&mine, &a, psk, forged, &index, &of_a));
	CHECK(tn_handshake_consume_response(&mine, &a, psk, response, &index, &of_a));
	CHECK(tn_equal(of_a.send, of_b.receive, 32) && tn_equal(of_a.receive, of_b.send, 32));
}

static void check_box(void)
{
	static uint8_t plaintext[1300], sealed[sizeof plaintext + 16], opened[sizeof plaintext];
	static const size_t lengths[] = {0, 1, 15, 16, 63, 64, 65, 255, 256, 257, 512, 1300};
	uint8_t key[32], shared[32], private_key[32], public_key[32];
	static const uint8_t nonce[TN_XNONCE_SIZE] = {1, 2, 3};
	random_secret(key, sizeof key);
	random_secret(private_key, sizeof private_key);
	tn_x25519_public(public_key, private_key);
	PUBLIC(public_key);
	/* As the hosts seal DISCO. */
	CHECK(tn_verdict(crypto_box_beforenm(shared, public_key, private_key) == 0));
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		const size_t length = lengths[i];
		random_secret(plaintext, length);
		for (unsigned is_forged = 0; is_forged < 2; is_forged++) {
			tn_aead_seal(sealed, key, 7, plaintext, length, nonce, 24);
			PUBLIC(sealed);
			sealed[length] ^= (uint8_t)is_forged;
			CHECK_EQ(tn_aead_open(opened, key, 7, sealed, length + 16, nonce, 24), !is_forged);
			tn_xaead_seal(sealed, key, nonce, plaintext, length, NULL, 0);
			PUBLIC(sealed);
			sealed[length] ^= (uint8_t)is_forged;
			CHECK_EQ(tn_xaead_open(opened, key, nonce, sealed, length + 16, NULL, 0), !is_forged);
			CHECK(tn_verdict(crypto_box_easy_afternm(sealed, plaintext, length, nonce, shared) == 0));
			PUBLIC(sealed);
			sealed[0] ^= (uint8_t)is_forged;
			CHECK_EQ(tn_verdict(crypto_box_open_easy_afternm(opened, sealed, length + 16, nonce, shared) == 0), !is_forged);
		}
	}
}

static void check_comparisons(void)
{
	for (size_t length = 1; length <= 64; length++) {
		uint8_t a[64] = {0}, b[64] = {0};
		for (size_t at = 0; at <= length; at++) {
			memset(b, 0, sizeof b);
			if (at < length)
				b[at] = 0x80;
			SECRET(a);
			SECRET(b);
			CHECK_EQ(tn_equal(a, b, length), at == length);
			CHECK_EQ(tn_is_zero(b, length), at == length);
		}
	}
}

static void check_cookies(void)
{
	static const uint8_t source[18] = {1, 2, 3};
	struct tn_identity b;
	struct tn_remote to_b;
	struct tn_cookie_maker maker = {0};
	struct tn_cookie_jar jar = {0};
	uint8_t message[TN_INITIATION_SIZE] = {1}, reply[TN_COOKIE_REPLY_SIZE];
	make_identity(&b);
	tn_remote_init(&to_b, b.public_key);
	tn_cookie_add_macs(&jar, &to_b.cookie, message, sizeof message, 1000);
	CHECK(!tn_cookie_check_mac2(&maker, source, sizeof source, message, sizeof message, 1000));
	tn_cookie_reply(&maker, &b.cookie, source, sizeof source, message, sizeof message, 1000, reply);
	PUBLIC(reply);
	CHECK(tn_cookie_take(&jar, &to_b.cookie, reply, 1000));
	SECRET(jar.cookie); /* it opened, but only its two sides know it */
	tn_cookie_add_macs(&jar, &to_b.cookie, message, sizeof message, 1001);
	PUBLIC(message);
	CHECK(tn_cookie_check_mac2(&maker, source, sizeof source, message, sizeof message, 1001));
	message[TN_INITIATION_SIZE - 1] ^= 1;
	CHECK(!tn_cookie_check_mac2(&maker, source, sizeof source, message, sizeof message, 1001));
}

/** A device whose peer in slot 0 is the other. */
struct device {
	struct tn_wg wg;
	struct tn_wg_peer peers[2];
	struct tn_wg_index indices[TN_WG_INDICES(2)];
};

static void send_nothing(void *context, unsigned slot, const uint8_t *datagram, size_t length)
{
	(void)context, (void)slot, (void)datagram, (void)length;
}

static bool has_nothing(void *context, unsigned slot)
{
	(void)context, (void)slot;
	return false;
}

static void do_nothing(void *context, unsigned slot)
{
	(void)context, (void)slot;
}

static void begin_device(struct device *device)
{
	const struct tn_wg_host host = {device, has_nothing, send_nothing, do_nothing, do_nothing};
	uint8_t private_key[32];
	random_secret(private_key, sizeof private_key);
	tn_wg_init(&device->wg, device->peers, 2, device->indices, &host);
	tn_clock_init(&device->wg.clock, 1700000000000u, 1900000000, 1000);
	tn_wg_set_key(&device->wg, private_key, 1000);
	publish(&device->wg.identity);
	tn_wg_set_key(&device->wg, private_key, 1000);
}

/** A packet of a session through both devices, and one that is forged. */
static void check_transport(struct device *from, struct device *to)
{
	uint8_t buffer[TN_WG_HEADER + 64 + 48] = {0};
	struct tn_wg_in in = {.kind = TN_WG_NOTHING};
	static const uint8_t source[18] = {9};
	for (unsigned is_forged = 0; is_forged < 2; is_forged++) {
		buffer[TN_WG_HEADER] = 0x45;
		buffer[TN_WG_HEADER + 3] = 60;
		random_secret(buffer + TN_WG_HEADER + 20, 40);
		const size_t total = tn_wg_seal(&from->wg, 0, buffer + TN_WG_HEADER, 60, 1000);
		REQUIRE(total > 0);
		PUBLIC(buffer);
		buffer[total - 1] ^= (uint8_t)is_forged;
		in.kind = TN_WG_NOTHING;
		tn_wg_receive(&to->wg, buffer, total, source, sizeof source, 1000, &in);
		CHECK_EQ(in.kind, is_forged ? TN_WG_NOTHING : TN_WG_DATA);
	}
}

/** Two devices go on with the sessions of two that were suspended. */
static void check_saved(void)
{
	static struct device devices[2];
	uint8_t saved[2][TN_WG_SAVED_SIZE] = {{0}}, keys[2][32];
	random_secret(keys[0], 32);
	random_secret(keys[1], 32);
	for (unsigned i = 0; i < 2; i++)
		begin_device(&devices[i]);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(tn_wg_peer_add(&devices[i].wg, 0, devices[1 - i].wg.identity.public_key, 1000));
		memcpy(saved[i], keys[i], 32);
		memcpy(saved[i] + 32, keys[1 - i], 32);
		tn_store32le(saved[i] + 64, 100 + i);
		tn_store32le(saved[i] + 68, 101 - i);
		saved[i][92] = (uint8_t)(i == 0);
		CHECK(tn_wg_adopt(&devices[i].wg, 0, saved[i], 1000));
	}
	check_transport(&devices[0], &devices[1]);
	check_transport(&devices[1], &devices[0]);
	tn_wg_suspend(&devices[0].wg);
	CHECK(tn_wg_save(&devices[0].wg, 0, 2000, saved[0]));
	/* Where it lies nobody may read it: the app's store gets it sealed. */
	uint8_t sealed[TN_WG_SAVED_SIZE + 16], opened[TN_WG_SAVED_SIZE], key[32];
	static const uint8_t nonce[TN_XNONCE_SIZE] = {3};
	random_secret(key, sizeof key);
	tn_xaead_seal(sealed, key, nonce, saved[0], sizeof saved[0], NULL, 0);
	PUBLIC(sealed);
	CHECK(tn_xaead_open(opened, key, nonce, sealed, sizeof sealed, NULL, 0));
}

static unsigned reported_of(void (*work)(void))
{
	const unsigned before = (unsigned)VALGRIND_COUNT_ERRORS;
	work();
	return (unsigned)VALGRIND_COUNT_ERRORS - before;
}

/** A comparison that ends where the bytes differ. */
__attribute__((noinline)) static bool leaking_equal(const volatile uint8_t *a, const volatile uint8_t *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (a[i] != b[i])
			return false;
	}
	return true;
}

static void leak_by_branch(void)
{
	uint8_t a[16] = {0}, b[16] = {0};
	SECRET(a);
	bool is_equal = leaking_equal(a, b, sizeof a);
	PUBLIC(is_equal);
}

static void leak_by_index(void)
{
	static volatile uint8_t table[256];
	uint8_t secret = 7, value;
	SECRET(secret);
	value = table[secret];
	PUBLIC(value);
}

TN_TEST("a comparison that ends at the first difference, and a table at a secret place, are reported: two reports, which are wanted")
{
	REQUIRE(RUNNING_ON_VALGRIND > 0);
	CHECK(reported_of(leak_by_branch) > 0);
	CHECK(reported_of(leak_by_index) > 0);
}

#define SUBJECT(name, work)                                                                                                                                    \
	TN_TEST(name)                                                                                                                                              \
	{                                                                                                                                                          \
		CHECK_EQ(reported_of(work), 0);                                                                                                                        \
	}
#define SUBJECTS(how)                                                                                                                                          \
	SUBJECT("no secret decides in a handshake, on either side, forged or not, " how, check_handshake)                                                          \
	SUBJECT("no secret decides in what seals and opens packets, boxes and records, " how, check_box)                                                           \
	SUBJECT("no secret decides in a comparison, wherever the bytes differ, " how, check_comparisons)                                                           \
	SUBJECT("no secret decides in the macs and cookies of handshakes, " how, check_cookies)                                                                    \
	SUBJECT("no secret decides in a session that goes on after a sleep, " how, check_saved)

SUBJECTS("with libsodium's portable code")

TN_TEST("libsodium chooses what this processor does best")
{
	CHECK(sodium_init() >= 0);
}

SUBJECTS("with what libsodium has for this processor")
