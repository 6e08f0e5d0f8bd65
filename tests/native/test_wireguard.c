/* tn_wireguard.h: handshake messages, what is refused and what that leaves alone. */
#include "tn_pair.h"
#include "vectors_wireguard.h"

static const struct tn_vector *handshake_vector(size_t i)
{
	return tn_vector_at(tn_vector_get(&tn_vectors_wireguard, "handshakes"), i);
}

static struct device *vector_device(const struct tn_vector *side)
{
	uint8_t key[32];
	CHECK_EQ(tn_vector_hex(tn_vector_get(side, "static_private"), key, 32), 32);
	return device_with_key(key);
}

/* The order in which a device draws: index, then ephemeral. */
static void script_side(const struct tn_vector *side)
{
	uint8_t ephemeral[32];
	const uint32_t index = (uint32_t)tn_vector_number(tn_vector_get(side, "index"));
	CHECK_EQ(tn_vector_hex(tn_vector_get(side, "ephemeral_private"), ephemeral, 32), 32);
	script_push(&index, sizeof index);
	script_push(ephemeral, sizeof ephemeral);
}

/* Sets the clock so that its next value is this one. */
static void script_timestamp(struct device *device, const struct tn_vector *timestamp)
{
	uint8_t bytes[12];
	CHECK_EQ(tn_vector_hex(timestamp, bytes, 12), 12);
	const uint64_t seconds = tn_load64be(bytes) - 0x400000000000000au;
	tn_clock_init(&device->wg.clock, seconds * 1000 + (tn_load32be(bytes + 8) + 999999) / 1000000, seconds + 10, now);
}

/* The last timestamp whose last three bytes are whitened before that one, or the first after it. */
static void one_granule_off(uint8_t out[12], const struct tn_vector *timestamp, bool later)
{
	const uint32_t granule = 0x01000000;
	CHECK_EQ(tn_vector_hex(timestamp, out, 12), 12);
	const uint64_t seconds = tn_load64be(out) - 0x400000000000000au;
	const uint32_t nanoseconds = tn_load32be(out + 8);
	if (later)
		tn_tai64n(out, nanoseconds + granule < 1000000000u ? seconds : seconds + 1, nanoseconds + granule < 1000000000u ? nanoseconds + granule : 0);
	else
		tn_tai64n(out, nanoseconds >= granule ? seconds : seconds - 1, nanoseconds >= granule ? nanoseconds - granule : 0x3b000000);
}

static void check_hex(const struct tn_vector *vector, const void *got, size_t length)
{
	static uint8_t want[4096];
	CHECK_EQ(tn_vector_hex(vector, want, sizeof want), length);
	CHECK_MEM(got, want, length);
}

