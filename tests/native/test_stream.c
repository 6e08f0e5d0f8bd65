/*
 * TCP and UDP between two nodes of ours, through WireGuard, over a wire of the test's own.
 */
#include "tn_net.h"

/** A stream of bytes that depends on the position only. */
static uint8_t byte_at(uint32_t position)
{
	return (uint8_t)(position * 2654435761u >> 24 ^ position);
}

/** Moves as much as possible: `to_send` more bytes into the stream, whatever there is out of it. */
static void write_some(struct host *host, uint32_t handle, uint32_t *sent, uint32_t total)
{
	uint8_t piece[3001];
	while (*sent < total) {
		uint32_t length = 1 + tn_test_random_below(sizeof piece);
		if (length > total - *sent)
			length = total - *sent;
		for (uint32_t i = 0; i < length; i++)
			piece[i] = byte_at(*sent + i);
		uint32_t taken = (uint32_t)tn_node_vm_write(host->node, handle, piece, length);
		*sent += taken;
		if (taken < length)
			return;
	}
}

static void read_some(struct host *host, uint32_t handle, uint32_t *received, bool *is_right)
{
	uint8_t piece[4096];
	size_t length;
	while ((length = tn_node_vm_read(host->node, handle, piece, 1 + tn_test_random_below(sizeof piece))) > 0) {
		for (size_t i = 0; i < length; i++)
			*is_right &= piece[i] == byte_at(*received + (uint32_t)i);
		*received += (uint32_t)length;
	}
}

/** Connects, sends `total` bytes both ways at once and compares. @return simulated milliseconds */
static uint64_t exchange(struct net *net, struct host *a, struct host *b, const uint8_t *address, uint32_t total)
{
	uint32_t listener = net_listen(b, 7);
	net_settle(net);
	CHECK(net_socket(b, listener)->connected);
	uint64_t start = net->now;
	b->last_accepted = 0;
	uint32_t client = net_connect(a, address, 7);
	for (unsigned i = 0; i < 100 && b->last_accepted == 0; i++)
		net_run(net, 100);
	uint32_t server = b->last_accepted;
	CHECK(net_socket(a, client)->connected && server != 0);
	uint32_t sent[2] = {0}, received[2] = {0};
	bool is_right = true;
	for (unsigned i = 0; i < 20000 && (received[0] < total || received[1] < total); i++) {
		write_some(a, client, &sent[0], total);
		write_some(b, server, &sent[1], total);
		if (!net_turn(net))
			net_run(net, 10);
		read_some(a, client, &received[0], &is_right);
		read_some(b, server, &received[1], &is_right);
	}
	CHECK_EQ(received[0], total);
	CHECK_EQ(received[1], total);
	CHECK(is_right);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, client, 0, 0);
	net_run(net, 100);
	for (unsigned i = 0; i < 100 && !net_socket(b, server)->closed; i++)
		net_run(net, 1000);
	CHECK(net_socket(b, server)->closed);
	CHECK_EQ(net_socket(b, server)->reason, TN_CLOSE_REMOTE);
	net_handle_command(b, TN_COMMAND_SOCKET_CLOSE, server, 0, 0);
	net_handle_command(b, TN_COMMAND_SOCKET_CLOSE, listener, 0, 0);
	net_run(net, 1000);
	return net->now - start;
}

TN_TEST("TCP over IPv4 and IPv6 carries bytes both ways, exactly")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	exchange(net, a, b, b->address4, 2000000);
	exchange(net, b, a, a->address6, 500000);
	CHECK(TN_COALESCE == 1 || a->node->interface.coalesced > 500);
	CHECK_EQ(a->node->interface.leaked + b->node->interface.leaked, 0);
	CHECK_EQ(net_counter(a, "socketsUsed"), 0);
	CHECK_EQ(net_counter(b, "socketsUsed"), 0);
	net_free(net);
}

TN_TEST("TCP is exact while the wire loses, repeats and reorders datagrams")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net->loss = 2;
	net->duplicates = 5;
	net->reordering = 10;
	exchange(net, a, b, b->address4, 300000);
	exchange(net, a, b, b->address6, 300000);
	CHECK(net_counter(a, "wireguardReplayed") > 0);
	CHECK_EQ(a->node->interface.leaked + b->node->interface.leaked, 0);
	net_free(net);
}

