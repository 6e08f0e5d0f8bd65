/*
 * The tunnel between nodes of ours: configuration, sessions, staging, who is let in.
 */
#include "tn_net.h"

/** Sends one datagram from a fresh socket of a to port 7 of b. @return datagrams that b got since its events were forgotten */
static size_t send_one(struct host *a, struct host *b, uint32_t socket, const char *text)
{
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)text, strlen(text));
	net_run(a->net, 100);
	return net_count(b, TN_EVENT_UDP_RECEIVED);
}

static void remove_peer(struct host *host, unsigned slot)
{
	net_handle_command(host, TN_COMMAND_PEER_REMOVE, net_handle(slot), 0, 0);
}

TN_TEST("before the first filter nothing gets in")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host_with(net, 2, true);
	uint8_t none[4];
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_listen(b, 7);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "closed"), 0);
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 2000);
	CHECK(!net_socket(a, client)->connected);
	net_filter(b, 0, 65535, false);
	CHECK_EQ(send_one(a, b, socket, "open"), 1);
	net_record(none, TN_COMMAND_FILTER, 0, 0);
	net_send(b, none, 4);
	net_forget(b);
	CHECK_EQ(send_one(a, b, socket, "closed again"), 0);
	net_free(net);
}

TN_TEST("a command larger than the ring of commands is carried out like any other")
{
	enum { PREFIXES = 65000 };
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	static uint8_t record[64 + 18 * PREFIXES];
	_Static_assert(sizeof record > TN_COMMAND_RING, "no ring holds it");
	net_record(record, TN_COMMAND_PEER, 0, 0);
	tn_store32le(record + 4, net_handle(0));
	memcpy(record + 8, b->public_key, 32);
	tn_store16le(record + 62, PREFIXES);
	memcpy(record + 64, b->address4, 16);
	record[80] = 128;
	record[81] = 1;
	for (uint32_t i = 1; i < PREFIXES; i++) {
		uint8_t *prefix = record + 64 + 18 * i;
		prefix[10] = prefix[11] = 0xff;
		tn_store32be(prefix + 12, 0x0a000000 + (i << 8));
		prefix[16] = 120;
	}
	net_send(a, record, sizeof record);
	net_path(a, 0, b->endpoint, UINT64_MAX, 0);
	net_peer(b, 0, a->public_key, a->address4, a->address6, NULL, 0, 0, 0);
	net_path(b, 0, a->endpoint, UINT64_MAX, 0);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "many prefixes"), 1);
	CHECK_EQ(net_counter(a, "overCapacity"), PREFIXES - TN_ROUTES);
	/* One that the tunnel has not seen yet when the node ends. */
	net_send(a, record, sizeof record);
	net_free(net);
}

TN_TEST("a malformed filter block blocks everything")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint8_t bad[3000] = {0};
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "open"), 1);
	for (size_t length = 5; length <= sizeof bad; length += 599) {
		net_filter(b, 0, 65535, false);
		net_record(bad, TN_COMMAND_FILTER, 0, 0);
		net_send(b, bad, length);
		net_forget(b);
		CHECK_EQ(send_one(a, b, socket, "closed"), 0);
	}
	net_free(net);
}

TN_TEST("the first packet on a session of ours is our disco key, once a peer, and before data")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint32_t socket = net_bind(a, 5000);
	net_settle(net);
	for (unsigned i = 0; i < 3; i++)
		net_udp_send(a, socket, raw->address4, 7, (const uint8_t *)"data", 4);
	net_run(net, 100);
	CHECK_EQ(raw->packet_count, 4);
	struct tn_packet packet;
	struct tn_tsmp message;
	tn_packet_parse(&packet, raw->packets[0].bytes, raw->packets[0].length);
	CHECK(tn_tsmp_parse(&message, &packet));
	CHECK_EQ(message.kind, TN_TSMP_DISCO);
	CHECK_EQ(message.data[0], 0xd1);
	for (unsigned i = 1; i < 4; i++)
		CHECK_EQ(raw->packets[i].bytes[9], TN_PROTOCOL_UDP);
	net_handle_command(a, TN_COMMAND_SESSION_DROP, net_handle(1), 0, 0);
	raw->packet_count = 0;
	net->now += 6000;
	net_udp_send(a, socket, raw->address4, 7, (const uint8_t *)"data", 4);
	net_run(net, 7000);
	CHECK_EQ(raw->packets[0].bytes[9], TN_PROTOCOL_TSMP);
	net_free(net);
}

