/*
 * What the tunnel does with packets of a peer that says anything: sources, lengths, multicast, TSMP, rejects; and that the interface is an island.
 */
#include "tn_net.h"
#include "lwip/priv/nd6_priv.h"

/** The first packet that a raw peer got of a protocol, or NULL. */
static const struct net_datagram *got(const struct raw *raw, uint8_t protocol)
{
	for (size_t i = 0; i < raw->packet_count; i++) {
		const uint8_t *bytes = raw->packets[i].bytes;
		if ((bytes[0] >> 4 == 4 ? bytes[9] : bytes[6]) == protocol)
			return &raw->packets[i];
	}
	return NULL;
}

static size_t count(const struct raw *raw, uint8_t protocol)
{
	size_t found = 0;
	for (size_t i = 0; i < raw->packet_count; i++) {
		const uint8_t *bytes = raw->packets[i].bytes;
		found += (bytes[0] >> 4 == 4 ? bytes[9] : bytes[6]) == protocol;
	}
	return found;
}

/** UDP to port 7 from any source. @return datagrams that arrived since */
static size_t try_source(struct raw *raw, const uint8_t source[16], const uint8_t destination[16])
{
	uint8_t packet[128];
	net_forget(raw->host);
	net_raw_packet(raw, packet, net_udp(packet, source, destination, 1, 7, (const uint8_t *)"x", 1));
	net_settle(raw->net);
	return net_count(raw->host, TN_EVENT_UDP_RECEIVED);
}

TN_TEST("[tunnel 39] a source outside the peer's AllowedIPs is dropped: v4, v6, v4-mapped, another node's")
{
	/* 192.168.9.0/24, 0.0.0.0/0 for an exit node */
	static const uint8_t subnet[18] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 9, 0, 120, 0};
	static const uint8_t everything[18] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 96, 0};
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, subnet, 1, 0);
	uint8_t other4[16], other6[16], endpoint[18], inside[16], outside[16], mapped[16];
	net_addresses(4, other4, other6, endpoint);
	memcpy(inside, subnet, 16);
	inside[15] = 5;
	memcpy(outside, inside, 16);
	outside[14] = 8;
	memcpy(mapped, raw->address4, 16);
	net_bind(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	CHECK_EQ(try_source(raw, raw->address4, a->address4), 1);
	CHECK_EQ(try_source(raw, raw->address6, a->address6), 1);
	CHECK_EQ(try_source(raw, inside, a->address4), 1);
	CHECK_EQ(try_source(raw, outside, a->address4), 0);
	CHECK_EQ(try_source(raw, other4, a->address4), 0);
	CHECK_EQ(try_source(raw, other6, a->address6), 0);
	CHECK_EQ(try_source(raw, a->address4, a->address4), 0);
	uint8_t packet[128];
	size_t length = net_udp(packet, raw->address6, a->address6, 1, 7, (const uint8_t *)"x", 1);
	memcpy(packet + 8, mapped, 16);
	tn_checksum_fill(packet, length);
	net_forget(a);
	net_raw_packet(raw, packet, length);
	net_settle(net);
	CHECK_EQ(net_count(a, TN_EVENT_UDP_RECEIVED), 0);
	net_peer(a, 1, raw->public_key, raw->address4, raw->address4, everything, 1, 0, 0);
	net_settle(net);
	CHECK_EQ(try_source(raw, outside, a->address4), 1);
	CHECK_EQ(try_source(raw, other4, a->address4), 0);
	CHECK_EQ(try_source(raw, raw->address6, a->address6), 0);
	net_free(net);
}

TN_TEST("[tunnel 42] an inner packet of 1281 to 2000 bytes is delivered, and its answer fits the MTU")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t payload[2000] = {0}, packet[2100];
	net_bind(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	for (size_t length = 1281; length <= 2000; length += 37) {
		net_forget(a);
		net_raw_packet(raw, packet, net_udp(packet, raw->address4, a->address4, 1, 7, payload, length - 28));
		net_settle(net);
		CHECK_EQ(net_count(a, TN_EVENT_UDP_RECEIVED), 1);
		/* An echo request of that size: the answer is fragmented or dropped, never larger than the MTU. */
		uint8_t echo[2000] = {8};
		raw->packet_count = 0;
		net_raw_packet(raw, packet, net_ip(packet, raw->address4, a->address4, TN_PROTOCOL_ICMP4, echo, length - 20));
		net_raw_packet(raw, packet, net_ip(packet, raw->address6, a->address6, TN_PROTOCOL_ICMP6, echo, length - 40));
		net_settle(net);
		for (size_t i = 0; i < raw->packet_count; i++)
			CHECK(raw->packets[i].length <= TN_MTU);
	}
	/* Of ours: nothing above the MTU leaves. */
	raw->packet_count = 0;
	net_ip(packet, a->address4, raw->address4, TN_PROTOCOL_TSMP, payload, 1900);
	net_inject(a, packet, 1920);
	net_settle(net);
	CHECK_EQ(raw->packet_count, 0);
	CHECK_EQ(net_counter(a, "droppedOversized"), 1);
	net_free(net);
}

