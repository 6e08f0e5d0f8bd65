/* tn_wireguard.h: transport packets, what is refused and what that leaves alone. */
#include "tn_pair.h"
#include "vectors_wireguard.h"

TN_TEST("[tunnel 4] a datagram of 0..31 bytes is dropped without touching any state")
{
	struct device *a, *b;
	struct snapshot before;
	session(&a, &b);
	snapshot(b, &before);
	for (unsigned type = 0; type < 6; type++)
		for (size_t length = 0; length < 32; length++) {
			uint8_t datagram[32] = {0};
			datagram[0] = (uint8_t)type;
			if (length >= 8)
				tn_store32le(datagram + 4, b->peers[0].keypairs[b->peers[0].current].local_index);
			deliver(b, datagram, length);
			ignored(b);
			unchanged(b, &before);
		}
	CHECK_EQ(b->wg.counters.malformed, 6 * 32);
}

TN_TEST("[tunnel 6] a transport datagram truncated at every length never opens and never changes the replay window")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM];
	struct snapshot before;
	session(&a, &b);
	const size_t length = device_seal(a, 0, 200, datagram);
	snapshot(b, &before);
	for (size_t cut = 0; cut < length; cut++) {
		deliver(b, datagram, cut);
		ignored(b);
		unchanged(b, &before);
	}
	deliver(b, datagram, length);
	CHECK_EQ(b->in.kind, TN_WG_DATA);
	CHECK_EQ(b->in.length, 200);
	uint8_t packet[200];
	fill_packet(packet, sizeof packet);
	CHECK_MEM(b->datagram + b->in.offset, packet, 200);
}

TN_TEST("a transport datagram with any bit changed is dropped and changes nothing")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM];
	struct snapshot before;
	session(&a, &b);
	const size_t length = device_seal(a, 0, 40, datagram);
	snapshot(b, &before);
	for (size_t bit = 0; bit < length * 8; bit++) {
		datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		deliver(b, datagram, length);
		ignored(b);
		datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	unchanged(b, &before);
}

TN_TEST("[tunnel 33] a freed index given to another peer's handshake does not accept old packets")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM];
	session(&a, &b);
	struct device *c = device_new();
	pair(b, 1, c, 0);
	const size_t length = device_seal(a, 0, 100, datagram);
	const uint32_t index = b->peers[0].keypairs[b->peers[0].current].local_index;
	tn_wg_peer_drop_sessions(&b->wg, 0, now);
	deliver(b, datagram, length);
	ignored(b);
	CHECK_EQ(b->wg.counters.unknown_index, 1);
	/* first as a handshake in flight, then as a keypair */
	script_push(&index, sizeof index);
	device_send(b, 1, 100);
	CHECK_EQ(b->peers[1].handshake.local_index, index);
	deliver(b, datagram, length);
	ignored(b);
	CHECK_EQ(b->wg.counters.unknown_index, 2);
	pump();
	CHECK_EQ(b->peers[1].keypairs[b->peers[1].current].local_index, index);
	struct snapshot before;
	snapshot(b, &before);
	deliver(b, datagram, length);
	ignored(b);
	unchanged(b, &before);
	CHECK_EQ(b->wg.counters.bad_tag, 1);
}

TN_TEST("[tunnel 34] an unknown receiver index is dropped after one probe of the index table")
{
	struct device *a, *b;
	session(&a, &b);
	struct snapshot before;
	snapshot(b, &before);
	uint8_t datagram[1312] = {4};
	for (unsigned i = 0; i < 2000; i++) {
		const uint32_t index = (uint32_t)tn_test_random();
		tn_store32le(datagram + 4, index);
		const struct tn_wg_index *entry = &b->indices[index & b->wg.index_mask];
		if (entry->index == index)
			continue;
		CHECK(tn_wg_index_find(&b->wg, index) == NULL);
		deliver(b, datagram, sizeof datagram);
		ignored(b);
	}
	tn_store32le(datagram + 4, 0); /* the index of free entries */
	deliver(b, datagram, sizeof datagram);
	ignored(b);
	unchanged(b, &before);
}