TN_TEST("[tunnel 21] the initiator sends the staged packets right after the response, else a keepalive")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"1", 1);
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"2", 1);
	net_settle(net);
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), 2);
	CHECK_EQ(net_event(b, TN_EVENT_UDP_RECEIVED, 0)->bytes[24], '1');
	CHECK_EQ(net_event(b, TN_EVENT_UDP_RECEIVED, 1)->bytes[24], '2');
	CHECK_EQ(net_count(a, TN_EVENT_SESSION), 1);
	CHECK_EQ(net_event(a, TN_EVENT_SESSION, 0)->bytes[1], 1);
	CHECK_EQ(net_count(b, TN_EVENT_SESSION), 1);
	CHECK_EQ(net_event(b, TN_EVENT_SESSION, 0)->bytes[1], 0);
	net_free(net);
}

TN_TEST("packets wait for a session; beyond the bound the oldest are dropped")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	net->is_cut = true;
	for (unsigned i = 0; i < TN_STAGED_PER_PEER + 10; i++)
		net_udp_send(a, socket, b->address4, 7, &(uint8_t){(uint8_t)i}, 1);
	net_settle(net);
	net->is_cut = false;
	net_run(net, 6000);
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), TN_STAGED_PER_PEER);
	CHECK_EQ(net_event(b, TN_EVENT_UDP_RECEIVED, 0)->bytes[24], 10);
	CHECK_EQ(net_counter(a, "stagedDropped"), 10);
	net_free(net);
}

TN_TEST("[tunnel 25] after 20 initiations staged packets are dropped, and the next packet starts anew")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	net->is_cut = true;
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"lost", 4);
	net_run(net, 120000);
	CHECK_EQ(a->sent_udp, 20);
	CHECK_EQ(net_counter(a, "stagedDropped"), 1);
	net->is_cut = false;
	CHECK_EQ(send_one(a, b, socket, "anew"), 1);
	net_free(net);
}

TN_TEST("packets for an address that nobody is configured for wait, and the VM is asked once a second")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_peer(b, 0, a->public_key, a->address4, a->address6, NULL, 0, 0, 0);
	net_path(b, 0, a->endpoint, UINT64_MAX, 0);
	net_settle(net);
	for (unsigned i = 0; i < 5; i++) {
		net_udp_send(a, socket, b->address4, 7, &(uint8_t){(uint8_t)i}, 1);
		net_run(net, 100);
	}
	CHECK_EQ(net_count(a, TN_EVENT_PEER_WANTED), 1);
	const struct net_event *event = net_event(a, TN_EVENT_PEER_WANTED, 0);
	CHECK_EQ(event->length, 20);
	CHECK_EQ(event->bytes[1], 0);
	CHECK_MEM(event->bytes + 4, b->address4, 16);
	net_run(net, 600);
	net_udp_send(a, socket, b->address4, 7, &(uint8_t){5}, 1);
	net_udp_send(a, socket, b->address6, 7, &(uint8_t){6}, 1);
	net_run(net, 1);
	CHECK_EQ(net_count(a, TN_EVENT_PEER_WANTED), 3);
	net_peer(a, 0, b->public_key, b->address4, b->address6, NULL, 0, 0, 0);
	net_path(a, 0, b->endpoint, UINT64_MAX, 0);
	net_run(net, 100);
	const unsigned of_six = TN_WAITING_PER_ADDRESS < 6 ? TN_WAITING_PER_ADDRESS : 6;
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), of_six + 1);
	for (unsigned i = 0; i < of_six; i++) {
		const struct net_event *received = net_event(b, TN_EVENT_UDP_RECEIVED, i);
		REQUIRE(received != NULL);
		CHECK_EQ(received->bytes[received->length - 1], 6 - of_six + i); /* the newest, in their order */
	}
	net_free(net);
}

TN_TEST("a handshake from an unknown key asks for the peer, and is taken in when it is configured")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_peer(a, 0, b->public_key, b->address4, b->address6, NULL, 0, 0, 0);
	net_path(a, 0, b->endpoint, UINT64_MAX, 0);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "hello"), 0);
	const struct net_event *event = net_event(b, TN_EVENT_PEER_WANTED, 0);
	REQUIRE(event != NULL);
	CHECK_EQ(event->bytes[1], 1);
	CHECK_MEM(event->bytes + 4, a->public_key, 32);
	net_peer(b, 0, a->public_key, a->address4, a->address6, NULL, 0, 0, 0);
	net_path(b, 0, a->endpoint, UINT64_MAX, 0);
	net_settle(net);
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), 1);
	net_free(net);
}

