/*
 * Two devices with a session; the input is what an attacker and time do to them. The invariants are the oracle:
 *
 * - what is authenticated was sent by the other device, to the byte, and is authenticated once
 * - results stay inside the datagram, replies have a message's length
 * - index table, rotation and keypairs agree with each other
 * - no deadline lies before the device's bound of them; no nonce repeats
 *
 * Input: operations, each a byte and what it needs (see step).
 */
#define TN_TEST_NO_MAIN
#include <stdlib.h>

#include "tn_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT 64

static struct sent {
	const struct device *from;
	size_t length;
	bool used;
	uint8_t bytes[DATAGRAM];
} kept[KEPT];
static unsigned kept_count;

static void oracle(bool ok, const char *what)
{
	if (ok)
		return;
	printf("broken: %s\n", what);
	abort();
}

static void check_device(const struct device *device)
{
	unsigned expected = 0, found = 0;
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		const struct tn_wg_peer *peer = &device->peers[slot];
		if (!peer->used) {
			oracle(tn_is_zero(peer, sizeof *peer), "a free slot is zero");
			continue;
		}
		const uint8_t places[] = {peer->current, peer->next, peer->previous};
		bool named[3] = {false, false, false};
		for (unsigned i = 0; i < 3; i++) {
			if (places[i] == TN_WG_NO_KEYPAIR)
				continue;
			oracle(places[i] < 3 && !named[places[i]], "a keypair has one place");
			named[places[i]] = true;
		}
		for (unsigned i = 0; i < 3; i++) {
			const struct tn_keypair *keypair = &peer->keypairs[i];
			oracle(keypair->used == named[i], "a keypair is used when it has a place");
			oracle(keypair->used || tn_is_zero(keypair, sizeof *keypair), "an unused keypair is zero");
			if (!keypair->used)
				continue;
			const struct tn_wg_index *entry = tn_wg_index_find(&device->wg, keypair->local_index);
			oracle(entry && entry->slot == slot && entry->kind == TN_WG_INDEX_KEYPAIR + i, "a keypair's index names it");
			expected++;
		}
		oracle(peer->handshake.state != TN_HANDSHAKE_INITIATION_CONSUMED, "a consumed initiation is answered at once");
		if (peer->handshake.state == TN_HANDSHAKE_INITIATION_CREATED) {
			const struct tn_wg_index *entry = tn_wg_index_find(&device->wg, peer->handshake.local_index);
			oracle(entry && entry->slot == slot && entry->kind == TN_WG_INDEX_HANDSHAKE, "a handshake's index names it");
			expected++;
		}
		const uint64_t deadlines[] = {peer->retransmit_at, peer->send_keepalive_at, peer->new_handshake_at, peer->zero_keys_at, peer->rekey_at};
		for (unsigned i = 0; i < sizeof deadlines / sizeof *deadlines; i++)
			oracle(deadlines[i] == 0 || deadlines[i] >= device->wg.deadline, "no deadline is missed");
	}
	for (size_t i = 0; i <= device->wg.index_mask; i++)
		found += device->indices[i].kind != TN_WG_INDEX_FREE;
	oracle(found == expected, "no index is left over");
}

static void keep(const struct device *from, const uint8_t *bytes, size_t length)
{
	for (unsigned i = 0; i < KEPT && i < kept_count; i++)
		oracle(bytes[0] != 4 || kept[i].bytes[0] != 4 || kept[i].from != from || memcmp(kept[i].bytes + 4, bytes + 4, 12) != 0, "no nonce repeats");
	struct sent *sent = &kept[kept_count++ % KEPT];
	sent->from = from;
	sent->length = length;
	sent->used = false;
	memcpy(sent->bytes, bytes, length);
}

/* Takes over what was posted since the last call; nothing is delivered by itself. */
static void collect(void)
{
	while (flight_head != flight_tail) {
		const struct flight *flight = &flights[flight_head++ % IN_FLIGHT];
		keep(flight->from, flight->bytes, flight->length);
	}
	record_count = 0;
}