TN_TEST("the TCP window closes while the VM does not read, and opens again")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 100);
	uint32_t server = b->last_accepted, sent = 0, received = 0;
	bool is_right = true;
	for (unsigned i = 0; i < 50; i++) {
		write_some(a, client, &sent, 3000000);
		net_run(net, 100);
	}
	uint32_t held = sent;
	CHECK(held < 3000000 && held >= TN_STREAM_RECEIVE);
	uint32_t in_ring = tn_ring_used(&b->node->sockets.slots[server & 0xffff].receive);
	CHECK(in_ring <= TN_STREAM_RECEIVE && in_ring + 70000 > TN_STREAM_RECEIVE);
	for (unsigned i = 0; i < 3000 && received < 3000000; i++) {
		write_some(a, client, &sent, 3000000);
		net_run(net, 10);
		read_some(b, server, &received, &is_right);
	}
	CHECK_EQ(received, 3000000);
	CHECK(is_right);
	net_free(net);
}

TN_TEST("without nodelay small writes wait for each other, and acknowledgements for none of them")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint8_t record[24], piece[100] = {0}, got[4096];
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t client = net_open(a);
	net_record(record, TN_COMMAND_TCP_CONNECT, 0, 7);
	tn_store32le(record + 4, client);
	memcpy(record + 8, b->address4, 16);
	net_send(a, record, sizeof record);
	net_run(net, 100);
	uint32_t server = b->last_accepted;
	for (unsigned i = 0; i < 20; i++) {
		/* Both sides write small pieces at once, three times. */
		size_t arrived[2] = {0};
		uint64_t start = net->now;
		for (unsigned j = 0; j < 3; j++) {
			tn_node_vm_write(a->node, client, piece, sizeof piece);
			tn_node_vm_write(b->node, server, piece, sizeof piece);
			net_turn(net);
		}
		while ((arrived[0] < 300 || arrived[1] < 300) && net->now - start < 10000) {
			net_run(net, 10);
			arrived[0] += tn_node_vm_read(a->node, client, got, sizeof got);
			arrived[1] += tn_node_vm_read(b->node, server, got, sizeof got);
		}
		CHECK(arrived[0] == 300 && arrived[1] == 300);
		CHECK(net->now - start <= 600);
	}
	net_free(net);
}

TN_TEST_DESKTOP("windows beyond 64 KB: more than 80 segments of one connection are on their way at once")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t client = net_connect(a, b->address4, 7), sent = 0, received = 0, most = 0;
	bool is_right = true;
	net_run(net, 100);
	for (unsigned i = 0; i < 600; i++) {
		write_some(a, client, &sent, 20000000);
		/* The wire holds what it carries until the next round. */
		net_turn(net);
		if (net->wire_count > most)
			most = (uint32_t)net->wire_count;
		net->now += 5;
		read_some(b, b->last_accepted, &received, &is_right);
	}
	CHECK(is_right && most > 80);
	net_free(net);
}

/** Sends back what came, as far as there is room; the rest waits in left. */
static void echo(struct host *host, uint32_t handle, uint8_t *left, size_t size, size_t *waiting)
{
	for (;;) {
		size_t taken = tn_node_vm_write(host->node, handle, left, *waiting);
		memmove(left, left + taken, *waiting - taken);
		*waiting -= taken;
		if (*waiting > 0)
			return;
		*waiting = tn_node_vm_read(host->node, handle, left, size);
		if (*waiting == 0)
			return;
	}
}

TN_TEST("an echo of 4 MB behind short queues is exact and never stands still: windows close, segments are acknowledged in part, repeated ones cannot be sent")
{
	static uint8_t left[65536];
	for (unsigned round = 1; round <= 12; round += TN_TEST_STEP) {
		struct net *net = net_new();
		struct host *a = net_host(net, 1), *b = net_host(net, 2);
		uint32_t sent = 0, received = 0;
		size_t waiting = 0;
		bool is_right = true;
		tn_test_seed = round * 7919;
		net_peers_with(a, b, 0, 0, true);
		net_listen(b, 7);
		net_settle(net);
		uint32_t client = net_connect(a, b->address4, 7);
		net_run(net, 100);
		uint64_t start = net->now, progress = net->now;
		while (received < 4000000 && net->now - progress < 10000) {
			uint32_t before = received;
			write_some(a, client, &sent, round % 3 == 0 && sent + 5000 < 4000000 ? sent + 5000 : 4000000);
			net_turn(net);
			if (net->wire_count > 20 + round % 6)
				net->wire_count = 20 + round % 6;
			net->now += tn_test_random_below(3) == 0;
			echo(b, b->last_accepted, left, sizeof left, &waiting);
			read_some(a, client, &received, &is_right);
			if (received != before)
				progress = net->now;
		}
		CHECK(is_right);
		CHECK_EQ(received, 4000000);
		CHECK(net->now - start < 8000);
		net_free(net);
	}
}

