/* tn_wireguard.h under a simulated clock: conversations of two devices. protocol/tunnel.md §2.3. */
#include "tn_pair.h"

TN_TEST("[tunnel 25] an initiation is retried after 5.000 to 5.333 s, 20 in all; then staged packets are dropped and the next one starts anew")
{
	struct device *a, *b;
	bool early = false, late = false;
	for (unsigned round = 0; round < 10; round++) {
		pair_only(&a, &b);
		lose = lose_all;
		device_send(a, 0, 100);
		advance(now + 20 * 5334 + 5000);
		CHECK_EQ(count_sent(a, 1, 0), 20);
		CHECK_EQ(record_count, 20);
		for (unsigned i = 1; i < 20; i++) {
			const uint64_t gap = records[i].at - records[i - 1].at;
			CHECK(gap >= 5000 && gap <= 5333);
			early = early || gap < 5050;
			late = late || gap > 5283;
		}
		CHECK_EQ(a->dropped[0], 1);
		CHECK_EQ(a->staged[0], 0);
		device_send(a, 0, 100);
		CHECK_EQ(count_sent(a, 1, 0), 21);
		lose = NULL;
		advance(now + 6000);
		CHECK_EQ(b->received[0], 1);
	}
	CHECK(early && late); /* the jitter uses its range */
}

TN_TEST("[tunnel 26] each retransmission has a new ephemeral, a new index and a greater timestamp; the old index is dead")
{
	struct device *a, *b;
	uint8_t response[92];
	pair_only(&a, &b);
	device_send(a, 0, 100);
	pump_one();
	memcpy(response, b->in.reply, 92);
	flight_head = flight_tail;
	lose = lose_all;
	advance(now + 30000);
	CHECK(record_count > 5);
	uint8_t last_timestamp[12] = {0};
	for (unsigned i = 0; i < record_count; i++) {
		if (records[i].type != 1)
			continue;
		struct tn_initiation initiation;
		CHECK(tn_handshake_read_static(&initiation, &b->wg.identity, records[i].head));
		CHECK(tn_handshake_read_timestamp(&initiation, &b->wg.identity, &b->peers[0].remote, records[i].head));
		CHECK(memcmp(initiation.timestamp, last_timestamp, 12) > 0);
		memcpy(last_timestamp, initiation.timestamp, 12);
		for (unsigned k = 0; k < i; k++)
			if (records[k].type == 1) {
				CHECK(memcmp(records[k].head + 8, records[i].head + 8, 32) != 0);
				CHECK(memcmp(records[k].head + 4, records[i].head + 4, 4) != 0);
			}
	}
	struct snapshot before;
	snapshot(a, &before);
	deliver(a, response, 92); /* to the first initiation */
	ignored(a);
	unchanged(a, &before);
}

TN_TEST("[tunnel 27] no handshake message to a peer within 5 s of the last one, apart from responses")
{
	struct device *a, *b;
	pair_only(&a, &b);
	lose = lose_handshakes;
	for (unsigned i = 0; i < 3000; i++) {
		advance(now + tn_test_random_below(60));
		device_send(tn_test_random_below(2) ? a : b, 0, 40);
	}
	uint64_t last[2] = {0, 0};
	unsigned count = 0;
	for (unsigned i = 0; i < record_count; i++) {
		const unsigned who = records[i].from == a ? 0 : 1;
		if (records[i].type != 1)
			continue;
		CHECK(last[who] == 0 || records[i].at - last[who] >= 5000);
		last[who] = records[i].at;
		count++;
	}
	CHECK(count > 10);
}

TN_TEST("a handshake that was lost with a relay begins again when the relay is back; where there is none, or no peer, nothing begins")
{
	struct device *a, *b;
	pair_only(&a, &b);
	tn_wg_retry(&a->wg, 0, now, now);
	tn_wg_retry(&a->wg, 1, now, now);
	tn_wg_retry(&a->wg, SLOTS, now, now);
	advance(now + 20000);
	CHECK_EQ(a->wg.counters.initiations, 0);
	lose = lose_all;
	device_send(a, 0, 40);
	advance(now + 1000);
	CHECK_EQ(a->wg.counters.initiations, 1);
	lose = NULL;
	tn_wg_retry(&a->wg, 0, now - 1001, now); /* sent after the loss, it was not lost */
	advance(now + 1);
	CHECK_EQ(a->wg.counters.initiations, 1);
	tn_wg_retry(&a->wg, 0, now - 1001, now);
	advance(now + 1);
	pump();
	CHECK_EQ(a->wg.counters.initiations, 2);
	CHECK_EQ(b->received[0], 1);
}

TN_TEST("[tunnel 30] a passive keepalive follows 10 s after received data, none when data was sent meanwhile")
{
	struct device *a, *b;
	session(&a, &b);
	const uint64_t start = now; /* b received data */
	unsigned mark = record_count;
	advance(start + 9999);
	CHECK_EQ(count_keepalives(b, mark), 0);
	advance(start + 10000);
	CHECK_EQ(count_keepalives(b, mark), 1);
	CHECK_EQ(a->keepalives[0], 1);
	advance(start + 60000);
	CHECK_EQ(count_keepalives(b, mark), 1);
	CHECK_EQ(count_keepalives(a, mark), 0); /* a keepalive is not answered */

	session(&a, &b);
	mark = record_count;
	advance(now + 5000);
	device_send(b, 0, 100);
	pump();
	advance(now + 9999);
	CHECK_EQ(count_keepalives(b, mark), 0);
	CHECK_EQ(count_keepalives(a, mark), 0);
	advance(now + 1);
	CHECK_EQ(count_keepalives(a, mark), 1);
	CHECK_EQ(count_keepalives(b, mark), 0);
}

