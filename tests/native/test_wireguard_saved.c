/* tn_wireguard.h: sessions that one device gives away and another adopts, in conversations with a peer that has not slept. protocol/tunnel.md §2.1, §2.4. */
#include "tn_pair.h"

/* The device as it is after a start: the same key, the peer configured, nothing else. */
static struct device *reborn(const struct device *before, struct device *peer)
{
	struct device *device = device_with_key(before->private_key);
	CHECK(tn_wg_peer_add(&device->wg, 0, peer->wg.identity.public_key, now));
	device->remote[0] = peer;
	peer->remote[0] = device;
	return device;
}

static void set_age(uint8_t saved[TN_WG_SAVED_SIZE], uint32_t age)
{
	tn_store32le(saved + TN_WG_SAVED_AGE, age);
}

/* Suspends a device and gives its session. */
static void save(struct device *device, uint8_t saved[TN_WG_SAVED_SIZE])
{
	tn_wg_suspend(&device->wg);
	CHECK(tn_wg_save(&device->wg, 0, now, saved));
}

static uint64_t last_counter(const struct device *from)
{
	return tn_load64le(last_sent(from, 4)->head + 8);
}

TN_TEST("an adopted session carries data both ways without a handshake, whoever initiated it")
{
	for (unsigned is_initiator = 0; is_initiator < 2; is_initiator++) {
		struct device *a, *b, *c;
		uint8_t saved[TN_WG_SAVED_SIZE];
		session(&a, &b);
		device_send(b, 0, 100);
		pump();
		struct device *sleeper = is_initiator ? a : b, *peer = is_initiator ? b : a;
		save(sleeper, saved);
		now += 60000;
		c = reborn(sleeper, peer);
		set_age(saved, tn_load32le(saved + TN_WG_SAVED_AGE) + 60000);
		CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
		CHECK(tn_wg_has_session(&c->wg, 0, now));
		CHECK_EQ(c->peers[0].keypairs[c->peers[0].current].initiator, is_initiator);
		const unsigned since = record_count, received = peer->received[0];
		device_send(c, 0, 100);
		pump();
		CHECK_EQ(peer->received[0], received + 1);
		device_send(peer, 0, 100);
		pump();
		CHECK_EQ(c->received[0], 1);
		CHECK_EQ(count_sent(c, 1, since) + count_sent(peer, 1, since) + count_sent(peer, 2, since), 0);
		CHECK_EQ(c->wg.counters.adopted, 1);
		CHECK_EQ(c->wg.counters.initiations, 0);
	}
}

TN_TEST("counters never repeat: those of the adopted session lie beyond all that were sent before, by the margin")
{
	struct device *a, *b, *c;
	uint8_t saved[TN_WG_SAVED_SIZE];
	session(&a, &b);
	for (unsigned i = 0; i < 50; i++)
		device_send(a, 0, 100);
	const uint64_t before = last_counter(a);
	save(a, saved);
	pump();
	/* Whatever the old device is asked for, nothing is sealed. */
	uint8_t datagram[DATAGRAM];
	CHECK_EQ(device_seal(a, 0, 100, datagram), 0);
	CHECK(!tn_wg_has_session(&a->wg, 0, now) && !tn_wg_initiate(&a->wg, 0, now));
	tn_wg_want_session(&a->wg, 0, now);
	const unsigned since = record_count;
	deliver(a, records[0].head, 148); /* also not when it is spoken to */
	device_send(b, 0, 100);
	pump();
	CHECK_EQ(a->received[0], 0);
	tn_wg_tick(&a->wg, now + 1000000);
	for (unsigned i = since; i < record_count; i++)
		CHECK(records[i].from != a);
	c = reborn(a, b);
	CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
	device_send(c, 0, 100);
	CHECK_EQ(last_counter(c), before + 1 + TN_WG_SAVED_MARGIN);
	pump();
	CHECK_EQ(b->received[0], 52);
}

