/*
 * What packets and handshakes cost in instructions. The parts are told to the plugin (watch.c), which counts; figures.js reads what it wrote and knows the numbers.
 * One node of ours with a device's pools is measured, and its peer, in the same program, is not.
 */
#define TN_TEST_NO_MAIN
#include "tn_net.h"

#include <sodium.h>
#include "tn_cross.h"
#include "tn_crypto.h"

enum part {
	AEAD_SEAL = 1,
	AEAD_OPEN,
	X25519,
	X25519_PUBLIC,
	WIREGUARD_SEAL,
	WIREGUARD_OPEN,
	INITIATION,
	RESPONSE,
	CONFIRMATION,
	STREAM_OUT,
	STREAM_IN,
	DATAGRAM_OUT,
	DATAGRAM_IN,
	IDLE_TURN,
	ED25519_VERIFY,
};

#define ROUNDS 64
#define INNER TN_MTU
#define PAYLOAD 1240 /* of a TCP segment over IPv4 that fills the tunnel's MTU */

static void primitives(void)
{
	static uint8_t bytes[INNER + TN_TAG_SIZE], key[32] = {1}, point[32], shared[32];
	for (unsigned i = 0; i < ROUNDS; i++) {
		tn_cross_part(AEAD_SEAL);
		tn_aead_seal(bytes, key, i, bytes, INNER, NULL, 0);
		tn_cross_part(AEAD_OPEN);
		bool is_good = tn_aead_open(bytes, key, i, bytes, INNER + TN_TAG_SIZE, NULL, 0);
		tn_cross_part(0);
		CHECK(is_good);
	}
	for (unsigned i = 0; i < 4; i++) {
		tn_test_random_bytes(key, sizeof key);
		tn_cross_part(X25519_PUBLIC);
		tn_x25519_public(point, key);
		tn_cross_part(X25519);
		bool is_good = tn_x25519(shared, key, point);
		tn_cross_part(0);
		CHECK(is_good);
	}
	for (unsigned i = 0; i < 4; i++) {
		uint8_t secret[crypto_sign_SECRETKEYBYTES], signature[crypto_sign_BYTES];
		tn_test_random_bytes(key, sizeof key);
		crypto_sign_seed_keypair(point, secret, key);
		crypto_sign_detached(signature, NULL, shared, sizeof shared, secret);
		tn_cross_part(ED25519_VERIFY);
		int result = crypto_sign_verify_detached(signature, shared, sizeof shared, point);
		tn_cross_part(0);
		CHECK(result == 0);
	}
}

/* ---- WireGuard alone: raw devices of tn_net.h ---- */

static bool has_staged(void *context, unsigned slot)
{
	(void)context, (void)slot;
	return false;
}

static uint8_t sent[256];
static size_t sent_length;

static void send(void *context, unsigned slot, const uint8_t *datagram, size_t length)
{
	(void)context, (void)slot;
	memcpy(sent, datagram, length < sizeof sent ? length : sizeof sent);
	sent_length = length;
}

static void ignore(void *context, unsigned slot)
{
	(void)context, (void)slot;
}

struct device {
	struct tn_wg wg;
	struct tn_wg_peer peers[1];
	struct tn_wg_index indices[TN_WG_INDICES(1)];
	uint8_t private_key[32], public_key[32];
};

static void open_device(struct device *device)
{
	const struct tn_wg_host host = {device, has_staged, send, ignore, ignore};
	tn_x25519_generate(device->private_key, device->public_key);
	tn_wg_init(&device->wg, device->peers, 1, device->indices, &host);
	tn_clock_init(&device->wg.clock, 1700000000000u, 1900000000, 1000);
	tn_wg_set_key(&device->wg, device->private_key, 1000);
}

