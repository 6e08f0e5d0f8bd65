/*
 * A node works with pools of any size: what is said here holds for whatever the core was built with (tests/cross/switches.js builds it small, large and without
 * IPv6).
 */
#include "tn_net.h"
#include "tn_replay.h"

/** Configures a peer that does not exist. */
static void invent(struct host *host, unsigned slot)
{
	uint8_t private_key[32], key[32], address4[16], address6[16] = {0xfd};
	tn_test_random_bytes(private_key, 32);
	tn_x25519_public(key, private_key);
	memset(address4, 0, 16);
	memcpy(address4 + 10, (uint8_t[]){0xff, 0xff, 10, 0, (uint8_t)(slot >> 8), (uint8_t)slot}, 6);
	address6[14] = (uint8_t)(slot >> 8);
	address6[15] = (uint8_t)slot;
	net_peer(host, slot, key, address4, address6, NULL, 0, 0, 0);
	net_settle(host->net);
}

TN_TEST("every place of the peers' pool is usable, the last one like the first; one behind the pool is not taken")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	const unsigned last = TN_PEERS - 1;
	static const uint8_t payload[100];
	for (unsigned slot = 0; slot < last; slot++)
		invent(a, slot);
	net_peer(a, last, b->public_key, b->address4, b->address6, NULL, 0, 0, 0);
	net_path(a, last, b->endpoint, net->now + 1000000, 0);
	net_peer(b, 0, a->public_key, a->address4, a->address6, NULL, 0, 0, 0);
	net_path(b, 0, a->endpoint, net->now + 1000000, 0);
	invent(a, TN_PEERS);
	CHECK_EQ(net_counter(a, "poolPeers"), TN_PEERS);
	CHECK_EQ(net_counter(a, "overCapacity"), 0);
	uint32_t socket = net_bind(a, 5);
	net_bind(b, 7);
	net_settle(net);
	net_udp_send(a, socket, b->address4, 7, payload, sizeof payload);
	net_run(net, 1000);
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), 1);
	net_free(net);
}

TN_TEST("prefixes that find the pool of routes full are left out and counted")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t prefixes[32][18] = {0};
	unsigned used = TN_IPV6 ? 2 : 1; /* of the peer itself */
	for (unsigned i = 0; i < 32; i++) {
		memcpy(prefixes[i] + 10, (uint8_t[]){0xff, 0xff, 10, (uint8_t)i, 0, 0, 112}, 7);
		used++;
	}
	net_peer(a, 1, raw->public_key, raw->address4, raw->address6, prefixes[0], 32, 0, 0);
	net_settle(net);
	CHECK_EQ(net_counter(a, "overCapacity"), used > TN_ROUTES ? used - TN_ROUTES : 0);
	net_free(net);
}

TN_TEST("there are as many sockets as the pool has, and again when one is closed")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint32_t handles[TN_SOCKETS];
	for (unsigned i = 0; i < TN_SOCKETS; i++) {
		handles[i] = tn_node_vm_open(a->node);
		CHECK(handles[i] != 0);
	}
	CHECK_EQ(tn_node_vm_open(a->node), 0);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, handles[TN_SOCKETS / 2], 0, 0);
	net_settle(net);
	CHECK(tn_node_vm_open(a->node) != 0);
	net_free(net);
}

TN_TEST("connections that do not complete are dropped when there are as many as the pool takes")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	const unsigned places = TN_HALF_OPEN_EACH < TN_SOCKETS - 1 ? TN_HALF_OPEN_EACH : TN_SOCKETS - 1;
	uint8_t packet[128];
	net_listen(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	for (unsigned i = 0; i < places + 2; i++) {
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, (uint16_t)(1000 + i), 7, 1, 0, TN_TCP_SYN, NULL, 0));
		net_settle(net);
	}
	CHECK_EQ(net_counter(a, "streamsHalfOpenDropped"), 2);
	net_free(net);
}

TN_TEST("IPv6 is there when it was built: a connection opens; else there is no way, at once, and packets of the family are unknown")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	struct raw *raw = net_raw(b, 3, NULL, 0, 0);
	uint8_t packet[128];
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	CHECK_EQ(net_counter(a, "hasIPv6"), TN_IPV6);
	uint32_t client = net_connect(a, b->address6, 7);
	net_run(net, 1000);
	CHECK_EQ(net_socket(a, client)->connected, TN_IPV6);
	CHECK_EQ(net_socket(a, client)->closed, !TN_IPV6);
	CHECK_EQ(net_socket(a, client)->reason, TN_IPV6 ? 0 : TN_CLOSE_NO_ROUTE);
	net_raw_handshake(raw);
	net_raw_packet(raw, packet, net_tcp(packet, raw->address6, b->address6, 9, 7, 1, 0, TN_TCP_SYN, NULL, 0));
	net_settle(net);
	CHECK_EQ(raw->packet_count > 0, TN_IPV6);
	net_free(net);
}

TN_TEST("a stream carries more bytes than its rings hold, exactly, both ways")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint32_t total = 3 * TN_STREAM_RECEIVE + 1, sent[2] = {0}, received[2] = {0};
	bool is_right = true;
	uint8_t piece[997];
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t handles[2] = {net_connect(a, b->address4, 7), 0};
	net_run(net, 1000);
	handles[1] = b->last_accepted;
	REQUIRE(net_socket(a, handles[0])->connected && handles[1] != 0);
	for (unsigned i = 0; i < 20000 && (received[0] < total || received[1] < total); i++) {
		for (unsigned k = 0; k < 2; k++) {
			struct tn_node *node = k == 0 ? a->node : b->node;
			size_t length = total - sent[k] < sizeof piece ? total - sent[k] : sizeof piece;
			for (size_t n = 0; n < length; n++)
				piece[n] = (uint8_t)((sent[k] + n) * 7 + k);
			sent[k] += (uint32_t)tn_node_vm_write(node, handles[k], piece, length);
			length = tn_node_vm_read(node, handles[k], piece, sizeof piece);
			for (size_t n = 0; n < length; n++)
				is_right &= piece[n] == (uint8_t)((received[k] + n) * 7 + 1 - k);
			received[k] += (uint32_t)length;
		}
		if (!net_turn(net))
			net_run(net, 10);
	}
	CHECK_EQ(received[0], total);
	CHECK_EQ(received[1], total);
	CHECK(is_right);
	net_free(net);
}

TN_TEST("the replay window is as wide as it was built: the oldest counter in it is taken once, the one before not")
{
	struct tn_replay window;
	tn_replay_reset(&window);
	CHECK(tn_replay_accept(&window, 1000000));
	CHECK(tn_replay_accept(&window, 1000000 - TN_REPLAY_WINDOW));
	CHECK(!tn_replay_accept(&window, 1000000 - TN_REPLAY_WINDOW));
	CHECK(!tn_replay_accept(&window, 1000000 - TN_REPLAY_WINDOW - 1));
}