TN_TEST("[tunnel 36] a removed peer's packets stop at once in both directions")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000), back = net_bind(b, 7);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "1"), 1);
	remove_peer(b, 0);
	net_forget(b);
	CHECK_EQ(send_one(a, b, socket, "2"), 0);
	unsigned sent = b->sent_udp;
	net_udp_send(b, back, a->address4, 5000, (const uint8_t *)"3", 1);
	net_run(net, 100);
	CHECK_EQ(b->sent_udp, sent);
	CHECK_EQ(net_count(a, TN_EVENT_UDP_RECEIVED), 0);
	net_free(net);
}

TN_TEST("[tunnel 36] a change of AllowedIPs keeps the session, and counts at once")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "1"), 1);
	uint8_t other4[16], other6[16], endpoint[18];
	net_addresses(99, other4, other6, endpoint);
	net_peer(b, 0, a->public_key, other4, other6, NULL, 0, 0, 0);
	net_forget(b);
	CHECK_EQ(send_one(a, b, socket, "2"), 0);
	CHECK_EQ(net_counter(b, "droppedBadSource"), 1);
	net_peer(b, 0, a->public_key, a->address4, a->address6, NULL, 0, 0, 0);
	CHECK_EQ(send_one(a, b, socket, "3"), 1);
	CHECK_EQ(net_count(a, TN_EVENT_SESSION), 1);
	net_free(net);
}

TN_TEST("[tunnel 36] a peer that restarted: the session is dropped and the next packet makes a new one")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "1"), 1);
	net_run(net, 6000);
	net_handle_command(a, TN_COMMAND_SESSION_DROP, net_handle(0), 0, 0);
	CHECK_EQ(send_one(a, b, socket, "2"), 2);
	CHECK_EQ(net_count(a, TN_EVENT_SESSION), 2);
	net_free(net);
}

TN_TEST("[tunnel 37] another node key ends all sessions")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint8_t identity[108];
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "1"), 1);
	tn_test_random_bytes(b->private_key, 32);
	tn_x25519_public(b->public_key, b->private_key);
	net_identity(b, identity, true);
	net_send(b, identity, sizeof identity);
	CHECK_EQ(send_one(a, b, socket, "2"), 1);
	CHECK_EQ(net_counter(b, "wireguardUnknownIndex"), 1);
	net_peer(a, 0, b->public_key, b->address4, b->address6, NULL, 0, 0, 0);
	net_path(a, 0, b->endpoint, UINT64_MAX, 0);
	net_run(net, 6000);
	CHECK_EQ(send_one(a, b, socket, "3"), 2);
	net_free(net);
}

TN_TEST("[relay 6] without a node key DISCO and WireGuard are dropped while STUN answers reach the VM")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host_with(net, 2, false);
	uint8_t datagram[100] = {0x01, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	static const uint8_t magic[6] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_settle(net);
	send_one(a, b, socket, "1");
	net_put(net, a->endpoint, b->endpoint, datagram, 32);
	memcpy(datagram, magic, 6);
	net_put(net, a->endpoint, b->endpoint, datagram, sizeof datagram);
	net_settle(net);
	CHECK_EQ(b->sent_udp, 0);
	CHECK_EQ(net_count(b, TN_EVENT_DISCO), 0);
	CHECK_EQ(net_count(b, TN_EVENT_STUN), 1);
	CHECK_MEM(net_event(b, TN_EVENT_STUN, 0)->bytes + 4, a->endpoint, 18);
	net_free(net);
}

TN_TEST("answers about port mappings reach the VM, with or without a node key, and no WireGuard sees them")
{
	static const uint8_t pmp[12] = {0, 0x80}, ssdp[] = "HTTP/1.1 200 OK";
	uint8_t gateway[18] = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 168, [14] = 1, [15] = 1, [16] = 5351 >> 8, [17] = 5351 & 255};
	struct net *net = net_new();
	struct host *hosts[] = {net_host(net, 1), net_host_with(net, 2, false)};
	for (size_t i = 0; i < 2; i++) {
		net_put(net, gateway, hosts[i]->endpoint, pmp, sizeof pmp);
		net_put(net, gateway, hosts[i]->endpoint, ssdp, sizeof ssdp - 1);
		net_settle(net);
		CHECK_EQ(net_count(hosts[i], TN_EVENT_MAPPING), 2);
		const struct net_event *event = net_event(hosts[i], TN_EVENT_MAPPING, 0);
		REQUIRE(event != NULL && event->length == 4 + 18 + sizeof pmp);
		CHECK_MEM(event->bytes + 4, gateway, sizeof gateway);
		CHECK_MEM(event->bytes + 22, pmp, sizeof pmp);
		CHECK_EQ(hosts[i]->sent_udp, 0);
		CHECK_EQ(net_counter(hosts[i], "wireguardMalformed"), 0);
	}
	net_free(net);
}