static void offer(struct device *to, const uint8_t *bytes, size_t length)
{
	deliver_from(to == &devices[0] ? &devices[1] : &devices[0], to, bytes, length);
	const struct tn_wg_in *in = &to->in;
	if (in->events & TN_WG_AUTHENTICATED) {
		struct sent *match = NULL;
		for (unsigned i = 0; i < KEPT && i < kept_count; i++)
			if (kept[i].from != to && kept[i].length == length && memcmp(kept[i].bytes, bytes, length) == 0 && !kept[i].used)
				match = &kept[i];
		oracle(match != NULL, "what is authenticated was sent, and is new");
		match->used = true;
	}
	oracle(in->kind != TN_WG_DATA || ((in->events & TN_WG_AUTHENTICATED) && in->offset == 16 && in->length >= 20 && in->length <= length - 32),
	       "an inner packet lies in its datagram");
	oracle(in->reply_to == TN_WG_REPLY_NONE || in->reply_length == 32 || in->reply_length == 64 || in->reply_length == 92 || in->reply_length == 148,
	       "a reply is a message");
	oracle((in->events == 0 && in->kind != TN_WG_DATA) || in->slot < SLOTS, "the slot exists");
	collect();
}

struct input {
	const uint8_t *data;
	size_t size;
};

static unsigned next(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

static void step(struct input *input)
{
	const unsigned op = next(input);
	struct device *device = &devices[op & 1];
	uint8_t bytes[DATAGRAM] = {0};
	switch (op >> 1 & 7) {
	case 0: { /* length, bytes as they come */
		const size_t length = next(input) * 2u;
		for (size_t i = 0; i < length; i++)
			bytes[i] = (uint8_t)next(input);
		offer(device, bytes, length);
		break;
	}
	case 1: { /* a datagram that was sent, as it is */
		if (kept_count == 0)
			break;
		const struct sent copy = kept[next(input) % (kept_count < KEPT ? kept_count : KEPT)];
		offer(device, copy.bytes, copy.length);
		break;
	}
	case 2: { /* one that was sent, a byte changed, cut or grown; macs made to fit when asked for */
		if (kept_count == 0)
			break;
		struct sent copy = kept[next(input) % (kept_count < KEPT ? kept_count : KEPT)];
		const size_t at = next(input) * 6u;
		copy.bytes[at < copy.length ? at : 0] ^= (uint8_t)next(input);
		const unsigned how = next(input);
		if (how & 1)
			copy.length = copy.length * (how >> 1) / 128;
		if ((how & 2) && copy.length >= 32 && copy.bytes[0] != 4) {
			struct tn_cookie_jar jar = {0};
			tn_cookie_add_macs(&jar, &device->wg.identity.cookie, copy.bytes, copy.length, now);
		}
		if (copy.length < DATAGRAM)
			offer(device, copy.bytes, copy.length);
		break;
	}
	case 3: /* time passes; both tick */
		now += next(input) * (uint64_t)(1 << (next(input) & 15));
		for (unsigned i = 0; i < 2; i++) {
			tn_wg_tick(&devices[i].wg, now);
			collect();
		}
		break;
	case 4: /* a packet is sent */
		device_send(device, 0, 20 + next(input));
		collect();
		break;
	case 5: /* a handshake is wanted */
		(void)tn_wg_initiate(&device->wg, 0, now);
		collect();
		break;
	case 6: { /* the peer goes and comes */
		const unsigned how = next(input) & 3;
		struct device *other = &devices[~op & 1];
		if (how == 0)
			tn_wg_peer_evict(&device->wg, 0, now);
		else if (how == 1)
			tn_wg_peer_remove(&device->wg, 0);
		else
			tn_wg_peer_drop_sessions(&device->wg, 0, now);
		oracle(tn_wg_peer_add(&device->wg, 0, other->wg.identity.public_key, now), "a free slot takes a peer");
		break;
	}
	case 7: /* load */
		device->wg.under_load_until = now + next(input) * 16u;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct device *a, *b;
	tn_test_seed = 1;
	kept_count = 0;
	session(&a, &b);
	collect();
	for (unsigned i = 0; i < 200 && input.size > 0; i++) {
		step(&input);
		check_device(a);
		check_device(b);
	}
	return 0;
}