TN_VECTOR_TEST("wireguard", "[tunnel 3] every transport packet of the vectors is produced and opened by two devices, counters from 0")
{
	const struct tn_vector *handshakes = tn_vector_get(&tn_vectors_wireguard, "handshakes");
	REQUIRE_VECTORS(handshakes);
	CHECK_COMMITTED(handshakes->count == 3);
	for (size_t i = 0; i < handshakes->count; i++) {
		const struct tn_vector *h = handshake_vector(i);
		uint8_t psk[32];
		TEST_VECTOR(tn_vector_get(h, "name")->text);
		CHECK_EQ(tn_vector_hex(tn_vector_get(h, "psk"), psk, 32), 32);
		if (!tn_is_zero(psk, 32)) /* a device never has one */
			continue;
		world_reset(1000);
		struct device *a = vector_device(tn_vector_get(h, "initiator")), *b = vector_device(tn_vector_get(h, "responder"));
		pair(a, 0, b, 0);
		script_timestamp(a, tn_vector_get(h, "timestamp"));
		script_side(tn_vector_get(h, "initiator"));
		CHECK(tn_wg_initiate(&a->wg, 0, now));
		check_hex(tn_vector_get(h, "initiation"), last_sent(a, 1)->head, 148);
		script_side(tn_vector_get(h, "responder"));
		pump_one();
		check_hex(tn_vector_get(h, "response"), last_sent(b, 2)->head, 92);
		/* The first transport packet of the vectors is the key confirmation, which leaves by itself. */
		const struct tn_vector *transport = tn_vector_get(h, "transport");
		pump_one();
		check_hex(tn_vector_get(tn_vector_at(transport, 0), "packet"), last_sent(a, 4)->head, 32);
		pump();
		CHECK_EQ(b->keepalives[0], 1);
		CHECK(transport->count > 1);
		for (size_t k = 1; k < transport->count; k++) {
			const struct tn_vector *t = &transport->items[k];
			TEST_VECTOR(tn_vector_get(t, "packet")->text);
			const bool forth = tn_vector_is(tn_vector_get(t, "dir"), "i2r");
			struct device *from = forth ? a : b, *to = forth ? b : a;
			static uint8_t datagram[4096 + TN_WG_OVERHEAD], inner[4096];
			const size_t length = tn_vector_hex(tn_vector_get(t, "inner"), inner, sizeof inner);
			REQUIRE(length != SIZE_MAX);
			memcpy(datagram + TN_WG_HEADER, inner, length);
			from->peers[0].keypairs[from->peers[0].current].counter = tn_vector_number(tn_vector_get(t, "counter"));
			const size_t sealed = tn_wg_seal(&from->wg, 0, datagram + TN_WG_HEADER, length, now);
			check_hex(tn_vector_get(t, "packet"), datagram, sealed);
			tn_wg_receive(&to->wg, datagram, sealed, from->source, 18, now, &to->in);
			CHECK(to->in.events & TN_WG_AUTHENTICATED);
			CHECK_MEM(datagram + TN_WG_HEADER, inner, length);
			if (to->in.kind == TN_WG_DATA)
				CHECK(to->in.offset == TN_WG_HEADER && to->in.length <= length);
			/* Again: it is a replay. */
			const size_t again = tn_vector_hex(tn_vector_get(t, "packet"), datagram, sizeof datagram);
			tn_wg_receive(&to->wg, datagram, again, from->source, 18, now, &to->in);
			ignored(to);
		}
	}
}

TN_VECTOR_TEST("wireguard", "every initiation case of the vectors is accepted or dropped for the stated reason")
{
	const struct tn_vector *h = handshake_vector(0), *cases = tn_vector_get(&tn_vectors_wireguard, "initiation_cases");
	REQUIRE_VECTORS(cases);
	uint8_t valid[148];
	CHECK_EQ(tn_vector_hex(tn_vector_get(h, "initiation"), valid, 148), 148);
	for (size_t i = 0; i < cases->count; i++) {
		const char *name = tn_vector_get(&cases->items[i], "name")->text, *want = tn_vector_get(&cases->items[i], "result")->text;
		uint8_t packet[512];
		TEST_VECTOR(name);
		const size_t length = tn_vector_hex(tn_vector_get(&cases->items[i], "packet"), packet, sizeof packet);
		REQUIRE(length != SIZE_MAX);
		world_reset(1000);
		struct device *bob = vector_device(tn_vector_get(h, "responder"));
		uint8_t alice[32];
		CHECK_EQ(tn_vector_hex(tn_vector_get(tn_vector_get(h, "initiator"), "static_public"), alice, 32), 32);
		const bool stranger = strstr(name, "unknown static") || strstr(name, "not running");
		CHECK(stranger || tn_wg_peer_add(&bob->wg, 0, alice, now));
		if (strstr(name, "same timestamp") || strstr(name, "20 ms")) {
			deliver(bob, valid, sizeof valid);
			CHECK_EQ(bob->in.reply_length, 92);
			now += strstr(name, "20 ms") ? 15 : 1000;
		}
		/* The packet is the same; what was accepted before differs. */
		if (strstr(name, "older than") || strstr(name, "newer by one")) {
			one_granule_off(bob->peers[0].timestamp, tn_vector_get(h, "timestamp"), strstr(name, "older than") != NULL);
			bob->peers[0].has_timestamp = true;
		}
		if (!stranger)
			CHECK(tn_remote_prepare(&bob->peers[0].remote, &bob->wg.identity)); /* else the first initiation fills it in */
		struct snapshot before;
		snapshot(bob, &before);
		const struct tn_wg_counters counters = bob->wg.counters;
		memset(&bob->in, 0, sizeof bob->in);
		deliver(bob, packet, length);
		const struct tn_wg_counters *after = &bob->wg.counters;
		if (strcmp(want, "accept") == 0) {
			CHECK(bob->in.reply_to == TN_WG_REPLY_PATH || !printf("# %s\n", name));
			CHECK_EQ(bob->in.reply_length, 92);
			continue;
		}
		CHECK_EQ(bob->in.reply_to, TN_WG_REPLY_NONE);
		CHECK_EQ(bob->in.kind == TN_WG_UNKNOWN_STATIC, stranger);
		CHECK(unchanged(bob, &before) || !printf("# %s\n", name));
		if (strcmp(want, "drop:mac1") == 0)
			CHECK_EQ(after->bad_mac1, counters.bad_mac1 + 1);
		else if (strcmp(want, "drop:noise") == 0)
			CHECK_EQ(after->bad_handshake + after->unknown_static, counters.bad_handshake + counters.unknown_static + 1);
		else if (packet[0] == 2) /* a response; it fails by its own mac1 or index */
			CHECK_EQ(after->bad_handshake + after->bad_mac1, counters.bad_handshake + counters.bad_mac1 + 1);
		else
			CHECK_EQ(after->malformed, counters.malformed + 1);
	}
}