TN_TEST("behind a queue of 32 packets that drops the rest, TCP goes on at the pace of the queue")
{
	for (unsigned is_relayed = 0; is_relayed < 2; is_relayed++) {
		struct net *net = net_new();
		struct host *a = net_host(net, 1), *b = net_host(net, 2);
		net_peers_with(a, b, 0, is_relayed ? 0 : 1000000000, true);
		net_listen(b, 7);
		net_settle(net);
		uint32_t client = net_connect(a, b->address4, 7), sent = 0, received = 0;
		bool is_right = true;
		net_run(net, 100);
		uint64_t start = net->now;
		while (received < 3000000 && net->now - start < 60000) {
			write_some(a, client, &sent, 3000000);
			net_turn(net);
			/* The wire carries 32 packets a millisecond. */
			if (net->wire_count > 32)
				net->wire_count = 32;
			net->now++;
			read_some(b, b->last_accepted, &received, &is_right);
		}
		CHECK(is_right);
		CHECK_EQ(received, 3000000);
		CHECK(net->now - start < 1500);
		net_free(net);
	}
}

TN_TEST_DESKTOP("bytes written before a graceful close arrive, then the end")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 100);
	uint32_t sent = 0, received = 0;
	bool is_right = true;
	write_some(a, client, &sent, 200000);
	CHECK_EQ(sent, 200000);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, client, 0, 0);
	CHECK_EQ(tn_node_vm_write(a->node, client, (const uint8_t *)"x", 1), 0);
	for (unsigned i = 0; i < 100; i++) {
		net_run(net, 10);
		read_some(b, b->last_accepted, &received, &is_right);
	}
	CHECK_EQ(received, 200000);
	CHECK(is_right && net_socket(b, b->last_accepted)->closed);
	CHECK_EQ(net_socket(b, b->last_accepted)->reason, TN_CLOSE_REMOTE);
	net_free(net);
}

/** Connections of a host that lwIP still has, whatever their state. */
static unsigned connections_of(const struct host *host)
{
	unsigned count = 0;
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
		count += pcb->netif_idx == netif_get_index(&host->node->interface.netif);
	return count;
}

TN_TEST_DESKTOP("a connection that was let go of ends within a minute of standing still, also if the peer answers every probe of its closed window")
{
	/* All is sent and only FIN finds no window; the rest is with lwIP; it is in the ring, too. */
	static const uint32_t lengths[] = {TN_STREAM_RECEIVE, TN_STREAM_RECEIVE + 100000, TN_STREAM_RECEIVE + 400000};
	for (size_t i = 0; i < 3; i++) {
		struct net *net = net_new();
		struct host *a = net_host(net, 1), *b = net_host(net, 2);
		static uint8_t piece[TN_STREAM_RECEIVE];
		net_peers(a, b);
		net_listen(b, 7);
		net_settle(net);
		uint32_t client = net_connect(a, b->address4, 7), sent = 0;
		net_run(net, 100);
		for (unsigned j = 0; j < 1000 && sent < lengths[i]; j++) {
			/* In whole segments: a window is told in units of four bytes. */
			sent += (uint32_t)tn_node_vm_write(a->node, client, piece, LWIP_MIN(lengths[i] - sent, 1240));
			net_run(net, 10);
		}
		net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, client, 0, 0);
		net_run(net, 1000);
		CHECK_EQ(net_counter(a, "socketsUsed"), i > 0);
		CHECK_EQ(connections_of(a), 1);
		net_run(net, 30000);
		CHECK_EQ(connections_of(a), 1);
		net_run(net, 90000);
		CHECK_EQ(net_counter(a, "socketsUsed"), 0);
		CHECK_EQ(connections_of(a), 0);
		tn_node_vm_read(b->node, b->last_accepted, piece, sizeof piece);
		net_run(net, 1000);
		CHECK_EQ(net_socket(b, b->last_accepted)->reason, TN_CLOSE_RESET);
		net_free(net);
	}
}