TN_TEST("what was to be sent when the node stops is sent: a router has to hear that we go")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint8_t record[34] = {TN_COMMAND_UDP_SEND_RAW};
	net_settle(net);
	memcpy(record + 4, b->endpoint, 18);
	net_send(a, record, sizeof record);
	CHECK_EQ(a->sent_udp, 0);
	tn_node_stop(a->node, net->now);
	CHECK_EQ(a->sent_udp, 1);
	net_free(net);
}

TN_TEST("[relay 3, 4] datagrams of 0 to 148 bytes of any content, STUN requests among them, cause no answer")
{
	static const uint8_t starts[][8] = {
	    {0}, {1}, {2}, {3}, {4}, {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac}, {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, {0, 0, 0x7a, 0x12}};
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint8_t bytes[160], from[18] = {0};
	from[16] = 1;
	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		for (size_t length = 0; length <= 148; length++) {
			tn_test_random_bytes(bytes, sizeof bytes);
			memcpy(bytes, starts[i], 8);
			net_put(net, from, a->endpoint, bytes, length);
		}
		net_settle(net);
	}
	CHECK_EQ(a->sent_udp, 0);
	net_free(net);
}

TN_TEST("a jailed peer opens nothing towards us, and answers what we open")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net_peer(b, 0, a->public_key, a->address4, a->address6, NULL, 0, 0, 1);
	net_path(b, 0, a->endpoint, UINT64_MAX, 0);
	net_listen(b, 7);
	net_listen(a, 7);
	uint32_t socket = net_bind(a, 5000), back = net_bind(b, 7);
	net_settle(net);
	CHECK_EQ(send_one(a, b, socket, "no"), 0);
	uint32_t refused = net_connect(a, b->address4, 7), allowed = net_connect(b, a->address4, 7);
	net_udp_send(b, back, a->address4, 5000, (const uint8_t *)"open", 4);
	net_run(net, 1000);
	CHECK(!net_socket(a, refused)->connected);
	CHECK(net_socket(b, allowed)->connected);
	CHECK_EQ(send_one(a, b, socket, "answer"), 1);
	net_free(net);
}

TN_TEST("a peer to which we have another address sees and is seen by that one")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint8_t other4[16], other6[16], endpoint[18], record[64 + 36] = {0};
	net_addresses(200, other4, other6, endpoint);
	/* To b, a is .200; a knows that. */
	net_record(record, TN_COMMAND_PEER, 0, 0);
	tn_store32le(record + 4, net_handle(0));
	memcpy(record + 8, b->public_key, 32);
	memcpy(record + 40, other4 + 12, 4);
	memcpy(record + 44, other6, 16);
	tn_store16le(record + 62, 2);
	memcpy(record + 64, b->address4, 16);
	record[80] = 128;
	record[81] = 1;
	memcpy(record + 82, b->address6, 16);
	record[98] = 128;
	record[99] = 1;
	net_send(a, record, sizeof record);
	net_path(a, 0, b->endpoint, UINT64_MAX, 0);
	net_peer(b, 0, a->public_key, other4, other6, NULL, 0, 0, 0);
	net_path(b, 0, a->endpoint, UINT64_MAX, 0);
	net_listen(a, 7);
	net_listen(b, 7);
	net_settle(net);
	uint32_t clients[4] = {net_connect(a, b->address4, 7), net_connect(a, b->address6, 7), net_connect(b, other4, 7), net_connect(b, other6, 7)};
	net_run(net, 10000);
	for (unsigned i = 0; i < 4; i++)
		CHECK(net_socket(i < 2 ? a : b, clients[i])->connected);
	REQUIRE(net_event(a, TN_EVENT_ACCEPTED, 0) != NULL && net_event(b, TN_EVENT_ACCEPTED, 0) != NULL);
	CHECK_MEM(net_event(b, TN_EVENT_ACCEPTED, 0)->bytes + 12, other4, 16);
	CHECK_MEM(net_event(a, TN_EVENT_ACCEPTED, 0)->bytes + 28, a->address4, 16);
	net_free(net);
}

