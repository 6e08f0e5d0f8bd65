/* tn_wireguard.h: sessions made, confirmed, rotated and ended, in conversations of two devices. protocol/tunnel.md §2.4. */
#include "tn_pair.h"
#include "vectors_wireguard.h"

TN_TEST("[tunnel 20] the responder sends nothing on a new session before the first authenticated transport message of it")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM];
	pair_only(&a, &b);
	device_send(a, 0, 100);
	pump_one(); /* initiation */
	CHECK(b->peers[0].next != TN_WG_NO_KEYPAIR);
	CHECK(!tn_wg_has_session(&b->wg, 0, now));
	CHECK_EQ(device_seal(b, 0, 100, datagram), 0);
	device_send(b, 0, 60); /* waits; no handshake message either, the response is younger than 5 s */
	CHECK_EQ(count_sent(b, 4, 0) + count_sent(b, 1, 0), 0);
	/* not even a forged packet under its index confirms it */
	uint8_t forged[48] = {4};
	tn_store32le(forged + 4, b->peers[0].keypairs[b->peers[0].next].local_index);
	deliver(b, forged, sizeof forged);
	CHECK(!tn_wg_has_session(&b->wg, 0, now));
	pump();
	CHECK(tn_wg_has_session(&b->wg, 0, now));
	CHECK_EQ(a->received[0], 1);
	CHECK_EQ(b->received[0], 1);
}

TN_TEST("[tunnel 20] a packet under the old session does not confirm the new one")
{
	struct device *a, *b;
	session(&a, &b);
	now += 6000;
	const uint32_t old = b->peers[0].keypairs[b->peers[0].current].remote_index;
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	pump_one();
	flight_head = flight_tail; /* the response is lost */
	CHECK(b->peers[0].next != TN_WG_NO_KEYPAIR);
	device_send(a, 0, 100);
	pump();
	CHECK_EQ(b->in.kind, TN_WG_DATA);
	CHECK(b->peers[0].next != TN_WG_NO_KEYPAIR);
	device_send(b, 0, 100);
	CHECK_EQ(tn_load32le(last_sent(b, 4)->head + 4), old);
	pump();
	CHECK_EQ(a->received[0], 1);
}

TN_TEST("[tunnel 21] the initiator sends a keepalive right after the response when nothing is staged, else the staged packets")
{
	struct device *a, *b;
	pair_only(&a, &b);
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	pump();
	CHECK_EQ(count_keepalives(a, 0), 1);
	CHECK_EQ(b->keepalives[0], 1);
	CHECK(tn_wg_has_session(&b->wg, 0, now));

	pair_only(&a, &b);
	device_send(a, 0, 100);
	device_send(a, 0, 100);
	pump();
	CHECK_EQ(count_sent(a, 1, 0), 1);
	CHECK_EQ(count_keepalives(a, 0), 0);
	CHECK_EQ(b->received[0], 2);
}

/* Sessions by number: the keypairs' indices on both sides. */
static struct {
	uint32_t a, b;
} sessions[64];

static void check_slots(const struct tn_vector *want, const struct device *device, bool is_a)
{
	static const char *const names[] = {"current", "next", "previous"};
	const struct tn_wg_peer *peer = &device->peers[0];
	const uint8_t places[] = {peer->current, peer->next, peer->previous};
	for (unsigned i = 0; i < 3; i++) {
		const struct tn_vector *name = tn_vector_get(want, names[i]);
		if (name->type == TN_VECTOR_NULL) {
			CHECK_EQ(places[i], TN_WG_NO_KEYPAIR);
			continue;
		}
		const unsigned number = (unsigned)atoi(name->text + 1);
		if (CHECK(number < sizeof sessions / sizeof *sessions) && CHECK(places[i] != TN_WG_NO_KEYPAIR))
			CHECK_EQ(peer->keypairs[places[i]].local_index, is_a ? sessions[number].a : sessions[number].b);
	}
}