TN_TEST("[tunnel 35] a replay of any earlier packet is dropped, and counters are marked only after the tag verified")
{
	struct device *a, *b;
	static uint8_t sent[300][DATAGRAM];
	static size_t lengths[300];
	session(&a, &b);
	for (unsigned i = 0; i < 300; i++)
		lengths[i] = device_seal(a, 0, 20 + i, sent[i]);
	for (unsigned i = 0; i < 300; i++) {
		const unsigned k = (i * 7) % 300; /* out of order */
		uint8_t forged[DATAGRAM];
		memcpy(forged, sent[k], lengths[k]);
		forged[lengths[k] - 1] ^= 1;
		deliver(b, forged, lengths[k]);
		ignored(b);
		deliver(b, sent[k], lengths[k]);
		CHECK_EQ(b->in.kind, TN_WG_DATA);
	}
	const uint32_t replayed = b->wg.counters.replayed;
	for (unsigned i = 0; i < 300; i++) {
		deliver(b, sent[i], lengths[i]);
		ignored(b);
	}
	CHECK_EQ(b->wg.counters.replayed, replayed + 300);
}

TN_TEST("[tunnel 38] the same datagram by UDP and DERP is delivered once")
{
	struct device *a, *b;
	uint8_t datagram[DATAGRAM];
	session(&a, &b);
	const size_t length = device_seal(a, 0, 100, datagram);
	uint8_t copy[DATAGRAM];
	memcpy(copy, datagram, length);
	tn_wg_receive(&b->wg, datagram, length, a->source, 18, now, &b->in);
	CHECK_EQ(b->in.kind, TN_WG_DATA);
	tn_wg_receive(&b->wg, copy, length, a->wg.identity.public_key, 32, now, &b->in);
	ignored(b);
	CHECK_EQ(b->wg.counters.replayed, 1);
}

TN_TEST("[tunnel 40] inner length fields cut the packet or drop it, and never reach beyond it")
{
	static const struct {
		unsigned version, stated;
		size_t plain, want;
	} cases[] = {{4, 0, 32, 0},  {4, 19, 32, 0}, {4, 20, 32, 20},     {4, 32, 32, 32},     {4, 33, 32, 0}, {4, 65535, 48, 0}, {4, 20, 16, 0}, {6, 0, 48, 40},
	             {6, 8, 48, 48}, {6, 9, 48, 0},  {6, 65535, 1280, 0}, {6, 65496, 1280, 0}, {6, 0, 32, 0},  {0, 20, 32, 0},    {5, 20, 48, 0}, {15, 40, 48, 0}};
	struct device *a, *b;
	session(&a, &b);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t datagram[DATAGRAM] = {0}, *packet = datagram + TN_WG_HEADER;
		packet[0] = (uint8_t)(cases[i].version << 4);
		tn_store16be(packet + (cases[i].version == 6 ? 4 : 2), (uint16_t)cases[i].stated);
		const size_t length = tn_wg_seal(&a->wg, 0, packet, cases[i].plain, now);
		deliver(b, datagram, length);
		CHECK(b->in.events & TN_WG_AUTHENTICATED);
		CHECK_EQ(b->in.kind, cases[i].want ? TN_WG_DATA : TN_WG_NOTHING);
		if (cases[i].want)
			CHECK_EQ(b->in.length, cases[i].want);
	}
}

TN_VECTOR_TEST("wireguard", "[tunnel 44] every padding vector")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_wireguard, "padding");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		const struct tn_vector *length = tn_vector_get(&list->items[i], "len"), *mtu = tn_vector_get(&list->items[i], "mtu");
		TEST_VECTOR(length->text);
		CHECK_EQ(tn_wg_padding((size_t)tn_vector_number(length), (size_t)tn_vector_number(mtu)), tn_vector_number(tn_vector_get(&list->items[i], "pad")));
	}
}