TN_TEST("[tunnel 5] types 1, 2, 3 of another length are dropped, and an initiation truncated anywhere")
{
	struct device *a, *b;
	uint8_t message[256] = {0};
	struct snapshot before;
	initiation(&a, &b, message);
	snapshot(b, &before);
	for (size_t length = 0; length < 256; length++) {
		if (length == 148)
			continue;
		deliver(b, message, length);
		ignored(b);
		unchanged(b, &before);
	}
	CHECK_EQ(b->wg.counters.x25519, 0);
	deliver(b, message, 148);
	CHECK_EQ(b->in.reply_length, 92);
	uint8_t response[93] = {0}, cookie[65] = {3};
	memcpy(response, b->in.reply, 92);
	flight_head = flight_tail;
	snapshot(a, &before);
	deliver(a, response, 91);
	ignored(a);
	deliver(a, response, 93);
	ignored(a);
	tn_store32le(cookie + 4, a->peers[0].handshake.local_index);
	deliver(a, cookie, 63);
	ignored(a);
	deliver(a, cookie, 65);
	ignored(a);
	unchanged(a, &before);
	CHECK_EQ(a->wg.counters.x25519, 0);
	deliver(a, response, 92);
	CHECK(a->in.events & TN_WG_SESSION);
}

TN_TEST("[tunnel 7] a non-zero reserved byte drops the message")
{
	struct device *a, *b;
	uint8_t message[148];
	struct snapshot before;
	initiation(&a, &b, message);
	snapshot(b, &before);
	for (unsigned at = 1; at < 4; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t changed[148];
			memcpy(changed, message, 148);
			changed[at] ^= (uint8_t)(1u << bit);
			struct tn_cookie_jar jar = {0};
			tn_cookie_add_macs(&jar, &a->peers[0].remote.cookie, changed, 148, now); /* macs that fit */
			deliver(b, changed, 148);
			ignored(b);
		}
	unchanged(b, &before);
	CHECK_EQ(b->wg.counters.malformed, 24);
	session(&a, &b);
	uint8_t datagram[DATAGRAM];
	const size_t length = device_seal(a, 0, 40, datagram);
	datagram[2] = 1;
	deliver(b, datagram, length);
	ignored(b);
}

