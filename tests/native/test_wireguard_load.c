/* tn_wireguard.h under load and under floods. protocol/tunnel.md §1.9, §2.5. */
#include <time.h>

#include "tn_pair.h"

/* An initiation with random contents and the mac1 of that device. */
static void junk(const struct device *to, uint8_t message[148])
{
	struct tn_cookie_jar jar = {0};
	tn_test_random_bytes(message, 148);
	memcpy(message, (const uint8_t[]){1, 0, 0, 0}, 4);
	tn_cookie_add_macs(&jar, &to->wg.identity.cookie, message, 148, now);
}

static void put_under_load(struct device *device)
{
	uint8_t message[148];
	for (unsigned i = 0; i < TN_WG_LOAD + 10; i++) {
		junk(device, message);
		deliver(device, message, 148);
	}
	CHECK(now < device->wg.under_load_until);
}

TN_TEST("[tunnel 17] under load no mac2 gives a cookie reply, the right mac2 is processed, from another port it gives a cookie reply again")
{
	world_reset(1000);
	struct device *a = device_new(), *b = device_new();
	pair(a, 0, b, 0);
	put_under_load(b);
	device_send(a, 0, 100);
	pump_one();
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_SOURCE);
	CHECK_EQ(b->in.reply_length, 64);
	CHECK_EQ(b->in.reply[0], 3);
	CHECK_MEM(b->in.reply + 4, last_sent(a, 1)->head + 4, 4);
	pump(); /* a takes the cookie */
	CHECK_EQ(b->received[0], 0);
	CHECK_EQ(count_sent(a, 1, 0), 1);

	/* a's retry, at a b still under load */
	lose = NULL;
	while (count_sent(a, 1, 0) < 2) {
		now += 10;
		tn_wg_tick(&a->wg, now);
	}
	uint8_t message[148];
	memcpy(message, last_sent(a, 1)->head, 148);
	CHECK(!tn_is_zero(message + 132, 16));
	put_under_load(b);
	a->source[16] ^= 1; /* another port */
	deliver_from(a, b, message, 148);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_SOURCE);
	a->source[16] ^= 1;
	flight_head = flight_tail;
	deliver_from(a, b, message, 148);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_PATH);
	pump();
	CHECK_EQ(b->received[0], 1);
}

TN_TEST("[tunnel 17] under load a cookie for DERP is bound to the node key")
{
	world_reset(1000);
	struct device *a = device_new(), *b = device_new();
	uint8_t message[148], reply[64];
	pair(a, 0, b, 0);
	put_under_load(b);
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	memcpy(message, last_sent(a, 1)->head, 148);
	tn_wg_receive(&b->wg, message, 148, a->wg.identity.public_key, 32, now, &b->in);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_SOURCE);
	memcpy(reply, b->in.reply, 64);
	deliver(a, reply, 64);
	now += 5500;
	put_under_load(b);
	tn_wg_tick(&a->wg, now);
	memcpy(message, last_sent(a, 1)->head, 148);
	tn_wg_receive(&b->wg, message, 148, b->wg.identity.public_key, 32, now, &b->in);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_SOURCE);
	tn_wg_receive(&b->wg, message, 148, a->wg.identity.public_key, 32, now, &b->in);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_PATH);
}

TN_TEST("[tunnel 17] not under load mac2 is ignored, and load ends a second after the flood")
{
	world_reset(1000);
	struct device *a = device_new(), *b = device_new();
	uint8_t message[148];
	pair(a, 0, b, 0);
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	memcpy(message, last_sent(a, 1)->head, 148);
	memset(message + 132, 0x55, 16);
	deliver(b, message, 148);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_PATH);

	put_under_load(b);
	junk(b, message);
	now += 999;
	struct device *c = device_new();
	pair(c, 0, b, 1);
	now += 1;
	CHECK(tn_wg_initiate(&c->wg, 0, now));
	memcpy(message, last_sent(c, 1)->head, 148);
	deliver(b, message, 148);
	CHECK_EQ(b->in.reply_to, TN_WG_REPLY_PATH);
}

TN_TEST("under load each source gets a few at once and so many a second, cookie or not, and never the whole budget")
{
	world_reset(1000);
	struct device *b = device_new();
	unsigned passed[2] = {0, 0};
	put_under_load(b);
	const uint64_t start = now;
	while (now < start + 1000) {
		for (unsigned who = 0; who < 2; who++) {
			/* two sources with valid cookies and random contents */
			uint8_t message[148];
			const uint8_t source[18] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, (uint8_t)(who + 1), (uint8_t)now, 1};
			struct tn_cookie_jar jar = {0};
			uint8_t reply[64];
			junk(b, message);
			tn_cookie_add_macs(&jar, &b->wg.identity.cookie, message, 148, now);
			tn_cookie_reply(&b->wg.cookie_maker, &b->wg.identity.cookie, source, 18, message, 148, now, reply);
			CHECK(tn_cookie_take(&jar, &b->wg.identity.cookie, reply, now));
			tn_cookie_add_macs(&jar, &b->wg.identity.cookie, message, 148, now);
			const uint32_t before = b->wg.counters.x25519;
			tn_wg_receive(&b->wg, message, 148, source, 18, now, &b->in);
			CHECK_EQ(b->in.reply_to, TN_WG_REPLY_NONE);
			passed[who] += b->wg.counters.x25519 - before;
		}
		now += 5;
	}
	for (unsigned who = 0; who < 2; who++)
		CHECK(passed[who] + 1 >= TN_WG_SOURCE_RATE + TN_WG_SOURCE_BURST && passed[who] <= TN_WG_SOURCE_RATE + TN_WG_SOURCE_BURST + 1);
	CHECK(2 * TN_WG_SOURCE_RATE < TN_WG_BUDGET);
}