TN_TEST("the answer to a long echo request comes in fragments, all of them, whatever the bytes are")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[2048], icmp[1500];
	net_settle(net);
	net_raw_handshake(raw);
	memset(icmp, 3, sizeof icmp);
	icmp[0] = 8;
	icmp[1] = icmp[2] = icmp[3] = 0;
	net_raw_packet(raw, packet, net_ip(packet, raw->address4, a->address4, TN_PROTOCOL_ICMP4, icmp, sizeof icmp));
	net_settle(net);
	REQUIRE(raw->packet_count == 2);
	CHECK_EQ(raw->packets[0].length + raw->packets[1].length - 40u, sizeof icmp);
	net_free(net);
}

/** Sends an IPv4 packet in two fragments, the first with 160 bytes of payload. */
static void send_fragments(struct raw *raw, const uint8_t *packet, size_t length)
{
	uint8_t fragment[2048];
	size_t first = 20 + 160, rest = length - first;
	memcpy(fragment, packet, first);
	tn_store16be(fragment + 2, (uint16_t)first);
	tn_store16be(fragment + 6, 0x2000);
	tn_store16be(fragment + 10, 0);
	tn_store16be(fragment + 10, tn_checksum_ip4(fragment, 20));
	net_raw_packet(raw, fragment, first);
	memcpy(fragment + 20, packet + first, rest);
	tn_store16be(fragment + 2, (uint16_t)(20 + rest));
	tn_store16be(fragment + 6, 160 / 8);
	tn_store16be(fragment + 10, 0);
	tn_store16be(fragment + 10, tn_checksum_ip4(fragment, 20));
	net_raw_packet(raw, fragment, 20 + rest);
	net_settle(raw->net);
}

TN_TEST("a UDP datagram in fragments is delivered, where lwIP puts them together; TCP in fragments, and protocols it has nothing for, are not given to it")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[2048], payload[500] = {0};
	net_bind(a, 7);
	net_listen(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	send_fragments(raw, packet, net_udp(packet, raw->address4, a->address4, 1, 7, payload, sizeof payload));
	CHECK_EQ(net_count(a, TN_EVENT_UDP_RECEIVED), IP_REASSEMBLY);
	CHECK_EQ(net_counter(a, "droppedUnfit"), 0);
	send_fragments(raw, packet, net_tcp(packet, raw->address4, a->address4, 1, 7, 1000, 0, TN_TCP_SYN, payload, sizeof payload));
	CHECK_EQ(count(raw, TN_PROTOCOL_TCP), 0);
	CHECK_EQ(net_counter(a, "droppedUnfit"), 2);
	net_raw_packet(raw, packet, net_ip(packet, raw->address4, a->address4, 200, payload, 100));
	net_settle(net);
	CHECK_EQ(net_counter(a, "droppedUnfit"), 3);
	net_free(net);
}

TN_TEST("[tunnel 43] multicast, broadcast and link-local never leave and never enter")
{
	static const uint8_t destinations[][16] = {
	    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 224, 0, 0, 251},
	    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 239, 255, 255, 250},
	    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 255, 255, 255, 255},
	    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 169, 254, 1, 1},
	    {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	    {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	};
	/* The peer owns all that: an exit node. */
	static const uint8_t everything[36] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 96, 0, 0};
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, everything, 2, 0);
	uint32_t socket = net_bind(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	for (size_t i = 0; i < sizeof destinations / sizeof destinations[0]; i++) {
		CHECK_EQ(try_source(raw, tn_address_is_ip4(destinations[i]) ? raw->address4 : raw->address6, destinations[i]), 0);
		raw->packet_count = 0;
		net_udp_send(a, socket, destinations[i], 9, (const uint8_t *)"x", 1);
		uint32_t client = net_connect(a, destinations[i], 9);
		net_run(net, 5000);
		CHECK(!net_socket(a, client)->connected);
		CHECK_EQ(count(raw, TN_PROTOCOL_UDP) + count(raw, TN_PROTOCOL_TCP), 0);
		net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, client, 1, 0);
	}
	net_run(net, 60000);
	CHECK_EQ(count(raw, TN_PROTOCOL_IGMP), 0);
	net_free(net);
}