TN_TEST("what was received before the sleep is refused after it, as a replay or because it was late")
{
	struct device *a, *b, *c;
	uint8_t saved[TN_WG_SAVED_SIZE], old[3][DATAGRAM];
	size_t length = 0;
	session(&a, &b);
	for (unsigned i = 0; i < 3; i++)
		length = device_seal(b, 0, 100, old[i]);
	deliver_from(b, a, old[0], length);
	deliver_from(b, a, old[2], length);
	CHECK_EQ(a->received[0], 2);
	save(a, saved);
	c = reborn(a, b);
	CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
	for (unsigned i = 0; i < 3; i++)
		deliver_from(b, c, old[i], length);
	CHECK_EQ(c->received[0], 0);
	CHECK_EQ(c->wg.counters.replayed, 3);
	device_send(b, 0, 100);
	pump();
	CHECK_EQ(c->received[0], 1);
}

TN_TEST("the first packet that a peer ever sends is taken although it sleeps before it")
{
	struct device *a, *b, *c;
	uint8_t saved[TN_WG_SAVED_SIZE];
	session(&a, &b);
	save(a, saved);
	CHECK_EQ(tn_load64le(saved + 80), 0);
	c = reborn(a, b);
	CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
	device_send(b, 0, 100);
	pump();
	CHECK_EQ(c->received[0], 1);
}

TN_TEST("an age of 180 s is refused, one less is not; the clock of a new start may be below it")
{
	struct device *a, *b, *c;
	uint8_t saved[TN_WG_SAVED_SIZE];
	session(&a, &b);
	save(a, saved);
	now = 50;
	c = reborn(a, b);
	set_age(saved, TN_WG_REJECT_AFTER_MS);
	CHECK(!tn_wg_adopt(&c->wg, 0, saved, now));
	set_age(saved, UINT32_MAX);
	CHECK(!tn_wg_adopt(&c->wg, 0, saved, now));
	CHECK_EQ(c->wg.counters.adopted, 0);
	set_age(saved, TN_WG_REJECT_AFTER_MS - 1);
	CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
	CHECK(tn_wg_has_session(&c->wg, 0, now));
	now++;
	CHECK(!tn_wg_has_session(&c->wg, 0, now));
}

TN_TEST("a session that is too old when the device sleeps is not given away")
{
	struct device *a, *b;
	uint8_t saved[TN_WG_SAVED_SIZE];
	session(&a, &b);
	now += TN_WG_REJECT_AFTER_MS;
	tn_wg_suspend(&a->wg);
	CHECK(!tn_wg_save(&a->wg, 0, now, saved));
	CHECK(!tn_wg_save(&a->wg, 1, now, saved)); /* nor that of nobody */
	CHECK(!tn_wg_save(&a->wg, SLOTS, now, saved));
	CHECK(!tn_wg_save(&b->wg, 0, now, saved)); /* nor that of a device that goes on */
}

TN_TEST("a peer in the middle of a rekey of its own is left out: it may speak under the new keys from any moment on")
{
	struct device *a, *b;
	uint8_t saved[TN_WG_SAVED_SIZE];
	session(&a, &b);
	now += 6000;
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	pump_one();
	CHECK(b->peers[0].next != TN_WG_NO_KEYPAIR);
	tn_wg_suspend(&b->wg);
	CHECK(!tn_wg_save(&b->wg, 0, now, saved));
	/* The initiator's side of the same moment goes on with the old ones. */
	tn_wg_suspend(&a->wg);
	CHECK(tn_wg_save(&a->wg, 0, now, saved));
}

TN_TEST("the initiator of a session past 120 s begins a handshake with its first packet, the responder does not")
{
	for (unsigned is_initiator = 0; is_initiator < 2; is_initiator++) {
		struct device *a, *b, *c;
		uint8_t saved[TN_WG_SAVED_SIZE];
		session(&a, &b);
		device_send(b, 0, 100);
		pump();
		struct device *sleeper = is_initiator ? a : b, *peer = is_initiator ? b : a;
		save(sleeper, saved);
		now += TN_WG_REKEY_AFTER_MS + 1;
		c = reborn(sleeper, peer);
		set_age(saved, tn_load32le(saved + TN_WG_SAVED_AGE) + TN_WG_REKEY_AFTER_MS + 1);
		CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
		const unsigned received = peer->received[0];
		device_send(c, 0, 100);
		CHECK_EQ(count_sent(c, 1, 0), is_initiator);
		pump();
		CHECK_EQ(peer->received[0], received + 1);
		device_send(c, 0, 100);
		pump();
		CHECK_EQ(peer->received[0], received + 2);
	}
}