TN_TEST_DESKTOP("bytes written before a graceful close arrive also at a slow reader, and within ten minutes it is over")
{
	for (unsigned is_too_slow = 0; is_too_slow < 2; is_too_slow++) {
		struct net *net = net_new();
		struct host *a = net_host(net, 1), *b = net_host(net, 2);
		uint8_t piece[40000];
		net_peers(a, b);
		net_listen(b, 7);
		net_settle(net);
		uint32_t client = net_connect(a, b->address4, 7), sent = 0, received = 0, total = TN_STREAM_RECEIVE + 100000;
		net_run(net, 100);
		for (unsigned i = 0; i < 1000 && sent < total; i++) {
			write_some(a, client, &sent, total);
			net_run(net, 50);
		}
		net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, client, 0, 0);
		/* What ends the slow one is not in its closed window; its own keepalive asks. */
		for (unsigned i = 0; i < 40; i++) {
			net_run(net, 20000);
			received += (uint32_t)tn_node_vm_read(b->node, b->last_accepted, piece, is_too_slow ? 2000 : sizeof piece);
		}
		CHECK_EQ(connections_of(a), 0);
		CHECK_EQ(net_socket(b, b->last_accepted)->reason, is_too_slow ? TN_CLOSE_RESET : TN_CLOSE_REMOTE);
		if (!is_too_slow)
			CHECK_EQ(received, total);
		net_free(net);
	}
}

TN_TEST("an abort resets the other side; received bytes stay readable")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 100);
	uint32_t server = b->last_accepted, sent = 0, received = 0;
	bool is_right = true;
	write_some(a, client, &sent, 1000);
	net_run(net, 100);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, client, 1, 0);
	net_run(net, 100);
	CHECK(net_socket(b, server)->closed);
	CHECK_EQ(net_socket(b, server)->reason, TN_CLOSE_RESET);
	read_some(b, server, &received, &is_right);
	CHECK_EQ(received, 1000);
	net_handle_command(b, TN_COMMAND_SOCKET_CLOSE, server, 0, 0);
	net_run(net, 100);
	CHECK_EQ(tn_node_vm_read(b->node, server, (uint8_t[1]){0}, 1), 0);
	CHECK_EQ(net_counter(b, "socketsUsed"), 1);
	net_free(net);
}

TN_TEST("a connection to a port without listener is refused, over both families")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t first = net_connect(a, b->address4, 99), second = net_connect(a, b->address6, 99);
	net_run(net, 500);
	CHECK(net_socket(a, first)->closed && net_socket(a, second)->closed);
	CHECK_EQ(net_socket(a, first)->reason, TN_CLOSE_REFUSED);
	CHECK_EQ(net_socket(a, second)->reason, TN_CLOSE_REFUSED);
	net_free(net);
}

TN_TEST("a connection that a board has no memory for is not answered, and opens when there is; a desktop resets it, and counts")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t listener = net_listen(b, 7);
	net_settle(net);
	b->last_accepted = 0;
	const size_t rings = TN_STREAM_SEND + TN_STREAM_RECEIVE;
	uint32_t client = net_connect(a, b->address4, 7);
	net_turn(net); /* a takes its memory */
	net_refused_size = rings;
	CHECK_EQ(tn_socket_has_memory(&b->node->sockets, 1), TN_PROFILE(false, true));
	net_run(net, 2000);
	CHECK_EQ(b->last_accepted, 0);
	CHECK_EQ(net_socket(a, client)->closed, TN_PROFILE(false, true));
	CHECK(net_counter(b, TN_PROFILE("streamsHalfOpenDropped", "memoryRefused")) > 0);
	net_refused_size = SIZE_MAX;
	if (net_socket(a, client)->closed)
		client = net_connect(a, b->address4, 7);
	for (unsigned i = 0; i < 100 && b->last_accepted == 0; i++)
		net_run(net, 100);
	CHECK(net_socket(a, client)->connected && b->last_accepted != 0);
	net_handle_command(b, TN_COMMAND_SOCKET_CLOSE, listener, 0, 0);
	net_free(net);
}

