/* tn_wireguard.h: peers come and go, keys change, memory is wiped. */
#include "tn_pair.h"

TN_TEST("[tunnel 36] a removed peer's packets stop at once in both directions; a dropped session begins anew")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM];
	session(&a, &b);
	const size_t length = device_seal(a, 0, 100, datagram);
	tn_wg_peer_remove(&b->wg, 0);
	CHECK(tn_is_zero(&b->peers[0], sizeof b->peers[0]));
	CHECK(tn_is_zero(b->indices, sizeof b->indices));
	deliver(b, datagram, length);
	ignored(b);
	CHECK_EQ(device_seal(b, 0, 100, datagram), 0);
	CHECK(!tn_wg_initiate(&b->wg, 0, now));
	CHECK_EQ(tn_wg_peer_find(&b->wg, a->wg.identity.public_key), -1);

	/* the same key in the same slot changes nothing: AllowedIPs changes keep the session */
	session(&a, &b);
	CHECK(tn_wg_peer_add(&b->wg, 0, a->wg.identity.public_key, now));
	CHECK(tn_wg_has_session(&b->wg, 0, now));
	CHECK(!tn_wg_peer_add(&b->wg, 1, a->wg.identity.public_key, now));
	CHECK(!tn_wg_peer_add(&b->wg, SLOTS, device_new()->wg.identity.public_key, now));
	CHECK(!tn_wg_peer_add(&b->wg, 0, device_new()->wg.identity.public_key, now));
	CHECK(!tn_wg_peer_add(&b->wg, 2, b->wg.identity.public_key, now));

	/* a changed disco key drops it: at once a new handshake, not after 15 s; and the peer's restarted clock is welcome */
	tn_wg_peer_drop_sessions(&b->wg, 0, now);
	CHECK(!tn_wg_has_session(&b->wg, 0, now));
	CHECK(!b->peers[0].has_timestamp);
	device_send(b, 0, 50);
	pump();
	CHECK_EQ(a->received[0], 1);
}

TN_TEST("[tunnel 37] another node key zeroes all sessions and makes new static-static secrets")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM], key[32], old_secret[32];
	session(&a, &b);
	memcpy(old_secret, b->peers[0].remote.static_static, 32);
	const size_t length = device_seal(a, 0, 100, datagram);
	tn_wg_set_key(&b->wg, b->private_key, now); /* the same key */
	CHECK(tn_wg_has_session(&b->wg, 0, now));
	tn_test_random_bytes(key, 32);
	tn_wg_set_key(&b->wg, key, now);
	CHECK(!tn_wg_has_session(&b->wg, 0, now));
	CHECK(tn_is_zero(b->peers[0].keypairs, sizeof b->peers[0].keypairs));
	CHECK(tn_is_zero(b->peers[0].remote.static_static, 32));
	deliver(b, datagram, length);
	ignored(b);
	tn_wg_peer_remove(&a->wg, 0);
	CHECK(tn_wg_peer_add(&a->wg, 0, b->wg.identity.public_key, now));
	device_send(b, 0, 100);
	pump();
	CHECK_EQ(a->received[0], 1);
	CHECK(memcmp(b->peers[0].remote.static_static, old_secret, 32) != 0);
	/* logged out: nothing is processed */
	tn_wg_set_key(&b->wg, NULL, now);
	CHECK(tn_is_zero(&b->wg.identity, sizeof b->wg.identity));
	a->staged[0] = 1;
	now += 6000;
	CHECK(tn_wg_initiate(&a->wg, 0, now));
	pump();
	ignored(b);
	CHECK_EQ(device_seal(b, 0, 100, datagram), 0);
	CHECK(!tn_wg_initiate(&b->wg, 0, now));
}

TN_TEST("an evicted peer's greatest timestamp is kept for 540 s, a removed one's is not")
{
	struct device *a, *b;
	uint8_t message[148];
	initiation(&a, &b, message);
	deliver(b, message, 148);
	CHECK_EQ(b->in.reply_length, 92);
	tn_wg_peer_evict(&b->wg, 0, now);
	now += 539999;
	CHECK(tn_wg_peer_add(&b->wg, 1, a->wg.identity.public_key, now));
	deliver(b, message, 148);
	ignored(b);
	tn_wg_peer_evict(&b->wg, 1, now);
	now += 540000;
	CHECK(tn_wg_peer_add(&b->wg, 1, a->wg.identity.public_key, now));
	CHECK(!b->peers[1].has_timestamp);
	deliver(b, message, 148);
	CHECK_EQ(b->in.reply_length, 92);
	tn_wg_peer_remove(&b->wg, 1);
	CHECK(tn_wg_peer_add(&b->wg, 1, a->wg.identity.public_key, now));
	CHECK(!b->peers[1].has_timestamp);
}