TN_VECTOR_TEST("wireguard", "[tunnel 22] all events of keypair_rotation give the same slots")
{
	const struct tn_vector *events = tn_vector_get(&tn_vectors_wireguard, "keypair_rotation");
	struct device *a, *b;
	REQUIRE_VECTORS(events);
	pair_only(&a, &b);
	unsigned number = 0;
	for (size_t i = 0; i < events->count; i++) {
		const char *event = tn_vector_get(&events->items[i], "event")->text;
		TEST_VECTOR(event);
		const bool by_a = strncmp(event, "alice", 5) == 0;
		struct device *one = by_a ? a : b, *other = by_a ? b : a;
		now += 6000;
		if (strstr(event, "initiates")) {
			CHECK(tn_wg_initiate(&one->wg, 0, now));
			pump_one();
			pump_one();
			flight_head = flight_tail; /* the confirmation is lost */
			number++;
			REQUIRE(number < sizeof sessions / sizeof *sessions);
			const struct tn_wg_peer *mine = &one->peers[0], *theirs = &other->peers[0];
			REQUIRE(mine->current != TN_WG_NO_KEYPAIR && theirs->next != TN_WG_NO_KEYPAIR);
			const uint32_t own = mine->keypairs[mine->current].local_index, others = theirs->keypairs[theirs->next].local_index;
			sessions[number].a = by_a ? own : others;
			sessions[number].b = by_a ? others : own;
		} else if (strstr(event, "receives")) {
			device_send(other, 0, 40);
			pump();
		}
		check_slots(tn_vector_get(&events->items[i], "alice"), a, true);
		check_slots(tn_vector_get(&events->items[i], "bob"), b, false);
	}
	CHECK_COMMITTED(number == 8);
}

TN_VECTOR_TEST("wireguard", "[tunnel 23] crossing initiations end as in the vectors and recover within 11 s once both have something to send")
{
	const struct tn_vector *want = tn_vector_get(&tn_vectors_wireguard, "crossing_initiations");
	REQUIRE_VECTORS(want);
	TEST_VECTOR("crossing_initiations");
	for (unsigned round = 0; round < 40; round++) {
		struct device *a, *b;
		pair_only(&a, &b);
		device_send(a, 0, 100);
		now += round % 31; /* the second packet up to 30 ms later, the initiations still under way */
		device_send(b, 0, 100);
		pump_one();
		pump_one();
		CHECK_EQ(last_sent(b, 2)->type == 2, tn_vector_true(tn_vector_get(want, "alice_initiation_accepted_by_bob")));
		CHECK_EQ(last_sent(a, 2)->type == 2, tn_vector_true(tn_vector_get(want, "bob_initiation_accepted_by_alice")));
		pump();
		CHECK_EQ(a->peers[0].current != TN_WG_NO_KEYPAIR, tn_vector_true(tn_vector_get(want, "alice_current_keypair")));
		CHECK_EQ(b->peers[0].current != TN_WG_NO_KEYPAIR, tn_vector_true(tn_vector_get(want, "bob_current_keypair")));
		CHECK_EQ(a->peers[0].next != TN_WG_NO_KEYPAIR, tn_vector_true(tn_vector_get(want, "alice_next_keypair")));
		CHECK_EQ(b->peers[0].next != TN_WG_NO_KEYPAIR, tn_vector_true(tn_vector_get(want, "bob_next_keypair")));
		advance(now + 11000);
		CHECK_EQ(a->received[0], 1);
		CHECK_EQ(b->received[0], 1);
	}
}

TN_TEST("a packet staged while a handshake message is younger than 5 s starts one when the time is over")
{
	struct device *a, *b;
	pair_only(&a, &b);
	lose = lose_data;
	device_send(a, 0, 100);
	pump_one();
	flight_head = flight_tail;    /* b's response is lost */
	tn_wg_peer_remove(&a->wg, 0); /* and a does not come back */
	CHECK(tn_wg_peer_add(&a->wg, 0, b->wg.identity.public_key, now));
	lose = NULL;
	device_send(b, 0, 100);
	CHECK_EQ(count_sent(b, 1, 0), 0);
	advance(now + 4999);
	CHECK_EQ(count_sent(b, 1, 0), 0);
	advance(now + 400);
	CHECK_EQ(count_sent(b, 1, 0), 1);
	CHECK_EQ(a->received[0], 1);
}