TN_TEST("a peer that lost the session meanwhile is noticed as ever: 15 s after the first packet a handshake begins")
{
	struct device *a, *b, *c;
	uint8_t saved[TN_WG_SAVED_SIZE];
	session(&a, &b);
	save(a, saved);
	tn_wg_peer_drop_sessions(&b->wg, 0, now);
	c = reborn(a, b);
	CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
	device_send(c, 0, 100);
	const uint64_t since = now;
	advance(now + TN_WG_NEW_HANDSHAKE_MS - 1);
	CHECK_EQ(count_sent(c, 1, 0), 0);
	advance(since + TN_WG_NEW_HANDSHAKE_MS + TN_WG_JITTER_MS + 1);
	CHECK_EQ(count_sent(c, 1, 0), 1);
	device_send(c, 0, 100);
	pump();
	CHECK_EQ(b->received[0], 2);
}

TN_TEST("540 s after its handshake an adopted session is erased, also when it slept")
{
	struct device *a, *b, *c;
	uint8_t saved[TN_WG_SAVED_SIZE];
	session(&a, &b);
	save(a, saved);
	c = reborn(a, b);
	set_age(saved, 100000);
	CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
	const uint64_t since = now;
	advance(since + TN_WG_ZERO_KEYS_MS - 100001);
	CHECK_EQ(c->idle[0], 0);
	advance(since + TN_WG_ZERO_KEYS_MS - 99999);
	CHECK_EQ(c->idle[0], 1);
	CHECK(tn_is_zero(c->peers[0].keypairs, sizeof c->peers[0].keypairs));
}

TN_TEST("a session is not adopted over another one, without a key, for nobody, or under an index that is in use; a handshake in flight goes on")
{
	struct device *a, *b, *c;
	uint8_t saved[TN_WG_SAVED_SIZE];
	session(&a, &b);
	save(a, saved);
	c = reborn(a, b);
	CHECK(!tn_wg_adopt(&c->wg, 1, saved, now));
	CHECK(!tn_wg_adopt(&c->wg, SLOTS, saved, now));
	const uint32_t index = tn_load32le(saved + 64);
	struct tn_wg_index *entry = &c->indices[index & c->wg.index_mask];
	*entry = (struct tn_wg_index){index + 1 + c->wg.index_mask, 1, TN_WG_INDEX_HANDSHAKE};
	CHECK(!tn_wg_adopt(&c->wg, 0, saved, now));
	*entry = (struct tn_wg_index){0};
	CHECK(tn_wg_initiate(&c->wg, 0, now));
	flight_head = flight_tail;
	if (entry->kind == TN_WG_INDEX_FREE) {
		CHECK(tn_wg_adopt(&c->wg, 0, saved, now));
		CHECK(!tn_wg_adopt(&c->wg, 0, saved, now));
		device_send(c, 0, 100);
		pump();
		CHECK_EQ(b->received[0], 2);
	}
	CHECK(!tn_wg_adopt(&a->wg, 0, saved, now));
	/* A session of now is worth more than one of before. */
	struct device *d = reborn(a, b);
	now += 6000;
	CHECK(tn_wg_initiate(&d->wg, 0, now));
	pump();
	CHECK(tn_wg_has_session(&d->wg, 0, now));
	CHECK(!tn_wg_adopt(&d->wg, 0, saved, now));
}

TN_TEST("bytes of any kind are adopted or refused, and the device goes on")
{
	for (unsigned round = 0; round < 2000; round++) {
		uint8_t saved[TN_WG_SAVED_SIZE];
		world_reset(1000);
		struct device *a = device_new(), *b = device_new();
		pair(a, 0, b, 0);
		tn_test_random_bytes(saved, sizeof saved);
		if (round % 2 == 0)
			set_age(saved, tn_test_random_below(TN_WG_REJECT_AFTER_MS));
		const bool is_adopted = tn_wg_adopt(&a->wg, 0, saved, now);
		CHECK_EQ(is_adopted, tn_load32le(saved + TN_WG_SAVED_AGE) < TN_WG_REJECT_AFTER_MS);
		device_send(a, 0, 100);
		pump();
		advance(now + 2 * TN_WG_ZERO_KEYS_MS);
		CHECK(!tn_wg_has_session(&a->wg, 0, now));
		device_send(a, 0, 100);
		pump();
		CHECK(b->received[0] > 0);
	}
}