/** A TSMP payload from the raw peer to one of our addresses. */
static void tsmp(struct raw *raw, const uint8_t destination[16], const uint8_t *payload, size_t length)
{
	uint8_t packet[256];
	const uint8_t *source = tn_address_is_ip4(destination) ? raw->address4 : raw->address6;
	net_raw_packet(raw, packet, net_ip(packet, source, destination, TN_PROTOCOL_TSMP, payload, length));
	net_settle(raw->net);
}

TN_TEST("[tunnel 46] a TSMP ping, v4 and v6, is answered with the pong and the PeerAPI port, also when nothing is allowed")
{
	static const uint8_t ping[9] = {'p', 1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t pong4[11] = {'o', 1, 2, 3, 4, 5, 6, 7, 8, 40004 >> 8, 40004 & 255};
	static const uint8_t pong6[11] = {'o', 1, 2, 3, 4, 5, 6, 7, 8, 40006 >> 8, 40006 & 255};
	struct net *net = net_new();
	struct host *a = net_host_with(net, 1, true);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	net_settle(net);
	net_raw_handshake(raw);
	tsmp(raw, a->address4, ping, sizeof ping);
	REQUIRE(got(raw, TN_PROTOCOL_TSMP) != NULL);
	CHECK_EQ(got(raw, TN_PROTOCOL_TSMP)->length, 31);
	CHECK_MEM(got(raw, TN_PROTOCOL_TSMP)->bytes + 20, pong4, 11);
	CHECK_MEM(got(raw, TN_PROTOCOL_TSMP)->bytes + 12, a->address4 + 12, 4);
	raw->packet_count = 0;
	tsmp(raw, a->address6, ping, sizeof ping);
	REQUIRE(got(raw, TN_PROTOCOL_TSMP) != NULL);
	CHECK_EQ(got(raw, TN_PROTOCOL_TSMP)->length, 51);
	CHECK_MEM(got(raw, TN_PROTOCOL_TSMP)->bytes + 40, pong6, 11);
	raw->packet_count = 0;
	tsmp(raw, raw->address4, ping, sizeof ping);
	CHECK_EQ(raw->packet_count, 0);
	for (unsigned i = 0; i < 60; i++)
		tsmp(raw, a->address4, ping, sizeof ping);
	CHECK(raw->packet_count <= TN_PONGS_PER_SECOND);
	net_free(net);
}

TN_TEST("[tunnel 47] TSMP of 6 bytes, of unknown type, in a fragment, a disco key of 32 bytes, a ping of 8 bytes: ignored")
{
	static const uint8_t payload[64] = {'p', 1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t other[64] = {'z'}, disco[64] = {'a'}, packet[128];
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	net_settle(net);
	net_raw_handshake(raw);
	net_forget(a);
	tsmp(raw, a->address4, payload, 6);
	tsmp(raw, a->address4, payload, 8);
	tsmp(raw, a->address4, other, 33);
	tsmp(raw, a->address4, disco, 32);
	size_t length = net_ip(packet, raw->address4, a->address4, TN_PROTOCOL_TSMP, payload, 9);
	packet[6] = 0x20;
	tn_checksum_fill(packet, length);
	net_raw_packet(raw, packet, length);
	net_settle(net);
	CHECK_EQ(raw->packet_count, 0);
	CHECK_EQ(net_count(a, TN_EVENT_TSMP), 0);
	net_free(net);
}

TN_TEST("[relay 27] a TSMP disco key is told to the VM and does not reach the IP stack")
{
	uint8_t disco[40] = {'a', 9, 8, 7};
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	net_settle(net);
	net_raw_handshake(raw);
	double before = net_counter(a, "packetsIn");
	tsmp(raw, a->address6, disco, sizeof disco);
	const struct net_event *event = net_event(a, TN_EVENT_TSMP, 0);
	REQUIRE(event != NULL);
	CHECK_EQ(tn_load32le(event->bytes + 4), net_handle(1));
	CHECK_MEM(event->bytes + 8, raw->address6, 16);
	CHECK_MEM(event->bytes + 24, disco, 33);
	CHECK_EQ(net_counter(a, "packetsIn"), before);
	net_free(net);
}

/** A reject of the connection from a's port to the raw peer's. */
static void reject(struct raw *raw, uint16_t own_port, uint16_t peer_port, uint8_t flags)
{
	const uint8_t payload[8] = {'!', 6, 'A', (uint8_t)(own_port >> 8), (uint8_t)own_port, (uint8_t)(peer_port >> 8), (uint8_t)peer_port, flags};
	tsmp(raw, raw->host->address4, payload, flags != 0 ? 8 : 7);
}

TN_TEST("[tunnel 48] a TSMP reject fails exactly the matching pending connect, not with the maybe-broken flag, not an established one")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[128];
	net_settle(net);
	net_raw_handshake(raw);
	uint32_t first = net_connect(a, raw->address4, 80), second = net_connect(a, raw->address4, 81);
	net_settle(net);
	REQUIRE(count(raw, TN_PROTOCOL_TCP) == 2);
	uint16_t ports[2] = {tn_load16be(raw->packets[0].bytes + 20), tn_load16be(raw->packets[1].bytes + 20)};
	uint32_t sequence = tn_load32be(raw->packets[1].bytes + 24);
	reject(raw, ports[0], 80, 1);
	reject(raw, ports[0], 82, 0);
	reject(raw, (uint16_t)(ports[0] ^ 1), 80, 0);
	CHECK(!net_socket(a, first)->closed && !net_socket(a, second)->closed);
	CHECK_EQ(net_count(a, TN_EVENT_TSMP), 3);
	/* The second becomes established. */
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 81, ports[1], 1000, sequence + 1, TN_TCP_SYN | TN_TCP_ACK, NULL, 0));
	net_settle(net);
	CHECK(net_socket(a, second)->connected);
	reject(raw, ports[1], 81, 0);
	CHECK(!net_socket(a, second)->closed);
	reject(raw, ports[0], 80, 0);
	CHECK(net_socket(a, first)->closed);
	CHECK_EQ(net_socket(a, first)->reason, TN_CLOSE_POLICY);
	net_free(net);
}