TN_TEST("[tunnel 24] transport received with a previous keypair is accepted, and never sent with it")
{
	struct device *a, *b;
	uint8_t old[DATAGRAM];
	session(&a, &b);
	const size_t length = device_seal(a, 0, 100, old);
	const uint32_t old_index = a->peers[0].keypairs[a->peers[0].current].remote_index;
	now += 6000;
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	pump();
	CHECK(b->peers[0].previous != TN_WG_NO_KEYPAIR);
	CHECK_EQ(b->peers[0].keypairs[b->peers[0].previous].local_index, old_index);
	deliver(b, old, length);
	CHECK_EQ(b->in.kind, TN_WG_DATA);
	const uint32_t current = b->peers[0].keypairs[b->peers[0].current].remote_index;
	for (unsigned i = 0; i < 20; i++) {
		device_send(b, 0, 100);
		CHECK_EQ(tn_load32le(last_sent(b, 4)->head + 4), current);
	}
	/* nor when the current one has gone */
	b->peers[0].keypairs[b->peers[0].current].counter = TN_REJECT_AFTER_MESSAGES;
	CHECK_EQ(device_seal(b, 0, 100, old), 0);
}

TN_TEST("[tunnel 28] rekey after 120 s on sending, by the initiator only, and only when the batch is out")
{
	struct device *a, *b;
	session(&a, &b);
	const uint64_t born = now;
	unsigned mark = record_count;
	advance(born + 120000);
	device_send(a, 0, 100);
	device_send(b, 0, 100);
	CHECK_EQ(count_sent(a, 1, mark) + count_sent(b, 1, mark), 0);
	pump();
	advance(born + 120001);
	mark = record_count;
	device_send(b, 0, 100);
	CHECK_EQ(count_sent(b, 1, mark), 0);
	device_send(a, 0, 100);
	CHECK_EQ(count_sent(a, 1, mark), 1);
	CHECK_EQ(records[mark + 1].type, 4); /* the packet goes first */
	CHECK_EQ(records[mark + 2].type, 1);
	pump();
	CHECK_EQ(a->peers[0].keypairs[a->peers[0].current].created_at, now);
	CHECK_EQ(b->peers[0].keypairs[b->peers[0].current].created_at, now);
}

TN_TEST("[tunnel 28] after 165 s the initiator rekeys on receiving, once")
{
	struct device *a, *b;
	session(&a, &b);
	const uint64_t born = now;
	advance(born + 165000);
	unsigned mark = record_count;
	device_send(b, 0, 100);
	pump();
	CHECK_EQ(count_sent(a, 1, mark), 0);
	advance(born + 165001);
	lose = lose_handshakes;
	device_send(b, 0, 100);
	pump();
	CHECK_EQ(count_sent(a, 1, mark), 1);
	CHECK(a->in.reply_to == TN_WG_REPLY_PATH && a->in.kind == TN_WG_DATA);
	/* once: later packets leave it to the retry */
	for (unsigned i = 0; i < 40; i++) {
		advance(now + 100);
		device_send(b, 0, 100);
	}
	CHECK_EQ(count_sent(a, 1, mark), 1);
	/* also when 5 s are over: a second initiation out of turn would begin the count of retries anew */
	a->peers[0].retransmit_at = last_sent(a, 1)->at + 5500;
	now = last_sent(a, 1)->at + 5200;
	device_send(b, 0, 100);
	pump();
	CHECK_EQ(a->in.kind, TN_WG_DATA);
	CHECK_EQ(count_sent(a, 1, mark), 1);
	lose = NULL;
	advance(now + 3000);
	CHECK_EQ(count_sent(a, 1, mark), 2);
	CHECK(a->peers[0].keypairs[a->peers[0].current].created_at > born + 165000);
	CHECK_EQ(count_sent(b, 1, mark), 0);
}