/* Milliseconds of this thread's CPU: the test measures, it does not wait. */
static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* An established session carries 100 packets a second both ways through `rate` initiations a second for 10 s of simulated time (1 s where it is emulated). */
static void flood(unsigned rate, bool valid_mac1, bool from_many)
{
	struct device *a, *b;
	uint8_t message[148], source[18] = {0};
	session(&a, &b);
	const unsigned before = b->received[0];
	const uint32_t x25519 = b->wg.counters.x25519;
	unsigned cookies = 0;
	const double start = cpu_ms();
	for (unsigned ms = 0; ms < 10000 / TN_TEST_STEP; ms++) {
		now++;
		for (unsigned i = 0; i < (rate + 999) / 1000; i++) {
			junk(b, message);
			if (!valid_mac1)
				message[120] ^= 1;
			if (from_many)
				tn_test_random_bytes(source, sizeof source);
			tn_wg_receive(&b->wg, message, 148, source, sizeof source, now, &b->in);
			CHECK(b->in.kind == TN_WG_NOTHING && b->in.reply_to != TN_WG_REPLY_PATH);
			cookies += b->in.reply_to == TN_WG_REPLY_SOURCE;
		}
		if (ms % 10 == 0) {
			device_send(a, 0, 1000);
			device_send(b, 0, 1000);
			pump();
		}
	}
	const double used = cpu_ms() - start;
	CHECK_EQ(b->received[0] - before, 1000 / TN_TEST_STEP);
	CHECK_EQ(a->received[0], 1000 / TN_TEST_STEP);
	const uint32_t spent = b->wg.counters.x25519 - x25519;
	if (!valid_mac1)
		CHECK_EQ(spent, 0);
	else
		CHECK(spent <= TN_WG_LOAD * 11 && cookies > rate * 8 / TN_TEST_STEP);
	CHECK_EQ(count_sent(a, 1, 0), 1); /* the session never had to be renewed */
	printf("# %u initiations/s for %u s: %u X25519, %u cookie replies, %.0f ms of CPU with making them\n", rate, 10u / TN_TEST_STEP, (unsigned)spent, cookies,
	       used);
}

TN_TEST("[tunnel 18] 1,000 initiations/s with valid mac1 and random contents leave an established session alone")
{
	flood(1000, true, false);
}

TN_TEST("[tunnel 19] 1,000 initiations/s with wrong mac1 cost no X25519 at all")
{
	flood(1000, false, false);
}

TN_TEST("[tunnel 18] 10,000 initiations/s from as many sources leave an established session alone")
{
	flood(10000, true, true);
}

TN_TEST("a new peer gets in under a flood of 10,000 initiations/s")
{
	world_reset(1000);
	struct device *a = device_new(), *b = device_new();
	uint8_t message[148], source[18];
	pair(a, 0, b, 0);
	put_under_load(b);
	device_send(a, 0, 100);
	for (unsigned ms = 0; ms < 6000 && b->received[0] == 0; ms++) {
		now++;
		for (unsigned i = 0; i < 10; i++) {
			junk(b, message);
			tn_test_random_bytes(source, sizeof source);
			tn_wg_receive(&b->wg, message, 148, source, sizeof source, now, &b->in);
		}
		if (now >= tn_wg_next_deadline(&a->wg))
			tn_wg_tick(&a->wg, now);
		pump();
	}
	CHECK_EQ(b->received[0], 1);
}

TN_TEST("under a flood of initiations our own handshakes still complete")
{
	world_reset(1000);
	struct device *a = device_new(), *b = device_new();
	pair(a, 0, b, 0);
	put_under_load(a);
	device_send(a, 0, 100);
	pump();
	CHECK_EQ(b->received[0], 1);
}

TN_TEST("forged responses to an initiation in flight are kept to the budget")
{
	world_reset(1000);
	struct device *a = device_new(), *b = device_new();
	pair(a, 0, b, 0);
	lose = NULL;
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	flight_head = flight_tail;
	for (unsigned i = 0; i < 5000; i++) {
		uint8_t response[92];
		struct tn_cookie_jar jar = {0};
		tn_test_random_bytes(response, 92);
		memcpy(response, (const uint8_t[]){2, 0, 0, 0}, 4);
		tn_store32le(response + 8, a->peers[0].handshake.local_index);
		tn_cookie_add_macs(&jar, &a->wg.identity.cookie, response, 92, now);
		deliver(a, response, 92);
	}
	CHECK_EQ(a->wg.counters.x25519, 2 * TN_WG_BUDGET);
	now += 100;
	CHECK_EQ(a->peers[0].handshake.state, TN_HANDSHAKE_INITIATION_CREATED);
}