static void wireguard(void)
{
	static struct device a, b;
	static uint8_t datagram[TN_WG_HEADER + INNER + TN_WG_TAIL];
	static const uint8_t from[18] = {1};
	struct tn_wg_in in;
	uint64_t now = 1000;
	open_device(&a);
	open_device(&b);
	CHECK(tn_wg_peer_add(&a.wg, 0, b.public_key, now) && tn_wg_peer_add(&b.wg, 0, a.public_key, now));
	for (unsigned i = 0; i < 8; i++) {
		now += 6000;
		tn_cross_part(i == 0 ? 0 : INITIATION); /* the first also computes the static-static secret, once for each peer */
		tn_wg_initiate(&a.wg, 0, now);
		tn_cross_part(i == 0 ? 0 : RESPONSE);
		tn_wg_receive(&b.wg, sent, sent_length, from, sizeof from, now, &in);
		tn_cross_part(0);
		REQUIRE(in.reply_to == TN_WG_REPLY_PATH);
		memcpy(sent, in.reply, in.reply_length);
		tn_cross_part(i == 0 ? 0 : CONFIRMATION);
		tn_wg_receive(&a.wg, sent, in.reply_length, from, sizeof from, now, &in);
		tn_cross_part(0);
		CHECK((in.events & TN_WG_SESSION) != 0);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		memset(datagram, 0, sizeof datagram);
		datagram[TN_WG_HEADER] = 0x45;
		tn_store16be(datagram + TN_WG_HEADER + 2, INNER);
		tn_cross_part(WIREGUARD_SEAL);
		size_t length = tn_wg_seal(&a.wg, 0, datagram + TN_WG_HEADER, INNER, now);
		tn_cross_part(WIREGUARD_OPEN);
		tn_wg_receive(&b.wg, datagram, length, from, sizeof from, now, &in);
		tn_cross_part(0);
		CHECK(in.kind == TN_WG_DATA && in.length == INNER);
	}
}

/* ---- A whole node ---- */

static uint8_t wire[NET_WIRE][2112];

/** One turn of a node, counted for a part. */
static void turn(struct net *net, struct host *host, const struct net_datagram *arrived, size_t count, uint32_t part)
{
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		if (memcmp(arrived[i].to, host->endpoint, 18) == 0)
			memcpy(wire[used++], arrived[i].bytes, arrived[i].length);
	}
	tn_cross_part(part);
	tn_node_begin(host->node, net->now);
	used = 0;
	for (size_t i = 0; i < count; i++) {
		if (memcmp(arrived[i].to, host->endpoint, 18) == 0)
			tn_node_receive(host->node, arrived[i].from, wire[used++], arrived[i].length);
	}
	tn_node_turn(host->node);
	tn_cross_part(0);
	net_vm(host);
}

/** What is on the wire, taken off it. */
static size_t take(struct net *net, struct net_datagram **arrived)
{
	size_t count = net->wire_count;
	*arrived = net->wire;
	net->wire = net->spare;
	net->spare = *arrived;
	net->wire_count = 0;
	return count;
}

/** Segments flow from one node to the other, one a turn; `part` counts what the measured node does. @return segments that went */
static unsigned stream(struct net *net, struct host *from, struct host *to, uint32_t writer, uint32_t reader, struct host *measured, uint32_t part)
{
	static uint8_t payload[PAYLOAD], got[4096];
	struct net_datagram *arrived;
	unsigned segments = 0;
	for (unsigned i = 0; i < ROUNDS; i++) {
		tn_cross_part(from == measured ? part : 0);
		size_t taken = tn_node_vm_write(from->node, writer, payload, PAYLOAD);
		tn_cross_part(0);
		segments += taken == PAYLOAD;
		for (unsigned k = 0; k < 2; k++) {
			size_t count = take(net, &arrived);
			turn(net, from, arrived, count, from == measured ? part : 0);
			count = take(net, &arrived);
			turn(net, to, arrived, count, to == measured ? part : 0);
			tn_cross_part(to == measured ? part : 0);
			tn_node_vm_read(to->node, reader, got, sizeof got);
			tn_cross_part(0);
		}
	}
	net_settle(net);
	return segments;
}

static void node(void)
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	static uint8_t payload[INNER - 28];
	struct net_datagram *arrived;
	net_peers(a, b);
	net_listen(b, 7);
	uint32_t socket_a = net_bind(a, 5000), socket_b = net_bind(b, 5000);
	net_settle(net);
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 1000);
	uint32_t server = b->last_accepted;
	REQUIRE(net_socket(a, client)->connected && server != 0);
	stream(net, a, b, client, server, a, 0);
	unsigned out = stream(net, a, b, client, server, a, STREAM_OUT), in = stream(net, a, b, client, server, b, STREAM_IN);
	printf("segments %u %u\n", out, in);

	for (unsigned i = 0; i < ROUNDS; i++) {
		tn_cross_part(DATAGRAM_OUT);
		net_udp_send(a, socket_a, b->address4, 5000, payload, sizeof payload);
		turn(net, a, NULL, 0, DATAGRAM_OUT);
		size_t count = take(net, &arrived);
		CHECK_EQ(count, 1);
		turn(net, b, arrived, count, DATAGRAM_IN);
	}
	for (unsigned i = 0; i < ROUNDS; i++)
		turn(net, a, NULL, 0, IDLE_TURN);
	(void)socket_b;
	net_free(net);
}

int main(void)
{
	primitives();
	wireguard();
	node();
	printf("%u failed\n", tn_test_failures);
	return tn_test_failures > 0;
}
