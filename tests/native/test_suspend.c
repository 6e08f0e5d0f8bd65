/*
 * A node that sleeps: what it tells, that nothing leaves it afterwards, and the node of the next run that goes on with its sessions.
 */
#include "tn_net.h"

#define SESSION_AT 8
#define SAVED (TN_ENDPOINT + TN_WG_SAVED_SIZE)

static void suspend(struct host *host)
{
	uint8_t record[4];
	net_record(record, TN_COMMAND_SUSPEND, 0, 0);
	net_send(host, record, sizeof record);
}

/** The session that was told n-th. */
static const uint8_t *told(const struct host *host, size_t n)
{
	const struct net_event *event = net_event(host, TN_EVENT_SUSPENDED, n);
	return CHECK(event != NULL && event->bytes[1] == 0 && event->length == SESSION_AT + TN_WG_SAVED_SIZE) ? event->bytes + SESSION_AT : NULL;
}

/** Suspends a host that has one session, and takes it. @return false when it was not told */
static bool fall_asleep(struct net *net, struct host *host, uint8_t session[TN_WG_SAVED_SIZE])
{
	suspend(host);
	net_settle(net);
	const uint8_t *saved = told(host, 0);
	if (saved != NULL)
		memcpy(session, saved, TN_WG_SAVED_SIZE);
	return saved != NULL;
}

static bool is_finished(const struct host *host)
{
	for (size_t i = 0; i < host->event_count; i++) {
		if (host->events[i].bytes[0] == TN_EVENT_SUSPENDED && host->events[i].bytes[1] == 1)
			return true;
	}
	return false;
}

/** The node of the next run, in the place of the one before. */
static struct host *reborn(struct net *net, struct host *before)
{
	uint8_t identity[108];
	tn_node_stop(before->node, net->now);
	tn_node_destroy(before->node);
	before->event_count = 0;
	net_identity(before, identity, true);
	before->node = tn_node_create(identity, sizeof identity, before);
	CHECK(before->node != NULL && tn_node_start(before->node, net->now));
	net_filter(before, 0, 65535, false);
	return before;
}

/** Configures a peer with a session of before. */
static void resume(struct host *host, const struct host *peer, const uint8_t *session, const uint8_t *endpoint)
{
	uint8_t record[64 + 36 + SAVED] = {0};
	net_record(record, TN_COMMAND_PEER, 2, 0);
	tn_store32le(record + 4, net_handle(0));
	memcpy(record + 8, peer->public_key, 32);
	tn_store16le(record + 62, 2);
	memcpy(record + 64, peer->address4, 16);
	memcpy(record + 82, peer->address6, 16);
	record[80] = record[98] = 128;
	record[81] = record[99] = 1;
	if (endpoint != NULL)
		memcpy(record + 100, endpoint, 18);
	memcpy(record + 118, session, TN_WG_SAVED_SIZE);
	net_send(host, record, sizeof record);
}

/** Two nodes that have spoken. */
static struct net *talking(struct host **a, struct host **b, uint32_t *socket)
{
	struct net *net = net_new();
	*a = net_host(net, 1);
	*b = net_host(net, 2);
	net_peers(*a, *b);
	*socket = net_bind(*a, 5000);
	net_bind(*b, 7);
	net_settle(net);
	net_udp_send(*a, *socket, (*b)->address4, 7, (const uint8_t *)"one", 3);
	net_run(net, 100);
	CHECK_EQ(net_count(*b, TN_EVENT_UDP_RECEIVED), 1);
	return net;
}

TN_TEST("what was written before leaves, and after it nothing does, whatever the node is asked for or told")
{
	struct host *a, *b;
	uint32_t socket;
	struct net *net = talking(&a, &b, &socket);
	uint8_t raw[4 + 18 + 20] = {0}, disco[4 + 32 + 20] = {0}, identity[108];
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"two", 3);
	suspend(a);
	net_settle(net);
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), 2);
	CHECK(told(a, 0) != NULL && is_finished(a));
	const unsigned sent = a->sent_udp + a->sent_derp;
	const size_t events = a->event_count;
	net_derp(a, true);
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"three", 5);
	net_connect(a, b->address4, 7);
	net_record(raw, TN_COMMAND_UDP_SEND_RAW, 0, 0);
	memcpy(raw + 4, b->endpoint, 18);
	net_send(a, raw, sizeof raw);
	net_record(disco, TN_COMMAND_DERP_SEND, 0, NET_REGION);
	net_send(a, disco, sizeof disco);
	net_identity(a, identity, true);
	net_send(a, identity, sizeof identity);
	net_peer(a, 1, a->public_key, b->address4, b->address6, NULL, 0, 0, 0);
	net_handle_command(a, TN_COMMAND_SESSION_DROP, net_handle(0), 0, 0);
	suspend(a);
	net_udp_send(b, net_bind(b, 9), a->address4, 5000, (const uint8_t *)"four", 4);
	net_run(net, 600000);
	CHECK_EQ(a->sent_udp + a->sent_derp, sent);
	CHECK_EQ(net_count(a, TN_EVENT_SUSPENDED), 2);
	for (size_t i = events; i < a->event_count; i++)
		CHECK(a->events[i].bytes[0] >= TN_EVENT_CONNECTED); /* sockets go on: they hear that it is over */
	net_free(net);
}