TN_TEST("[tunnel 30] only one keepalive every 10 s while data keeps coming, and the last one after it ended")
{
	struct device *a, *b;
	session(&a, &b);
	const uint64_t start = now;
	unsigned mark = record_count;
	for (unsigned i = 0; i < 350; i++) {
		advance(now + 100);
		device_send(a, 0, 100);
	}
	CHECK_EQ(now, start + 35000);
	CHECK_EQ(count_keepalives(b, mark), 3);
	advance(now + 60000);
	CHECK_EQ(count_keepalives(b, mark), 5); /* at 40 s for data since 30 s, once more for data since then: nobody looks when it ended */
	CHECK_EQ(last_sent(b, 4)->at, start + 50000);
	CHECK_EQ(count_sent(a, 1, mark), 0); /* so the sender has no reason to doubt */
}

TN_TEST("[tunnel 31] 15 s after unanswered data a new handshake starts")
{
	struct device *a, *b;
	session(&a, &b);
	lose = lose_all;
	const uint64_t start = now; /* a sent data now */
	unsigned mark = record_count;
	for (unsigned i = 0; i < 149; i++) {
		advance(now + 100);
		device_send(a, 0, 100); /* more data does not put it off */
	}
	CHECK_EQ(count_sent(a, 1, mark), 0);
	advance(start + 15334);
	CHECK_EQ(count_sent(a, 1, mark), 1);
	CHECK(last_sent(a, 1)->at >= start + 15000 && last_sent(a, 1)->at <= start + 15333);

	/* an answer in time, even a keepalive, and there is none */
	session(&a, &b);
	mark = record_count;
	advance(now + 40000);
	CHECK_EQ(count_sent(a, 1, mark) + count_sent(b, 1, mark), 0);
}

TN_TEST("[tunnel 32] counter 2^64 - 2^13 - 1 is not sent, beyond 2^60 a rekey starts")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM];
	session(&a, &b);
	now += 6000;
	struct tn_keypair *keypair = &b->peers[0].keypairs[b->peers[0].current]; /* b is responder: age is no reason */
	unsigned mark = record_count;
	keypair->counter = (uint64_t)1 << 60;
	device_send(b, 0, 100);
	CHECK_EQ(count_sent(b, 1, mark), 1);
	pump();
	CHECK(b->peers[0].keypairs[b->peers[0].current].counter < 10);

	keypair = &a->peers[0].keypairs[a->peers[0].next != TN_WG_NO_KEYPAIR ? a->peers[0].next : a->peers[0].current];
	struct tn_keypair *sending = &a->peers[0].keypairs[a->peers[0].current];
	sending->counter = TN_REJECT_AFTER_MESSAGES - 1;
	CHECK(device_seal(a, 0, 100, datagram) > 0);
	CHECK_EQ(tn_load64le(datagram + 8), TN_REJECT_AFTER_MESSAGES - 1);
	CHECK_EQ(device_seal(a, 0, 100, datagram), 0);
	CHECK_EQ(sending->counter, TN_REJECT_AFTER_MESSAGES);
	CHECK(!tn_wg_has_session(&a->wg, 0, now));
}

TN_TEST("[tunnel 32] no nonce is ever used twice")
{
	struct device *a, *b;
	session(&a, &b);
	const unsigned mark = record_count;
	for (unsigned i = 0; i < 1500; i++) {
		device_send(a, 0, 40);
		advance(now + tn_test_random_below(200));
		if (tn_test_random_below(3) == 0)
			device_send(b, 0, 40);
	}
	for (unsigned i = mark; i < record_count; i++)
		for (unsigned k = mark; k < i; k++)
			if (records[i].type == 4 && records[k].type == 4)
				if (memcmp(records[i].head + 4, records[k].head + 4, 12) == 0) {
					CHECK(false);
					return;
				}
	CHECK(record_count > mark + 1500);
}

TN_TEST("long conversations with random loss keep delivering, both ways, across many rekeys")
{
	struct device *a, *b;
	session(&a, &b);
	unsigned delivered_late = 0;
	for (unsigned minute = 0; minute < 60; minute++) {
		lose = tn_test_random_below(4) == 0 ? lose_all : NULL;
		for (unsigned i = 0; i < 10; i++) {
			if (tn_test_random_below(3))
				device_send(a, 0, 40);
			if (tn_test_random_below(3))
				device_send(b, 0, 40);
			advance(now + tn_test_random_below(20000));
		}
		record_count = 0;
		if (lose)
			continue;
		lose = NULL;
		/* Whatever happened before, within 21 s a packet arrives. */
		const unsigned before = b->received[0];
		for (unsigned i = 0; i < 21; i++) {
			device_send(a, 0, 40);
			advance(now + 1000);
		}
		if (b->received[0] == before)
			delivered_late++;
	}
	CHECK_EQ(delivered_late, 0);
}

TN_TEST("no initiation leaves with a timestamp beyond the clock's bound; the retry follows once it is raised")
{
	struct device *a, *b;
	pair_only(&a, &b);
	tn_clock_init(&a->wg.clock, 1764000000000u, 1763999999u, now);
	device_send(a, 0, 100);
	CHECK_EQ(record_count, 0);
	CHECK_EQ(a->wg.counters.clock_bound, 1);
	tn_clock_set(&a->wg.clock, 0, 1764003600u, now);
	advance(now + 5400);
	CHECK_EQ(b->received[0], 1);
}