TN_TEST("[tunnel 8] a wrong mac1 is dropped before any X25519 runs")
{
	struct device *a, *b;
	uint8_t message[148];
	struct snapshot before;
	initiation(&a, &b, message);
	snapshot(b, &before);
	for (unsigned bit = 0; bit < 128; bit++) {
		message[116 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		deliver(b, message, 148);
		ignored(b);
		message[116 + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK_EQ(b->wg.counters.x25519, 0);
	CHECK_EQ(b->wg.counters.bad_mac1, 128);
	unchanged(b, &before);
	deliver(b, message, 148);
	CHECK_EQ(b->wg.counters.x25519, 5); /* es, ss, ephemeral, ee, se */
	uint8_t response[92];
	memcpy(response, b->in.reply, 92);
	snapshot(a, &before);
	for (unsigned bit = 0; bit < 128; bit++) {
		response[60 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		deliver(a, response, 92);
		ignored(a);
		response[60 + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK_EQ(a->wg.counters.x25519, 0);
	unchanged(a, &before);
}

TN_TEST("[tunnel 9] an initiation with valid mac1 but a broken field leaves handshake, keypairs and greatest timestamp unchanged")
{
	struct device *a, *b;
	uint8_t message[148];
	struct snapshot before;
	session(&a, &b);
	now += 6000;
	b->staged[0] = 1;
	CHECK(tn_wg_initiate(&b->wg, 0, now)); /* a handshake of b is in flight */
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	memcpy(message, last_sent(a, 1)->head, 148);
	flight_head = flight_tail;
	snapshot(b, &before);
	for (unsigned at = 8; at < 116; at++) {
		uint8_t changed[148];
		struct tn_cookie_jar jar = {0};
		memcpy(changed, message, 148);
		changed[at] ^= 0x10;
		tn_cookie_add_macs(&jar, &a->peers[0].remote.cookie, changed, 148, now);
		now += 1000; /* below any rate limit */
		deliver(b, changed, 148);
		ignored(b);
		CHECK_MEM(&before.peers[0].handshake, &b->peers[0].handshake, sizeof before.peers[0].handshake);
		CHECK_MEM(before.peers[0].keypairs, b->peers[0].keypairs, sizeof before.peers[0].keypairs);
		CHECK_MEM(before.peers[0].timestamp, b->peers[0].timestamp, 12);
	}
	unchanged(b, &before);
	deliver(b, message, 148);
	CHECK_EQ(b->in.reply_length, 92);
}

TN_TEST("[tunnel 10] all-zero and low-order ephemerals are dropped without state")
{
	static const uint8_t points[][32] = {{0},
	                                     {1},
	                                     {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
	                                      0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	                                     {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
	                                      0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	                                     {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}};
	struct device *a, *b;
	uint8_t message[148];
	initiation(&a, &b, message);
	struct snapshot before;
	snapshot(b, &before);
	for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
		struct tn_cookie_jar jar = {0};
		memcpy(message + 8, points[i], 32);
		tn_cookie_add_macs(&jar, &a->peers[0].remote.cookie, message, 148, now);
		deliver(b, message, 148);
		ignored(b);
		unchanged(b, &before);
		/* and in a response */
		uint8_t response[92] = {2};
		tn_store32le(response + 8, a->peers[0].handshake.local_index);
		memcpy(response + 12, points[i], 32);
		struct snapshot before_a;
		snapshot(a, &before_a);
		tn_cookie_add_macs(&jar, &b->peers[0].remote.cookie, response, 92, now);
		deliver(a, response, 92);
		ignored(a);
		unchanged(a, &before_a);
	}
}

TN_TEST("[tunnel 11] a replayed or older initiation is dropped, one granule newer is accepted")
{
	struct device *a, *b;
	uint8_t first[148], second[148];
	initiation(&a, &b, first);
	now += 5001;
	tn_clock_init(&a->wg.clock, 1764000000000u + 20, 1765000000u, now); /* one granule later than the first */
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	memcpy(second, last_sent(a, 1)->head, 148);
	deliver(b, first, 148);
	CHECK_EQ(b->in.reply_length, 92);
	now += 1000;
	struct snapshot before;
	snapshot(b, &before);
	deliver(b, first, 148);
	ignored(b);
	unchanged(b, &before);
	deliver(b, second, 148);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_PATH);
	now += 1000;
	snapshot(b, &before);
	deliver(b, first, 148);
	ignored(b);
	deliver(b, second, 148);
	ignored(b);
	unchanged(b, &before);
}

TN_TEST("[tunnel 12] of two initiations within 20 ms the second is dropped")
{
	struct device *a, *b;
	uint8_t message[3][148];
	initiation(&a, &b, message[0]);
	for (unsigned i = 1; i < 3; i++) {
		now += 6000;
		CHECK(tn_wg_initiate(&a->wg, 0, now));
		memcpy(message[i], last_sent(a, 1)->head, 148);
	}
	deliver(b, message[0], 148);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_PATH);
	now += 20;
	deliver(b, message[1], 148);
	ignored(b);
	now += 1;
	deliver(b, message[2], 148);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_PATH);
}

TN_TEST("[tunnel 15] a response twice, to an unknown index, to a keypair, to another peer's handshake: dropped")
{
	struct device *a, *b;
	uint8_t message[148], response[92], changed[92];
	struct snapshot before;
	initiation(&a, &b, message);
	struct device *c = device_new();
	pair(a, 1, c, 0);
	CHECK(tn_wg_initiate(&a->wg, 1, now));
	flight_head = flight_tail;
	deliver(b, message, 148);
	memcpy(response, b->in.reply, 92);
	flight_head = flight_tail;

	struct tn_cookie_jar jar = {0};
	snapshot(a, &before);
	memcpy(changed, response, 92);
	tn_store32le(changed + 8, ~a->peers[0].handshake.local_index);
	tn_cookie_add_macs(&jar, &b->peers[0].remote.cookie, changed, 92, now);
	deliver(a, changed, 92);
	ignored(a);
	tn_store32le(changed + 8, a->peers[1].handshake.local_index);
	tn_cookie_add_macs(&jar, &b->peers[0].remote.cookie, changed, 92, now);
	deliver(a, changed, 92);
	ignored(a);
	unchanged(a, &before);

	deliver(a, response, 92);
	CHECK(a->in.events & TN_WG_INITIATOR);
	snapshot(a, &before);
	deliver(a, response, 92); /* its index is a keypair now */
	ignored(a);
	unchanged(a, &before);
}

TN_TEST("[tunnel 16] a cookie reply is taken only for what was sent to that peer")
{
	struct device *a, *b;
	uint8_t message[148], cookie[64];
	initiation(&a, &b, message);
	tn_cookie_reply(&b->wg.cookie_maker, &b->wg.identity.cookie, a->source, 18, message, 148, now, cookie);
	struct snapshot before;
	snapshot(a, &before);
	cookie[4] ^= 1; /* unknown index */
	deliver(a, cookie, 64);
	ignored(a);
	cookie[4] ^= 1;
	cookie[50] ^= 1; /* wrong tag */
	deliver(a, cookie, 64);
	ignored(a);
	unchanged(a, &before);
	cookie[50] ^= 1;
	deliver(a, cookie, 64);
	ignored(a); /* nothing is sent at once */
	advance(now + 5400);
	CHECK(!tn_is_zero(last_sent(a, 1)->head + 132, 16));
	CHECK(tn_cookie_check_mac2(&b->wg.cookie_maker, a->source, 18, last_sent(a, 1)->head, 148, now));
	/* before anything was sent */
	struct device *c = device_new();
	CHECK(tn_wg_peer_add(&c->wg, 0, b->wg.identity.public_key, now));
	deliver(c, cookie, 64);
	ignored(c);
	CHECK(tn_is_zero(&c->peers[0].cookie, sizeof c->peers[0].cookie));
}

TN_TEST("an initiation from an unknown static key is reported unharmed, and accepted once the peer is added")
{
	struct device *a, *b;
	uint8_t message[148];
	initiation(&a, &b, message);
	tn_wg_peer_remove(&b->wg, 0);
	deliver(b, message, 148);
	CHECK_EQ(b->in.kind, TN_WG_UNKNOWN_STATIC);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_NONE);
	CHECK_EQ(b->in.events, 0);
	CHECK_MEM(b->in.public_key, a->wg.identity.public_key, 32);
	CHECK_MEM(b->datagram, message, 148);
	CHECK(tn_wg_peer_add(&b->wg, 2, a->wg.identity.public_key, now));
	b->remote[2] = a;
	deliver(b, b->datagram, 148);
	CHECK_EQ(b->in.slot, 2);
	CHECK_EQ(b->in.events, TN_WG_CLAIMED);
	CHECK_EQ(b->in.reply_length, 92);
	pump();
	CHECK_EQ(b->received[2], 1);
}