TN_TEST("a peer is found by its key, also among keys that share a chain, and not once it is gone")
{
	world_reset(1000);
	struct device *a = device_new();
	uint8_t keys[SLOTS][32];
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			if (a->peers[slot].used)
				continue;
			tn_test_random_bytes(keys[slot], 32);
			keys[slot][3] = (uint8_t)(round % 2); /* one chain, or two */
			CHECK(tn_wg_peer_add(&a->wg, slot, keys[slot], now));
		}
		for (unsigned slot = 0; slot < SLOTS; slot++)
			CHECK_EQ(tn_wg_peer_find(&a->wg, keys[slot]), slot);
		const unsigned gone = tn_test_random_below(SLOTS);
		tn_wg_peer_remove(&a->wg, gone);
		for (unsigned slot = 0; slot < SLOTS; slot++)
			CHECK_EQ(tn_wg_peer_find(&a->wg, keys[slot]), slot == gone ? -1 : (int)slot);
	}
	tn_wg_wipe(&a->wg);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		CHECK_EQ(tn_wg_peer_find(&a->wg, keys[slot]), -1);
	CHECK(tn_is_zero(a->peers, sizeof a->peers));
}

TN_TEST("a device starts from memory in any state, and wiping leaves nothing in it")
{
	static struct tn_wg wg;
	static struct tn_wg_peer peers[3];
	static struct tn_wg_index indices[TN_WG_INDICES(3)];
	struct device *a, *b;
	session(&a, &b);
	const struct tn_wg_host host = b->wg.host;
	memset(&wg, 0xa5, sizeof wg);
	memset(peers, 0xa5, sizeof peers);
	memset(indices, 0xa5, sizeof indices);
	tn_wg_init(&wg, peers, 3, indices, &host);
	CHECK(!wg.has_key && tn_is_zero(peers, sizeof peers) && tn_is_zero(indices, sizeof indices));
	CHECK(tn_is_zero(&wg.counters, sizeof wg.counters) && tn_is_zero(wg.remembered, sizeof wg.remembered));
	CHECK_EQ(wg.under_load_until, 0);
	CHECK_EQ(tn_wg_next_deadline(&wg), TN_WG_NO_DEADLINE);

	CHECK(!tn_is_zero(a->indices, sizeof a->indices));
	tn_wg_index_new(&a->wg, 0, TN_WG_INDEX_HANDSHAKE);
	for (unsigned i = 0; i < TN_WG_INDICES(SLOTS); i++)
		a->indices[i].index = 7;
	tn_wg_wipe(&a->wg);
	CHECK(tn_is_zero(a->indices, sizeof a->indices));
	CHECK(tn_is_zero(a->peers, sizeof a->peers));
	CHECK(tn_is_zero(&a->wg.identity, sizeof a->wg.identity));
	CHECK(tn_is_zero(&a->wg.cookie_maker, sizeof a->wg.cookie_maker));
	CHECK_EQ(tn_wg_next_deadline(&a->wg), TN_WG_NO_DEADLINE);
}

TN_TEST("all indices of a full device are distinct and random")
{
	world_reset(1000);
	struct device *a = device_new();
	uint32_t seen[SLOTS * 4], count = 0;
	for (unsigned slot = 0; slot < SLOTS; slot++)
		for (unsigned kind = 1; kind < 5; kind++) {
			seen[count] = tn_wg_index_new(&a->wg, slot, kind);
			for (unsigned i = 0; i < count; i++)
				CHECK((seen[i] & a->wg.index_mask) != (seen[count] & a->wg.index_mask));
			const struct tn_wg_index *entry = tn_wg_index_find(&a->wg, seen[count]);
			CHECK(entry && entry->slot == slot && entry->kind == kind);
			count++;
		}
	/* With a broken source of randomness there is still an end. */
	for (unsigned i = 0; i < count; i++)
		tn_wg_index_free(&a->wg, seen[i]);
	CHECK(tn_is_zero(a->indices, sizeof a->indices));
	uint8_t zeros[200] = {0};
	script_push(zeros, sizeof zeros);
	CHECK_EQ(tn_wg_index_new(&a->wg, 0, 1), 0);
	CHECK_EQ(tn_wg_index_new(&a->wg, 0, 1), 1);
}