TN_TEST("room is looked for beyond what is set aside where memory is a board's; a desktop's is taken on trust, and given back with each connection")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct tn_sockets *sockets = &a->node->sockets;
	CHECK(tn_socket_has_memory(sockets, 4));
	CHECK_EQ(sockets->spare != NULL, TN_PROFILE(true, false));
	net_refused_size = TN_STREAM_SEND + TN_STREAM_RECEIVE;
	CHECK(tn_socket_has_memory(sockets, 1));
	CHECK_EQ(tn_socket_has_memory(sockets, 2), TN_PROFILE(false, true));
	net_refused_size = SIZE_MAX;
	net_free(net);
}

TN_TEST("a connection that nobody answers times out")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net->is_cut = true;
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 300000);
	CHECK(net_socket(a, client)->closed);
	CHECK_EQ(net_socket(a, client)->reason, TN_CLOSE_TIMEOUT);
	net_free(net);
}

TN_TEST("our own address cannot be connected to, and nothing breaks")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint32_t socket = net_bind(a, 9);
	uint32_t client = net_connect(a, a->address4, 7), client6 = net_connect(a, a->address6, 7);
	net_udp_send(a, socket, a->address4, 9, (const uint8_t *)"x", 1);
	net_run(net, 100);
	CHECK(net_socket(a, client)->closed && net_socket(a, client6)->closed);
	CHECK_EQ(net_socket(a, client)->reason, TN_CLOSE_NO_ROUTE);
	CHECK_EQ(net_count(a, TN_EVENT_UDP_RECEIVED), 0);
	net_free(net);
}

TN_TEST("the VM hears of all its room again once everything written was taken, however much that was")
{
	static const uint32_t lengths[] = {1, 1000, TN_STREAM_SEND / 2, TN_STREAM_SEND / 2 + 1, TN_STREAM_SEND};
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 100);
	uint32_t all = net_socket(a, client)->writable, server = b->last_accepted;
	REQUIRE(all == TN_STREAM_SEND && server != 0);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		static uint8_t bytes[TN_STREAM_SEND];
		uint32_t received = 0;
		CHECK_EQ(tn_node_vm_write(a->node, client, bytes, lengths[i]), lengths[i]);
		net_socket(a, client)->writable = 0;
		for (unsigned k = 0; k < 2000 && (received < lengths[i] || net_socket(a, client)->writable != all); k++) {
			uint8_t piece[4096];
			net_run(net, 5);
			for (size_t length; (length = tn_node_vm_read(b->node, server, piece, sizeof piece)) > 0;)
				received += (uint32_t)length;
		}
		CHECK_EQ(received, lengths[i]);
		CHECK_EQ(net_socket(a, client)->writable, all);
	}
	net_free(net);
}

TN_TEST("a port is given once; port 0 gives a free one, which is told")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t first = net_listen(a, 80), second = net_listen(a, 80), other = net_listen(b, 80), any = net_listen(a, 0);
	uint32_t datagram = net_bind(a, 53), taken = net_bind(a, 53);
	net_settle(net);
	CHECK(net_socket(a, first)->connected && net_socket(b, other)->connected && net_socket(a, any)->connected && net_socket(a, datagram)->connected);
	CHECK(net_socket(a, second)->closed && net_socket(a, taken)->closed);
	CHECK_EQ(net_socket(a, second)->reason, TN_CLOSE_IN_USE);
	CHECK_EQ(net_socket(a, taken)->reason, TN_CLOSE_IN_USE);
	CHECK(net_socket(a, any)->port >= 49152);
	uint32_t client = net_connect(b, a->address6, net_socket(a, any)->port);
	net_run(net, 100);
	CHECK(net_socket(b, client)->connected);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, first, 0, 0);
	net_settle(net);
	uint32_t again = net_listen(a, 80);
	net_settle(net);
	CHECK(net_socket(a, again)->connected);
	net_free(net);
}