TN_TEST("[tunnel 29] at 180 s a keypair neither sends nor receives")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM], spare[DATAGRAM];
	session(&a, &b);
	const uint64_t born = now;
	now = born + 179999;
	const size_t length = device_seal(a, 0, 100, datagram);
	CHECK(length > 0);
	CHECK(device_seal(b, 0, 100, spare) > 0);
	deliver(b, datagram, length);
	CHECK_EQ(b->in.kind, TN_WG_DATA);
	const size_t late = device_seal(a, 0, 100, datagram);
	CHECK(late > 0);
	now = born + 180000;
	CHECK_EQ(device_seal(a, 0, 100, spare), 0);
	CHECK_EQ(device_seal(b, 0, 100, spare), 0);
	CHECK(!tn_wg_has_session(&a->wg, 0, now));
	deliver(b, datagram, late);
	ignored(b);
	CHECK_EQ(b->wg.counters.expired, 1);
	/* the responder initiates when it has something to send */
	unsigned mark = record_count;
	device_send(b, 0, 100);
	CHECK_EQ(count_sent(b, 1, mark), 1);
	pump();
	CHECK_EQ(a->received[0], 1);
}

TN_TEST("[tunnel 29] at 540 s without a new session all secrets of the peer are zero in memory")
{
	struct device *a, *b;
	session(&a, &b);
	const uint64_t born = now;
	uint8_t secret[32];
	memcpy(secret, a->peers[0].remote.static_static, 32);
	lose = lose_all;
	advance(born + 539999);
	CHECK(!tn_is_zero(a->peers[0].keypairs, sizeof a->peers[0].keypairs));
	CHECK_EQ(a->idle[0], 0);
	advance(born + 540000);
	for (unsigned i = 0; i < 2; i++) {
		struct device *device = i ? b : a;
		CHECK(tn_is_zero(device->peers[0].keypairs, sizeof device->peers[0].keypairs));
		CHECK(tn_is_zero(&device->peers[0].handshake, sizeof device->peers[0].handshake));
		CHECK(tn_is_zero(&device->peers[0].cookie, sizeof device->peers[0].cookie));
		CHECK(tn_is_zero(device->peers[0].remote.static_static, 32));
		CHECK(tn_is_zero(device->indices, sizeof device->indices));
		CHECK_EQ(device->idle[0], 1);
		const uint8_t *bytes = (const uint8_t *)device;
		for (size_t at = 0; at + 32 <= sizeof *device; at++)
			CHECK(memcmp(bytes + at, secret, 32) != 0);
	}
	CHECK_EQ(tn_wg_next_deadline(&a->wg), TN_WG_NO_DEADLINE); /* an idle node sends nothing and wakes for nothing */
	/* the greatest timestamp is forgotten as the official node forgets it: b's clock may have been reset */
	CHECK(!a->peers[0].has_timestamp && !b->peers[0].has_timestamp);
	/* nobody answers: what is staged is dropped in the end, and 540 s later the peer is idle again */
	const unsigned dropped = a->dropped[0];
	device_send(a, 0, 100);
	advance(now + 120000);
	CHECK_EQ(a->dropped[0], dropped + 1);
	const uint64_t gave_up = a->peers[0].zero_keys_at - 540000;
	CHECK(gave_up > born + 540000 + 100000 && gave_up < born + 540000 + 107000);
	CHECK(!tn_is_zero(&a->peers[0].handshake, sizeof a->peers[0].handshake));
	a->staged[0] = 1; /* as if a packet came at the last moment */
	advance(gave_up + 540000);
	CHECK_EQ(a->idle[0], 2);
	CHECK_EQ(a->staged[0], 0);
	CHECK(tn_is_zero(&a->peers[0].handshake, sizeof a->peers[0].handshake));
	/* the slot still works */
	lose = NULL;
	device_send(a, 0, 100);
	pump();
	CHECK_EQ(b->received[0], 2);
	/* and a peer that never answered is idle 540 s after it was added */
	world_reset(5000);
	a = device_new();
	CHECK(tn_wg_peer_add(&a->wg, 0, device_new()->wg.identity.public_key, now));
	advance(5000 + 539999);
	CHECK_EQ(a->idle[0], 0);
	advance(5000 + 540000);
	CHECK_EQ(a->idle[0], 1);
}