TN_TEST("[tunnel 49] a refused inbound IPv4 SYN makes one reject of 27 bytes with the right ports and reason")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[128];
	net_filter(a, 443, 443, false);
	net_settle(net);
	net_raw_handshake(raw);
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 80, 1, 0, TN_TCP_SYN, NULL, 0));
	net_settle(net);
	CHECK_EQ(raw->packet_count, 1);
	CHECK_EQ(raw->packets[0].length, 27);
	CHECK_MEM(raw->packets[0].bytes + 20, ((const uint8_t[]){'!', 6, 'A', 1234 >> 8, 1234 & 255, 0, 80}), 7);
	net_filter(a, 443, 443, true);
	net_settle(net);
	raw->packet_count = 0;
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 443, 1, 0, TN_TCP_SYN, NULL, 0));
	net_raw_packet(raw, packet, net_tcp(packet, raw->address6, a->address6, 1234, 443, 1, 0, TN_TCP_SYN, NULL, 0));
	net_settle(net);
	CHECK_EQ(raw->packet_count, 1);
	CHECK_EQ(raw->packets[0].bytes[22], 'S');
	for (unsigned i = 0; i < 50; i++)
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 443, 1, 0, TN_TCP_SYN, NULL, 0));
	net_settle(net);
	CHECK(raw->packet_count <= TN_REJECTS_PER_SECOND);
	/* For a jailed peer the shields are always up. */
	net_filter(a, 0, 65535, false);
	net_peer(a, 1, raw->public_key, raw->address4, raw->address6, NULL, 0, 0, 1);
	net_run(net, 1000);
	raw->packet_count = 0;
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 443, 1, 0, TN_TCP_SYN, NULL, 0));
	net_settle(net);
	REQUIRE(raw->packet_count == 1);
	CHECK_EQ(raw->packets[0].bytes[22], 'S');
	net_free(net);
}