TN_TEST("UDP datagrams of 0, 1, 1200 and 1252 bytes arrive whole, with their sender")
{
	static const uint16_t sizes[] = {0, 1, 1200, 1252};
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t sender = net_bind(a, 5000);
	net_bind(b, 7);
	net_settle(net);
	for (size_t i = 0; i < 4; i++) {
		uint8_t payload[1252];
		tn_test_random_bytes(payload, sizeof payload);
		net_forget(b);
		net_udp_send(a, sender, b->address4, 7, payload, sizes[i]);
		net_run(net, 10);
		const struct net_event *event = net_event(b, TN_EVENT_UDP_RECEIVED, 0);
		REQUIRE(event != NULL);
		CHECK_EQ(event->length, 24 + sizes[i]);
		CHECK_EQ(tn_load16le(event->bytes + 2), 5000);
		CHECK_MEM(event->bytes + 8, a->address4, 16);
		CHECK_MEM(event->bytes + 24, payload, sizes[i]);
	}
	net_forget(b);
	net_udp_send(a, sender, b->address6, 7, (const uint8_t *)"six", 3);
	net_run(net, 10);
	REQUIRE(net_event(b, TN_EVENT_UDP_RECEIVED, 0) != NULL);
	CHECK_MEM(net_event(b, TN_EVENT_UDP_RECEIVED, 0)->bytes + 8, a->address6, 16);
	net_free(net);
}

TN_TEST("UDP to a port without socket makes no answer")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	net_peers(a, b);
	uint32_t sender = net_bind(a, 5000);
	net_settle(net);
	net_udp_send(a, sender, b->address4, 7, (const uint8_t *)"x", 1);
	net_udp_send(a, sender, b->address6, 7, (const uint8_t *)"x", 1);
	net_run(net, 100);
	CHECK_EQ(net_counter(b, "unreachableSuppressed"), 2);
	CHECK_EQ(net_counter(a, "packetsIn"), 0);
	net_free(net);
}

TN_TEST("sockets are given until the pool is empty, and again after a close")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint32_t last = 0;
	for (unsigned i = 0; i < TN_SOCKETS; i++) {
		uint32_t handle = tn_node_vm_open(a->node);
		CHECK(handle != 0);
		last = handle;
	}
	CHECK_EQ(tn_node_vm_open(a->node), 0);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, last, 0, 0);
	net_settle(net);
	uint32_t again = tn_node_vm_open(a->node);
	CHECK(again != 0 && again != last);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, last, 0, 0);
	net_settle(net);
	CHECK_EQ(tn_node_vm_open(a->node), 0);
	net_free(net);
}

static unsigned count_of(const struct tcp_pcb *list, uint8_t index)
{
	unsigned count = 0;
	for (const struct tcp_pcb *pcb = list; pcb != NULL; pcb = pcb->next)
		count += pcb->netif_idx == index;
	return count;
}

TN_TEST("a node that ends leaves no connection in lwIP, which would speak through the interface of the next node")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t index = netif_get_index(&a->node->interface.netif), packet[64];
	net_peers(a, b);
	net_listen(a, 7);
	net_listen(b, 7);
	net_settle(net);
	net_raw_handshake(raw);
	/* Half open; finished; let go of while nobody answers. */
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 7, 999, 0, TN_TCP_SYN, NULL, 0));
	uint32_t over = net_connect(a, b->address4, 7), stuck = net_connect(a, b->address4, 7);
	net_run(net, 100);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, over, 0, 0);
	net_run(net, 100);
	for (unsigned slot = 1; slot < 3; slot++) {
		if (b->sockets[slot].closed)
			net_handle_command(b, TN_COMMAND_SOCKET_CLOSE, slot | 1u << 16, 0, 0);
	}
	net_run(net, 100);
	net->is_cut = true;
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, stuck, 0, 0);
	net_run(net, 100);
	CHECK_EQ(net_counter(a, "socketsUsed"), 1);
	CHECK_EQ(count_of(tcp_active_pcbs, index), 2);
	CHECK_EQ(count_of(tcp_tw_pcbs, index), 1);
	tn_node_stop(a->node, net->now);
	CHECK_EQ(count_of(tcp_active_pcbs, index), 0);
	CHECK_EQ(count_of(tcp_tw_pcbs, index), 0);
	net_free(net);
}

TN_TEST("a listener follows a change of our addresses")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint8_t identity[108];
	net_listen(b, 7);
	net_bind(b, 7);
	net_settle(net);
	b->address4[15] = b->address6[15] = 77;
	net_identity(b, identity, true);
	net_send(b, identity, sizeof identity);
	net_filter(b, 0, 65535, false);
	net_peers(a, b);
	uint32_t client = net_connect(a, b->address4, 7), client6 = net_connect(a, b->address6, 7);
	net_run(net, 200);
	CHECK(net_socket(a, client)->connected && net_socket(a, client6)->connected);
	net_free(net);
}
