/*
 * Datagram sockets of the VM on the network below the tailnet, which the test plays.
 */
#include "tn_net.h"
#include "tn_datagram.h"

static const uint8_t resolver4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 53};
static const uint8_t resolver6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 53};

static uint32_t open_outside(struct host *host)
{
	uint32_t handle = net_open(host);
	net_handle_command(host, TN_COMMAND_UDP_BIND, handle, 1, 0);
	return handle;
}

/** Sockets that are open. */
static unsigned open_count(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < outside_count; i++)
		count += outside_sockets[i].is_open;
	return count;
}

TN_TEST("a datagram goes out by the network below, in the family of its destination, and nothing of it by the tunnel")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint32_t handle = open_outside(a);
	net_settle(net);
	CHECK(net_socket(a, handle)->connected);
	struct tn_outside *four = &outside_sockets[outside_count - 2], *six = &outside_sockets[outside_count - 1];
	CHECK(!four->is_ip6 && six->is_ip6);
	net_udp_send(a, handle, resolver4, 53, (const uint8_t *)"four", 4);
	net_udp_send(a, handle, resolver6, 53, (const uint8_t *)"six", 3);
	net_udp_send(a, handle, resolver6, 0, (const uint8_t *)"none", 4);
	net_settle(net);
	CHECK(four->sent_count == 1 && four->sent.length == 4 && memcmp(four->sent.bytes, "four", 4) == 0 && four->sent.port == 53);
	CHECK(memcmp(four->sent.address, resolver4, 16) == 0);
	CHECK(six->sent_count == 1 && memcmp(six->sent.address, resolver6, 16) == 0);
	CHECK_EQ(net_counter(a, "packetsOut"), 0);
	CHECK_EQ(a->sent_udp + a->sent_derp, 0);
	net_free(net);
}

TN_TEST("what comes from there is told with its sender")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint32_t handle = open_outside(a);
	net_settle(net);
	net_forget(a);
	outside_say(&outside_sockets[outside_count - 2], resolver4, 53, "one", 3);
	outside_say(&outside_sockets[outside_count - 2], resolver4, 5353, "", 0);
	outside_say(&outside_sockets[outside_count - 1], resolver6, 53, "three", 5);
	net_settle(net);
	unsigned seen = 0;
	for (size_t i = 0; i < a->event_count; i++) {
		const uint8_t *event = a->events[i].bytes;
		if (event[0] != TN_EVENT_UDP_RECEIVED || tn_load32le(event + 4) != handle)
			continue;
		size_t length = a->events[i].length - 24;
		seen += length == 3 && tn_load16le(event + 2) == 53 && memcmp(event + 8, resolver4, 16) == 0 && memcmp(event + 24, "one", 3) == 0;
		seen += length == 0 && tn_load16le(event + 2) == 5353;
		seen += length == 5 && memcmp(event + 8, resolver6, 16) == 0;
	}
	CHECK_EQ(seen, 3);
	net_free(net);
}

TN_TEST("a ring that is full loses what came last, and counts it")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint32_t handle = open_outside(a);
	net_settle(net);
	struct tn_socket *socket = tn_socket_find(&a->node->sockets, handle);
	struct tn_outside *four = &outside_sockets[outside_count - 2];
	uint8_t large[TN_OUTSIDE_DATAGRAM] = {0};
	while (tn_ring_free(&socket->receive) > TN_OUTSIDE_DATAGRAM + TN_DATAGRAM_HEAD + 16)
		tn_ring_put(&socket->receive, large, TN_OUTSIDE_DATAGRAM);
	uint32_t before = socket->dropped;
	outside_say(four, resolver4, 53, large, sizeof large);
	outside_say(four, resolver4, 53, large, sizeof large);
	four->ready(four->context, four);
	CHECK(socket->dropped > before);
	CHECK_EQ(four->waiting_count, 0);
	net_free(net);
}

TN_TEST("it is not moved by other addresses of ours, and closed with its handle and with the node")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	unsigned before = open_count();
	uint32_t handle = open_outside(a);
	open_outside(a);
	net_settle(net);
	CHECK_EQ(open_count(), before + 4);
	tn_datagram_readdress(tn_socket_find(&a->node->sockets, handle));
	CHECK_EQ(open_count(), before + 4);
	net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, handle, 0, 0);
	net_settle(net);
	CHECK_EQ(open_count(), before + 2);
	net_free(net);
	CHECK_EQ(open_count(), before);
}

TN_TEST("a machine of one family has a socket; without any it is told as full")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	outside_room = 1;
	uint32_t one = open_outside(a);
	net_settle(net);
	CHECK(net_socket(a, one)->connected);
	net_udp_send(a, one, resolver6, 53, (const uint8_t *)"six", 3);
	net_settle(net);
	uint32_t none = open_outside(a);
	net_settle(net);
	CHECK(net_socket(a, none)->closed);
	CHECK_EQ(net_socket(a, none)->reason, TN_CLOSE_FULL);
	outside_room = UINT32_MAX;
	net_free(net);
}