TN_TEST("a SYN to our PeerAPI port passes the filter, one to the port of the other family does not")
{
	struct net *net = net_new();
	struct host *a = net_host_with(net, 1, true);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[128];
	net_listen(a, 40004);
	net_settle(net);
	net_raw_handshake(raw);
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 40004, 1, 0, TN_TCP_SYN, NULL, 0));
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 40006, 1, 0, TN_TCP_SYN, NULL, 0));
	net_settle(net);
	CHECK_EQ(count(raw, TN_PROTOCOL_TCP), 1);
	CHECK_EQ(count(raw, TN_PROTOCOL_TSMP), 1);
	net_free(net);
}

TN_TEST("a flood of SYNs opens no more than one address may, and others connect meanwhile")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[128];
	net_peers(b, a);
	net_listen(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	for (unsigned i = 0; i < 1000; i++)
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, (uint16_t)(10000 + i), 7, i, 0, TN_TCP_SYN, NULL, 0));
	net_settle(net);
	CHECK_EQ(net_counter(a, "streamsHalfOpenDropped"), 1000 - TN_HALF_OPEN_EACH);
	uint32_t client = net_connect(b, a->address4, 7);
	net_run(net, 1000);
	CHECK_EQ(net_socket(b, client)->connected, TN_HALF_OPEN > 1);
	net_run(net, 120000);
	client = net_connect(b, a->address4, 7);
	net_run(net, 1000);
	CHECK(net_socket(b, client)->connected);
	net_free(net);
}

TN_TEST("a diagnostic echo's reply is told to the VM, any other goes to the IP stack")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[128];
	const uint8_t request[8] = {8, 0, 0, 0, 0x12, 0x34, 0, 1}, reply[8] = {0, 0, 0, 0, 0x12, 0x34, 0, 1}, other[8] = {0, 0, 0, 0, 0x12, 0x34, 0, 2};
	net_settle(net);
	net_raw_handshake(raw);
	net_ip(packet, a->address4, raw->address4, TN_PROTOCOL_ICMP4, request, 8);
	net_inject(a, packet, 28);
	net_settle(net);
	CHECK_EQ(count(raw, TN_PROTOCOL_ICMP4), 1);
	net_raw_packet(raw, packet, net_ip(packet, raw->address4, a->address4, TN_PROTOCOL_ICMP4, other, 8));
	net_raw_packet(raw, packet, net_ip(packet, raw->address4, a->address4, TN_PROTOCOL_ICMP4, reply, 8));
	net_raw_packet(raw, packet, net_ip(packet, raw->address4, a->address4, TN_PROTOCOL_ICMP4, reply, 8));
	net_settle(net);
	CHECK_EQ(net_count(a, TN_EVENT_ECHO_REPLY), 1);
	CHECK_MEM(net_event(a, TN_EVENT_ECHO_REPLY, 0)->bytes + 24, reply + 4, 4);
	/* And requests are answered by the stack, data included. */
	uint8_t question[30] = {8, 0, 0, 0, 1, 2, 3, 4, 'd', 'a', 't', 'a'};
	raw->packet_count = 0;
	net_raw_packet(raw, packet, net_ip(packet, raw->address4, a->address4, TN_PROTOCOL_ICMP4, question, 30));
	question[0] = 128;
	net_raw_packet(raw, packet, net_ip(packet, raw->address6, a->address6, TN_PROTOCOL_ICMP6, question, 20));
	net_settle(net);
	REQUIRE(raw->packet_count == 2);
	CHECK_MEM(raw->packets[0].bytes + 24, question + 4, 26);
	CHECK_MEM(raw->packets[1].bytes + 44, question + 4, 16);
	net_free(net);
}

static unsigned lan_packets;

static err_t lan_output(struct netif *netif, struct pbuf *p, const ip4_addr_t *address)
{
	(void)netif;
	(void)p;
	(void)address;
	lan_packets++;
	return ERR_OK;
}

static err_t lan_output6(struct netif *netif, struct pbuf *p, const ip6_addr_t *address)
{
	(void)address;
	return lan_output(netif, p, NULL);
}

static err_t lan_set_up(struct netif *netif)
{
	netif->mtu = 1500;
	netif->output = lan_output;
	netif->output_ip6 = lan_output6;
	return ERR_OK;
}