TN_TEST("a VM is told so many events and no more in one go, and the rest when it is woken next")
{
	enum { DATAGRAMS = 3 * TN_EVENTS_PER_WAKE };
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[64], event[2304];
	size_t told = 0, wakes = 0;
	net_bind(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	atomic_store(&a->node->is_woken, 1);
	for (unsigned i = 0; i < DATAGRAMS; i++) {
		net_raw_packet(raw, packet, net_udp(packet, raw->address4, a->address4, 1, 7, (const uint8_t *)"x", 1));
		if (i % 1000 == 999)
			net_turn(net);
	}
	net_turn(net);
	for (a->is_woken = true; a->is_woken; wakes++) {
		size_t now = 0, length;
		a->is_woken = false;
		tn_node_vm_wake(a->node);
		while ((length = tn_node_vm_receive(a->node, event, sizeof event)) > 0) {
			told += event[0] == TN_EVENT_UDP_RECEIVED;
			now++;
		}
		CHECK(now <= TN_EVENTS_PER_WAKE);
		CHECK_EQ(tn_node_vm_receive(a->node, event, sizeof event), 0);
		if (!tn_node_may_sleep(a->node))
			tn_node_turn(a->node);
		tn_node_awake(a->node);
	}
	CHECK_EQ(told, DATAGRAMS);
	CHECK(wakes >= 3 && wakes <= 5);
	net_free(net);
}

TN_TEST("a flood of DISCO and STUN from strangers leaves room for what the node itself has to tell")
{
	static const uint8_t disco[6] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac}, stun[8] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint8_t datagram[100] = {0}, nobody[16], from[18] = {1};
	net_addresses(99, nobody, (uint8_t[16]){0}, (uint8_t[18]){0});
	uint32_t socket = net_bind(a, 5000);
	net_settle(net);
	atomic_store(&a->node->is_woken, 1); /* the VM is busy */
	for (unsigned i = 0; i < 4000; i++) {
		if (i % 2 == 0)
			memcpy(datagram, disco, sizeof disco);
		else
			memcpy(datagram, stun, sizeof stun);
		net_put(net, from, a->endpoint, datagram, sizeof datagram);
	}
	net_turn(net);
	CHECK(net_counter(a, "eventsDropped") > 0);
	net_udp_send(a, socket, nobody, 7, (const uint8_t *)"x", 1);
	net_turn(net);
	a->is_woken = true;
	net_forget(a);
	net_vm(a);
	net_settle(net);
	const struct net_event *wanted = net_event(a, TN_EVENT_PEER_WANTED, 0);
	REQUIRE(wanted != NULL);
	CHECK_MEM(wanted->bytes + 4, nobody, 16);
	net_free(net);
}

TN_TEST("an idle peer is told after 540 s, and then has no secret left")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	send_one(a, b, socket, "1");
	net_run(net, 539000);
	CHECK_EQ(net_count(a, TN_EVENT_PEER_IDLE), 0);
	net_run(net, 2000);
	CHECK_EQ(net_count(a, TN_EVENT_PEER_IDLE), 1);
	CHECK_EQ(tn_load32le(net_event(a, TN_EVENT_PEER_IDLE, 0)->bytes + 4), net_handle(0));
	net_free(net);
}

TN_TEST("an idle node wants no turn at all")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net_listen(a, 7);
	net_settle(net);
	net_run(net, 600000);
	CHECK_EQ(a->wanted_at, UINT64_MAX);
	CHECK_EQ(b->wanted_at, UINT64_MAX);
	CHECK_EQ(a->sent_udp + b->sent_udp, 0);
	net_free(net);
}

TN_TEST("activity is told at most once a second, and at once when a packet leaves without a trusted path")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers_with(a, b, 0, 2000, true);
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	for (unsigned i = 0; i < 100; i++) {
		net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"x", 1);
		net_run(net, 10);
	}
	CHECK(net_count(a, TN_EVENT_ACTIVITY) >= 1 && net_count(a, TN_EVENT_ACTIVITY) <= 3);
	net_run(net, 5000);
	net_forget(a);
	net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"x", 1);
	net_settle(net);
	REQUIRE(net_count(a, TN_EVENT_ACTIVITY) == 1);
	CHECK_EQ(net_event(a, TN_EVENT_ACTIVITY, 0)->bytes[1] & 1, 1);
	net_free(net);
}

#ifdef TN_DEVICE
TN_TEST("a microcontroller's node is no larger than 80 KB, with every pool but the rings of streams")
{
	CHECK(sizeof(struct tn_node) <= (size_t)80 * 1024);
}
#endif