TN_TEST("the node of the next run sends its first packet to the last endpoint, and is answered, without a handshake")
{
	struct host *a, *b;
	uint32_t socket;
	struct net *net = talking(&a, &b, &socket);
	uint8_t session[TN_WG_SAVED_SIZE];
	REQUIRE(fall_asleep(net, a, session));
	net->now += 30000;
	tn_store32le(session + TN_WG_SAVED_AGE, tn_load32le(session + TN_WG_SAVED_AGE) + 30000);
	a = reborn(net, a);
	socket = net_bind(a, 5000);
	/* It waits for somebody to be configured: the session is there when the peer is. */
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"awake", 5);
	net_settle(net);
	resume(a, b, session, b->endpoint);
	net_settle(net);
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), 2);
	net_udp_send(b, net_bind(b, 9), a->address4, 5000, (const uint8_t *)"answer", 6);
	net_run(net, 100);
	CHECK_EQ(net_count(a, TN_EVENT_UDP_RECEIVED), 1);
	CHECK_EQ(net_counter(a, "wireguardInitiations"), 0);
	CHECK_EQ(net_counter(a, "wireguardX25519"), 0);
	CHECK_EQ(net_counter(a, "wireguardAdopted"), 1);
	CHECK_EQ(net_count(a, TN_EVENT_SESSION), 0);
	/* Told at once, since the endpoint is not trusted: it has to be asked. */
	CHECK(net_count(a, TN_EVENT_ACTIVITY) > 0);
	net_free(net);
}

TN_TEST("a session that is too old, or cut off, costs one handshake")
{
	struct host *a, *b;
	uint32_t socket;
	struct net *net = talking(&a, &b, &socket);
	uint8_t session[TN_WG_SAVED_SIZE];
	REQUIRE(fall_asleep(net, a, session));
	tn_store32le(session + TN_WG_SAVED_AGE, TN_WG_REJECT_AFTER_MS);
	net->now += TN_WG_REJECT_AFTER_MS;
	a = reborn(net, a);
	socket = net_bind(a, 5000);
	resume(a, b, session, b->endpoint);
	net_path(a, 0, b->endpoint, net->now + 1000000, 0);
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"awake", 5);
	net_run(net, 1000);
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), 2);
	CHECK_EQ(net_counter(a, "wireguardInitiations"), 1);
	CHECK_EQ(net_counter(a, "wireguardAdopted"), 0);
	/* A record whose end is missing is no record. */
	uint8_t record[64 + SAVED - 1] = {0};
	net_record(record, TN_COMMAND_PEER, 2, 0);
	tn_store32le(record + 4, net_handle(3));
	memset(record + 8, 7, 32);
	net_send(a, record, sizeof record);
	net_settle(net);
	CHECK(!a->node->tunnel.peers[3].used);
	net_free(net);
}

TN_TEST("more sessions than the ring of events holds are all told, and leave nothing behind in it")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	const uint8_t noise[200] = {0};
	net_settle(net);
	for (unsigned slot = 0; slot < TN_PEERS; slot++) {
		uint8_t key[32], address[16] = {0}, session[TN_WG_SAVED_SIZE];
		uint8_t record[64 + 18 + SAVED] = {0};
		tn_test_random_bytes(key, sizeof key);
		tn_test_random_bytes(session, sizeof session);
		tn_store32le(session + 64, slot);
		tn_store32le(session + TN_WG_SAVED_AGE, 1);
		memset(session + 72, 0, 16);
		address[10] = address[11] = 0xff;
		tn_store32be(address + 12, 0x64650000 + slot);
		net_record(record, TN_COMMAND_PEER, 2, 0);
		tn_store32le(record + 4, net_handle(slot));
		memcpy(record + 8, key, 32);
		tn_store16le(record + 62, 1);
		memcpy(record + 64, address, 16);
		record[80] = 128;
		memcpy(record + 64 + 18 + TN_ENDPOINT, session, sizeof session);
		net_send(a, record, sizeof record);
		net_settle(net);
	}
	CHECK_EQ(net_counter(a, "wireguardAdopted"), TN_PEERS);
	/* There is room for none or one when it begins. */
	while (tn_events_put(&a->node->events, TN_EVENT_LINK, 0, 0, noise, sizeof noise, NULL, 0))
		continue;
	suspend(a);
	tn_node_begin(a->node, net->now);
	CHECK_EQ(tn_node_turn(a->node), net->now + 10);
	CHECK(a->node->tunnel.suspended_next < 2);
	net_run(net, 5000);
	CHECK_EQ(net_count(a, TN_EVENT_SUSPENDED), TN_PEERS + 1);
	CHECK(is_finished(a));
	/* Where they lay there is nothing of them. */
	for (size_t n = 0; n < TN_PEERS; n++) {
		const uint8_t *session = told(a, n);
		REQUIRE(session != NULL);
		for (size_t i = 0; i + 32 <= TN_EVENT_RING; i += 4)
			CHECK(memcmp(a->node->events.ring.bytes + i, session, 32) != 0);
	}
	net_free(net);
}

TN_TEST("a peer's command that carries keys leaves nothing in the ring of commands")
{
	struct host *a, *b;
	uint32_t socket;
	struct net *net = talking(&a, &b, &socket);
	uint8_t session[TN_WG_SAVED_SIZE];
	REQUIRE(fall_asleep(net, a, session));
	a = reborn(net, a);
	resume(a, b, session, NULL);
	net_settle(net);
	CHECK_EQ(net_counter(a, "wireguardAdopted"), 1);
	for (size_t i = 0; i + 32 <= TN_COMMAND_RING; i += 4)
		CHECK(memcmp(a->node->commands.bytes + i, session, 32) != 0);
	net_free(net);
}