TN_TEST("the interface is an island: a LAN host that sends to our address gets no answer and no data in")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct netif lan = {0};
	ip4_addr_t own, mask;
	uint8_t packet[128], stranger4[16], stranger6[16], endpoint[18];
	net_listen(a, 7);
	net_bind(a, 7);
	net_settle(net);
	IP4_ADDR(&own, 192, 168, 1, 10);
	IP4_ADDR(&mask, 255, 255, 255, 0);
	netif_add(&lan, &own, &mask, IP4_ADDR_ANY4, NULL, lan_set_up, ip_input);
	netif_set_link_up(&lan);
	netif_set_up(&lan);
	lan.rs_count = 0;
	net_addresses(50, stranger4, stranger6, endpoint);
	stranger4[12] = 192;
	stranger4[13] = 168;
	stranger4[14] = 1;
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *from = i % 2 == 0 ? stranger4 : stranger6, *to = i % 2 == 0 ? a->address4 : a->address6;
		size_t length = i < 2 ? net_tcp(packet, from, to, 1234, 7, 1, 0, TN_TCP_SYN, NULL, 0) : net_udp(packet, from, to, 1234, 7, packet, 3);
		struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_RAM);
		memcpy(p->payload, packet, length);
		ip_input(p, &lan);
	}
	net_run(net, 5000);
	CHECK_EQ(lan_packets, 0);
	CHECK_EQ(net_count(a, TN_EVENT_UDP_RECEIVED) + net_count(a, TN_EVENT_ACCEPTED), 0);
	netif_remove(&lan);
	net_free(net);
}

static unsigned strangers_got;

static err_t stranger_accepts(void *context, struct tcp_pcb *pcb, err_t error)
{
	(void)context;
	(void)error;
	strangers_got++;
	tcp_abort(pcb);
	return ERR_ABRT;
}

static void stranger_receives(void *context, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address, u16_t port)
{
	(void)context;
	(void)pcb;
	(void)address;
	(void)port;
	strangers_got++;
	pbuf_free(p);
}

TN_TEST("the interface is an island: sockets of lwIP that are not ours get nothing from a peer, whatever our rules allow")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[128];
	struct tcp_pcb *tcp = tcp_new_ip_type(IPADDR_TYPE_ANY);
	struct udp_pcb *udp = udp_new_ip_type(IPADDR_TYPE_ANY);
	CHECK_EQ(tcp_bind(tcp, IP_ANY_TYPE, 8080), ERR_OK);
	tcp = tcp_listen(tcp);
	tcp_accept(tcp, stranger_accepts);
	CHECK_EQ(udp_bind(udp, IP_ANY_TYPE, 8080), ERR_OK);
	udp_recv(udp, stranger_receives, NULL);
	net_settle(net);
	net_raw_handshake(raw);
	for (unsigned is_ip6 = 0; is_ip6 < 2; is_ip6++) {
		const uint8_t *from = is_ip6 ? raw->address6 : raw->address4, *to = is_ip6 ? a->address6 : a->address4;
		net_raw_packet(raw, packet, net_udp(packet, from, to, 1234, 8080, (const uint8_t *)"x", 1));
		net_raw_packet(raw, packet, net_tcp(packet, from, to, 1234, 8080, 999, 0, TN_TCP_SYN, NULL, 0));
		net_settle(net);
		const struct net_datagram *answer = got(raw, TN_PROTOCOL_TCP);
		if (answer == NULL)
			continue;
		uint32_t sequence = tn_load32be(answer->bytes + (is_ip6 ? 44 : 24)) + 1;
		raw->packet_count = 0;
		net_raw_packet(raw, packet, net_tcp(packet, from, to, 1234, 8080, 1000, sequence, TN_TCP_ACK, NULL, 0));
		net_settle(net);
	}
	CHECK_EQ(strangers_got, 0);
	CHECK_EQ(net_counter(a, "droppedNotOurs"), 4);
	tcp_close(tcp);
	udp_remove(udp);
	net_free(net);
}

TN_TEST("a peer opens a connection from the port of one that has just ended, whether its sequence numbers are beyond the old ones or before")
{
	static const uint32_t starts[] = {0x40000000, 0x50000000, 0x30000000};
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t packet[128];
	net_listen(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
		const uint32_t sequence = starts[i];
		raw->packet_count = 0;
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 7, sequence, 0, TN_TCP_SYN, NULL, 0));
		net_settle(net);
		const struct net_datagram *answer = got(raw, TN_PROTOCOL_TCP);
		REQUIRE(answer != NULL);
		CHECK_EQ(answer->bytes[33], TN_TCP_SYN | TN_TCP_ACK);
		CHECK_EQ(tn_load32be(answer->bytes + 28), sequence + 1);
		const uint32_t acknowledged = tn_load32be(answer->bytes + 24) + 1;
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 7, sequence + 1, acknowledged, TN_TCP_ACK, NULL, 0));
		net_settle(net);
		CHECK_EQ(net_counter(a, "streamsAccepted"), i + 1);
		net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, a->last_accepted, 0, 0);
		net_settle(net);
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 7, sequence + 1, acknowledged + 1, TN_TCP_FIN | TN_TCP_ACK, NULL, 0));
		net_settle(net);
		CHECK(tcp_tw_pcbs != NULL && tcp_tw_pcbs->next == NULL);
	}
	net_free(net);
}

TN_TEST("connections begin from one port after another: a peer may remember the last thousand that have ended")
{
	enum { CONNECTIONS = 1000 };
	static bool seen[65536];
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	unsigned again = 0;
	net_settle(net);
	net_raw_handshake(raw);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		raw->packet_count = 0;
		uint32_t handle = net_connect(a, raw->address4, 7);
		net_settle(net);
		const struct net_datagram *begun = got(raw, TN_PROTOCOL_TCP);
		REQUIRE(begun != NULL);
		uint16_t port = tn_load16be(begun->bytes + 20);
		CHECK(port >= 49152);
		again += seen[port];
		seen[port] = true;
		net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, handle, 0, 0);
		net_settle(net);
	}
	CHECK_EQ(again, 0);
	net_free(net);
}

TN_TEST("the interface is an island: of the finished connections in lwIP only ours give way")
{
	enum { STRANGERS = 200 };
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct tcp_pcb *strangers[STRANGERS];
	unsigned left = 0;
	net_settle(net);
	for (size_t i = 0; i < STRANGERS; i++) {
		strangers[i] = tcp_new();
		strangers[i]->state = TIME_WAIT;
		TCP_REG(&tcp_tw_pcbs, strangers[i]);
	}
	net_listen(a, 7);
	net_run(net, 2000);
	for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb != NULL; pcb = pcb->next)
		left++;
	CHECK_EQ(left, STRANGERS);
	while (tcp_tw_pcbs != NULL)
		tcp_abort(tcp_tw_pcbs);
	net_free(net);
}

TN_TEST("neighbour discovery and path MTU messages of a peer do not reach lwIP, whose tables are those of all interfaces")
{
	static const uint8_t everything6[18] = {0};
	static const uint8_t router[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	                     server[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, everything6, 1, 0);
	uint8_t packet[128], icmp[64] = {0};
	net_settle(net);
	net_raw_handshake(raw);
	memset(&destination_cache[0], 0, sizeof destination_cache[0]);
	memcpy(destination_cache[0].destination_addr.addr, server, 16);
	destination_cache[0].pmtu = 1500;
	/* A router advertisement with a lifetime, a neighbour solicitation for our address, and "packet too big" for a packet of ours that another interface sent. */
	icmp[0] = 134;
	icmp[6] = 1;
	for (unsigned i = 0; i < 3; i++) {
		size_t length = net_ip(packet, i == 0 ? router : raw->address6, a->address6, TN_PROTOCOL_ICMP6, icmp, i == 0 ? 16 : i == 1 ? 24 : 48);
		packet[7] = 255;
		net_raw_packet(raw, packet, length);
		memset(icmp, 0, sizeof icmp);
		if (i == 0) {
			icmp[0] = 135;
			memcpy(icmp + 8, a->address6, 16);
		} else {
			icmp[0] = 2;
			icmp[7] = 1;
			icmp[8] = 0x60;
			memcpy(icmp + 8 + 24, server, 16);
		}
	}
	net_settle(net);
	CHECK(default_router_list[0].neighbor_entry == NULL);
	for (size_t i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++)
		CHECK_EQ(neighbor_cache[i].state, ND6_NO_ENTRY);
	CHECK_EQ(destination_cache[0].pmtu, 1500);
	CHECK_EQ(net_counter(a, "icmpIgnored"), 3);
	memset(&destination_cache[0], 0, sizeof destination_cache[0]);
	net_free(net);
}
