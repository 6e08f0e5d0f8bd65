/*
 * Subnet routes that a node offers: what its peers get of hosts below, which the test plays.
 */
#include "tn_net.h"

static const uint8_t host4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 73, 2};
static const uint8_t host6[16] = {0xfd, 0x73, 0, 1, [15] = 2};
/* 192.168.73.0/24, fd73:1::/64 */
static const uint8_t prefixes[2][18] = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 73, 0, 120}, {0xfd, 0x73, 0, 1, [16] = 64}};

static void give(struct host *host, size_t count)
{
	uint8_t record[4 + sizeof prefixes] = {TN_COMMAND_SUBNETS};
	memcpy(record + 4, prefixes, 18 * count);
	net_send(host, record, 4 + 18 * count);
}

#if TN_SUBNET

static const uint8_t other4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 73, 3};

/** Node a is the router, b a peer that uses its routes. */
struct scene {
	struct net *net;
	struct host *a, *b;
};

static struct scene begin(void)
{
	static const uint8_t all6[16] = {0};
	struct scene scene = {.net = net_new()};
	outside_count = 0;
	scene.a = net_host(scene.net, 1);
	scene.b = net_host(scene.net, 2);
	net_peers(scene.a, scene.b);
	net_peer(scene.b, 0, scene.a->public_key, scene.a->address4, scene.a->address6, prefixes[0], 2, 0, 0);
	net_filter_for(scene.a, 0, UINT32_MAX, all6, 0, 0, 65535, false);
	give(scene.a, 2);
	net_settle(scene.net);
	return scene;
}

static void end(struct scene *scene)
{
	net_free(scene->net);
	for (unsigned i = 0; i < outside_count; i++)
		CHECK(!outside_sockets[i].is_open);
}

static struct tn_outside *last_outside(void)
{
	return &outside_sockets[outside_count - 1];
}

/** A connection of b to a host whose side is open. */
static uint32_t connect_to(struct scene *scene, const uint8_t address[16], struct tn_outside **outside)
{
	unsigned before = outside_count;
	uint32_t client = net_connect(scene->b, address, 80);
	net_run(scene->net, 100);
	CHECK_EQ(outside_count, before + 1);
	*outside = last_outside();
	CHECK(!net_socket(scene->b, client)->connected);
	(*outside)->is_answered = true;
	net_run(scene->net, 100);
	CHECK(net_socket(scene->b, client)->connected);
	return client;
}

TN_TEST("TCP: the peer is connected when the host is, and bytes go both ways, over both families")
{
	struct scene scene = begin();
	for (unsigned i = 0; i < 2; i++) {
		struct tn_outside *outside;
		uint8_t bytes[3000], got[3000];
		uint32_t client = connect_to(&scene, i == 0 ? host4 : host6, &outside);
		CHECK(memcmp(outside->address, i == 0 ? host4 : host6, 16) == 0 && outside->port == 80);
		for (size_t j = 0; j < sizeof bytes; j++)
			bytes[j] = (uint8_t)j;
		CHECK_EQ(tn_node_vm_write(scene.b->node, client, bytes, sizeof bytes), sizeof bytes);
		outside->readable = 3000;
		net_run(scene.net, 500);
		CHECK_EQ(outside->written, 3000);
		CHECK(outside->is_right);
		CHECK_EQ(tn_node_vm_read(scene.b->node, client, got, sizeof got), 3000);
		CHECK(memcmp(bytes, got, sizeof got) == 0);
	}
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 2);
	CHECK_EQ(net_counter(scene.a, "subnetOpened"), 2);
	for (size_t i = 0; i < scene.a->event_count; i++)
		CHECK(scene.a->events[i].bytes[0] < TN_EVENT_CONNECTED); /* the VM hears nothing of it */
	end(&scene);
}

TN_TEST("TCP: two hosts and one port of the peer are two connections")
{
	struct scene scene = begin();
	struct raw *raw = net_raw(scene.a, 3, NULL, 0, 0);
	uint8_t packet[256];
	net_raw_handshake(raw);
	net_run(scene.net, 100);
	const uint8_t *hosts[2] = {host4, other4};
	for (unsigned i = 0; i < 2; i++) {
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, hosts[i], 5000, 80, 100, 0, TN_TCP_SYN, NULL, 0));
		net_run(scene.net, 10);
		last_outside()->is_answered = true;
		net_run(scene.net, 10);
	}
	unsigned answers = 0;
	for (size_t i = 0; i < raw->packet_count; i++) {
		struct tn_packet seen;
		tn_packet_parse(&seen, raw->packets[i].bytes, raw->packets[i].length);
		if ((seen.tcp_flags & (TN_TCP_SYN | TN_TCP_ACK)) != (TN_TCP_SYN | TN_TCP_ACK))
			continue;
		const uint8_t *from = seen.source;
		answers |= memcmp(from, host4, 16) == 0 ? 1u : memcmp(from, other4, 16) == 0 ? 2u : 4u;
		uint32_t sequence = tn_load32be(raw->packets[i].bytes + 24);
		uint8_t payload = 0;
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, from, 5000, 80, 101, sequence + 1, TN_TCP_ACK, &payload, 1));
	}
	net_run(scene.net, 100);
	CHECK_EQ(answers, 3);
	CHECK_EQ(outside_sockets[0].written, 1);
	CHECK_EQ(outside_sockets[1].written, 1);
	end(&scene);
}

TN_TEST("TCP: a host that refuses, and one that is silent for 30 s, is a refused connection")
{
	struct scene scene = begin();
	uint32_t client = net_connect(scene.b, host4, 81);
	net_run(scene.net, 100);
	last_outside()->is_answered = last_outside()->is_refused = true;
	net_run(scene.net, 100);
	CHECK(net_socket(scene.b, client)->closed && net_socket(scene.b, client)->reason == TN_CLOSE_REFUSED);
	CHECK_EQ(net_counter(scene.a, "subnetRefusedBelow"), 1);
	net_connect(scene.b, host4, 82);
	net_run(scene.net, 29000);
	CHECK(last_outside()->is_open);
	net_run(scene.net, 2000);
	CHECK(!last_outside()->is_open);
	CHECK_EQ(net_counter(scene.a, "subnetRefusedBelow"), 2);
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 0);
	end(&scene);
}

TN_TEST("TCP: the end of one side is told to the other, which goes on")
{
	struct scene scene = begin();
	struct tn_outside *outside;
	uint8_t bytes[100] = {0}, got[100];
	uint32_t client = connect_to(&scene, host4, &outside);
	outside->readable = 50;
	outside->has_ended = true;
	net_run(scene.net, 100);
	CHECK(net_socket(scene.b, client)->closed && net_socket(scene.b, client)->reason == TN_CLOSE_REMOTE);
	CHECK_EQ(tn_node_vm_read(scene.b->node, client, got, sizeof got), 50);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	CHECK_EQ(tn_node_vm_write(scene.b->node, client, bytes, sizeof bytes), sizeof bytes);
	net_run(scene.net, 100);
	CHECK(outside->written == 100 && outside->is_right && !outside->is_finished);
	net_handle_command(scene.b, TN_COMMAND_SOCKET_CLOSE, client, 0, 0);
	net_run(scene.net, 100);
	CHECK(outside->is_finished && !outside->is_open);
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 0);
	net_run(scene.net, 200000);
	CHECK_EQ(net_counter(scene.a, "socketsUsed"), 0);

	/* The peer first: what the host says afterwards still comes. */
	client = connect_to(&scene, host4, &outside);
	tn_node_vm_write(scene.b->node, client, bytes, sizeof bytes);
	net_handle_command(scene.b, TN_COMMAND_SOCKET_CLOSE, client, 0, 0);
	net_run(scene.net, 200);
	CHECK(outside->is_finished && outside->is_open && outside->written == 100);
	outside->readable = 10;
	outside->has_ended = true;
	net_run(scene.net, 200);
	CHECK(!outside->is_open && outside->taken == 10);
	end(&scene);
}

TN_TEST("TCP: a reset of either side is one of the other")
{
	struct scene scene = begin();
	struct tn_outside *outside;
	uint32_t client = connect_to(&scene, host4, &outside);
	outside->is_reset = true;
	net_run(scene.net, 100);
	CHECK(net_socket(scene.b, client)->closed && net_socket(scene.b, client)->reason == TN_CLOSE_RESET);
	CHECK(!outside->is_open);
	client = connect_to(&scene, host4, &outside);
	net_handle_command(scene.b, TN_COMMAND_SOCKET_CLOSE, client, 1, 0);
	net_run(scene.net, 100);
	CHECK(!outside->is_open && !outside->is_finished);
	end(&scene);
}

TN_TEST("TCP: a host that does not read closes the peer's window, and a peer that does not read is not read for")
{
	struct scene scene = begin();
	struct tn_outside *outside;
	static uint8_t bytes[4096];
	size_t written = 0;
	uint32_t client = connect_to(&scene, host4, &outside);
	outside->room = 0;
	outside->readable = 50000000;
	for (unsigned i = 0; i < 400; i++) {
		size_t taken;
		do {
			for (size_t j = 0; j < sizeof bytes; j++)
				bytes[j] = (uint8_t)(written + j);
			taken = tn_node_vm_write(scene.b->node, client, bytes, sizeof bytes);
			written += taken;
		} while (taken > 0);
		net_run(scene.net, 20);
	}
	CHECK(written < 3u * (TN_STREAM_SEND + TN_STREAM_RECEIVE) && outside->written == 0);
	CHECK(outside->taken < 3u * (TN_STREAM_SEND + TN_STREAM_RECEIVE));
	outside->room = SIZE_MAX;
	size_t read = 0, length;
	bool is_right = true;
	for (unsigned i = 0; i < 4000 && (outside->written < written || read < 4000000); i++) {
		while ((length = tn_node_vm_read(scene.b->node, client, bytes, sizeof bytes)) > 0) {
			for (size_t j = 0; j < length; j++)
				is_right &= bytes[j] == (uint8_t)(read + j);
			read += length;
		}
		net_run(scene.net, 10);
	}
	CHECK(outside->written == written && outside->is_right && is_right && read >= 4000000);
	end(&scene);
}

TN_TEST("UDP: each pair of addresses and ports has a socket of its own for 120 s, for 30 s if it asks for names")
{
	struct scene scene = begin();
	uint32_t one = net_bind(scene.b, 2000), two = net_bind(scene.b, 2001);
	net_settle(scene.net);
	net_udp_send(scene.b, one, host4, 7, (const uint8_t *)"one", 3);
	net_udp_send(scene.b, one, host4, 7, (const uint8_t *)"more", 4);
	net_udp_send(scene.b, two, host4, 53, (const uint8_t *)"two", 3);
	net_udp_send(scene.b, one, host6, 7, (const uint8_t *)"six", 3);
	net_run(scene.net, 1000);
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 3);
	REQUIRE(outside_count == 3);
	CHECK(outside_sockets[0].sent_count == 2 && memcmp(outside_sockets[0].sent.bytes, "more", 4) == 0 && outside_sockets[0].sent.port == 7);
	CHECK(outside_sockets[2].is_ip6);
	net_forget(scene.b);
	outside_say(&outside_sockets[0], host4, 7, "back", 4);
	outside_say(&outside_sockets[0], other4, 7, "forged", 6);
	outside_say(&outside_sockets[0], host4, 8, "forged", 6);
	outside_say(&outside_sockets[2], host6, 7, "back6", 5);
	net_run(scene.net, 100);
	CHECK_EQ(net_count(scene.b, TN_EVENT_UDP_RECEIVED), 2);
	const struct net_event *event = net_event(scene.b, TN_EVENT_UDP_RECEIVED, 0);
	CHECK(memcmp(event->bytes + 8, host4, 16) == 0 && tn_load16le(event->bytes + 2) == 7 && memcmp(event->bytes + 24, "back", 4) == 0);
	net_run(scene.net, 30000);
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 2);
	net_run(scene.net, 90000);
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 0);
	end(&scene);
}

TN_TEST("UDP: an answer larger than the tunnel's packets comes in fragments, in IPv6 not at all")
{
	struct scene scene = begin();
	struct raw *raw = net_raw(scene.a, 3, NULL, 0, 0);
	uint8_t packet[256], answer[TN_OUTSIDE_DATAGRAM], whole[2000] = {0};
	size_t length = 0;
	net_raw_handshake(raw);
	net_run(scene.net, 100);
	net_raw_packet(raw, packet, net_udp(packet, raw->address4, host4, 2000, 7, (const uint8_t *)"?", 1));
	net_run(scene.net, 10);
	for (size_t i = 0; i < sizeof answer; i++)
		answer[i] = (uint8_t)i;
	raw->packet_count = 0;
	outside_say(last_outside(), host4, 7, answer, sizeof answer);
	net_run(scene.net, 10);
	CHECK_EQ(raw->packet_count, 2);
	for (size_t i = 0; i < raw->packet_count; i++) {
		const uint8_t *bytes = raw->packets[i].bytes;
		size_t at = (tn_load16be(bytes + 6) & 0x1fffu) * 8u, part = tn_load16be(bytes + 2) - 20u;
		CHECK(((tn_load16be(bytes + 6) & 0x2000) != 0) == (i == 0) && tn_load16be(bytes + 4) == tn_load16be(raw->packets[0].bytes + 4));
		CHECK_EQ(tn_checksum_finish(tn_checksum_add(0, bytes, 20)), 0);
		memcpy(whole + at, bytes + 20, part);
		length += part;
	}
	CHECK_EQ(length, 8 + sizeof answer);
	CHECK(memcmp(whole + 8, answer, sizeof answer) == 0 && tn_load16be(whole) == 7 && tn_load16be(whole + 2) == 2000 && tn_load16be(whole + 4) == length);
	net_raw_packet(raw, packet, net_udp(packet, raw->address6, host6, 2000, 7, (const uint8_t *)"?", 1));
	net_run(scene.net, 10);
	raw->packet_count = 0;
	outside_say(last_outside(), host6, 7, answer, sizeof answer);
	net_run(scene.net, 10);
	CHECK_EQ(raw->packet_count, 0);
	CHECK_EQ(net_counter(scene.a, "subnetTooLong"), 1);
	end(&scene);
}

TN_TEST("ICMP: an echo request is asked below, and answered when it was, with its id, sequence and data")
{
	struct scene scene = begin();
	struct raw *raw = net_raw(scene.a, 3, NULL, 0, 0);
	uint8_t packet[256], echo[12] = {8, 0, 0, 0, 0x12, 0x34, 0, 9, 'd', 'a', 't', 'a'}, echo6[12] = {128, 0, 0, 0, 0x12, 0x35, 0, 1, 's', 'i', 'x', '!'};
	net_raw_handshake(raw);
	net_run(scene.net, 100);
	net_raw_packet(raw, packet, net_ip(packet, raw->address4, host4, TN_PROTOCOL_ICMP4, echo, sizeof echo));
	net_run(scene.net, 10);
	struct tn_outside *outside = last_outside();
	CHECK(outside->is_echo && outside->sent_count == 1 && outside->sent.port == 9 && outside->sent.length == 4 && memcmp(outside->sent.bytes, "data", 4) == 0);
	raw->packet_count = 0;
	net_run(scene.net, 1000);
	CHECK_EQ(raw->packet_count, 0); /* lwIP does not answer in the host's place */
	outside_say(outside, host4, 9, "data", 4);
	net_run(scene.net, 10);
	REQUIRE(raw->packet_count == 1);
	struct tn_packet reply;
	const uint8_t *bytes = raw->packets[0].bytes;
	tn_packet_parse(&reply, bytes, raw->packets[0].length);
	CHECK(tn_packet_is_echo_reply(&reply) && memcmp(reply.source, host4, 16) == 0 && memcmp(bytes + 24, echo + 4, 8) == 0);
	CHECK_EQ(tn_checksum_finish(tn_checksum_add(0, bytes + 20, 12)), 0);
	net_raw_packet(raw, packet, net_ip(packet, raw->address6, host6, TN_PROTOCOL_ICMP6, echo6, sizeof echo6));
	net_run(scene.net, 10);
	outside_say(last_outside(), host6, 1, "six!", 4);
	net_run(scene.net, 10);
	REQUIRE(raw->packet_count == 2);
	tn_packet_parse(&reply, raw->packets[1].bytes, raw->packets[1].length);
	CHECK(tn_packet_is_echo_reply(&reply) && memcmp(raw->packets[1].bytes + 44, echo6 + 4, 8) == 0);
	net_run(scene.net, 10000);
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 0);
	end(&scene);
}

TN_TEST("[tunnel 54] Advertised but unapproved routes carry nothing; packets to addresses outside the advertised prefix are dropped at §4.1 #10")
{
	struct scene scene = begin();
	struct raw *raw = net_raw(scene.a, 3, NULL, 0, 0);
	static const uint8_t all6[16] = {0};
	static const uint8_t elsewhere[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 74, 2};
	uint8_t packet[256];
	net_raw_handshake(raw);
	net_run(scene.net, 100);
	net_raw_packet(raw, packet, net_udp(packet, raw->address4, elsewhere, 1, 7, (const uint8_t *)"", 0));
	give(scene.a, 0);
	net_settle(scene.net);
	net_raw_packet(raw, packet, net_udp(packet, raw->address4, host4, 1, 7, (const uint8_t *)"", 0));
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, host4, 1, 7, 0, 0, TN_TCP_SYN, NULL, 0));
	net_run(scene.net, 100);
	CHECK_EQ(outside_count, 0);
	CHECK_EQ(net_counter(scene.a, "droppedNotOwn"), 3);
	/* What the rules do not let in does not come either. */
	give(scene.a, 2);
	net_filter(scene.a, 0, 65535, false);
	net_settle(scene.net);
	net_raw_packet(raw, packet, net_udp(packet, raw->address4, host4, 1, 7, (const uint8_t *)"", 0));
	net_run(scene.net, 100);
	net_filter_for(scene.a, 0, UINT32_MAX, all6, 0, 0, 65535, true);
	net_settle(scene.net);
	net_raw_packet(raw, packet, net_udp(packet, raw->address4, host4, 1, 7, (const uint8_t *)"", 0));
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, host4, 1, 7, 0, 0, TN_TCP_SYN, NULL, 0));
	net_run(scene.net, 100);
	CHECK_EQ(outside_count, 0);
	CHECK_EQ(net_counter(scene.a, "filteredIn"), 3);
	end(&scene);
}

TN_TEST("what leads to a subnet that control takes back ends; own addresses are nobody's host")
{
	struct scene scene = begin();
	struct tn_outside *outside;
	uint32_t client = connect_to(&scene, host4, &outside);
	uint32_t socket = net_bind(scene.b, 0);
	net_settle(scene.net);
	net_udp_send(scene.b, socket, host6, 7, (const uint8_t *)"", 0);
	net_run(scene.net, 100);
	give(scene.a, 1);
	net_run(scene.net, 100);
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 1);
	give(scene.a, 0);
	net_run(scene.net, 100);
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), 0);
	CHECK(net_socket(scene.b, client)->closed && net_socket(scene.b, client)->reason == TN_CLOSE_RESET);
	end(&scene);
}

TN_TEST("loopback, link-local, multicast, tailnet and reserved addresses are forwarded to by no prefix, nor are v4-mapped ones in IPv6, nor fragments")
{
	struct scene scene = begin();
	struct raw *raw = net_raw(scene.a, 3, NULL, 0, 0);
	static const uint8_t ip4[][4] = {{127, 0, 0, 1}, {0, 0, 0, 0},         {0, 1, 2, 3},   {169, 254, 1, 1}, {169, 254, 169, 254},
	                                 {224, 0, 0, 1}, {255, 255, 255, 255}, {240, 0, 0, 1}, {100, 64, 0, 9}};
	static const uint8_t ip6[][16] = {
	    {[15] = 1}, {0}, {0xfe, 0x80, [15] = 1}, {0xff, 2, [15] = 1}, {[10] = 0xff, 0xff, 192, 168, 73, 2}, {0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [15] = 9}};
	uint8_t record[4 + 36] = {TN_COMMAND_SUBNETS}, packet[256];
	record[4 + 10] = record[4 + 11] = 0xff;
	record[4 + 16] = 96;
	net_send(scene.a, record, sizeof record);
	net_raw_handshake(raw);
	net_run(scene.net, 100);
	for (size_t i = 0; i < sizeof ip4 / sizeof *ip4; i++) {
		uint8_t address[16];
		tn_address_from_ip4(address, ip4[i]);
		net_raw_packet(raw, packet, net_udp(packet, raw->address4, address, 1, 7, (const uint8_t *)"", 0));
		net_raw_packet(raw, packet, net_tcp(packet, raw->address4, address, 1, 7, 0, 0, TN_TCP_SYN, NULL, 0));
		net_run(scene.net, 10);
	}
	for (size_t i = 0; i < sizeof ip6 / sizeof *ip6; i++) {
		size_t length = net_udp(packet, raw->address6, host6, 1, 7, (const uint8_t *)"", 0);
		memcpy(packet + 24, ip6[i], 16);
		tn_checksum_fill(packet, length);
		net_raw_packet(raw, packet, length);
		net_run(scene.net, 10);
	}
	CHECK_EQ(outside_count, 0);
	size_t length = net_udp(packet, raw->address4, host4, 1, 7, (const uint8_t *)"12345678", 8);
	packet[6] = 0x20;
	tn_checksum_fill(packet, length);
	net_raw_packet(raw, packet, length);
	net_run(scene.net, 10);
	CHECK_EQ(outside_count, 0);
	CHECK_EQ(net_counter(scene.a, "subnetFragments"), 1);
	/* The same prefix does open what is ordinary. */
	net_raw_packet(raw, packet, net_udp(packet, raw->address4, host4, 1, 7, (const uint8_t *)"", 0));
	net_run(scene.net, 10);
	CHECK_EQ(outside_count, 1);
	end(&scene);
}

TN_TEST("the pool is bounded: one peer has two thirds, datagrams that are silent longest give way, connections are refused")
{
	struct scene scene = begin();
	struct raw *raw = net_raw(scene.a, 3, NULL, 0, 0);
	uint8_t packet[256];
	net_raw_handshake(raw);
	net_run(scene.net, 100);
	unsigned share = (2 * TN_SUBNET_FLOWS + 2) / 3;
	outside_room = 40;
	for (uint16_t i = 0; i < TN_SUBNET_FLOWS; i++) {
		net_raw_packet(raw, packet, net_udp(packet, raw->address4, host4, (uint16_t)(1000 + i), 7, (const uint8_t *)"", 0));
		net_run(scene.net, 1);
	}
	CHECK_EQ(net_counter(scene.a, "subnetFlows"), share < 40 ? share : 40);
	CHECK(net_counter(scene.a, "subnetRefusedFull") > 0);
	raw->packet_count = 0;
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, host4, 5000, 80, 77, 0, TN_TCP_SYN, NULL, 0));
	net_run(scene.net, 10);
	REQUIRE(raw->packet_count == 1);
	struct tn_packet reset;
	tn_packet_parse(&reset, raw->packets[0].bytes, raw->packets[0].length);
	CHECK((reset.tcp_flags & TN_TCP_RST) != 0 && tn_load32be(raw->packets[0].bytes + 28) == 78 && memcmp(reset.source, host4, 16) == 0);
	outside_room = UINT32_MAX;
	end(&scene);
}

TN_TEST("a segment of no connection is answered by a reset, a reset by nothing")
{
	struct scene scene = begin();
	struct raw *raw = net_raw(scene.a, 3, NULL, 0, 0);
	uint8_t packet[256];
	net_raw_handshake(raw);
	net_run(scene.net, 100);
	raw->packet_count = 0;
	net_raw_packet(raw, packet, net_tcp(packet, raw->address6, host6, 5000, 80, 77, 99, TN_TCP_ACK, NULL, 0));
	net_run(scene.net, 10);
	REQUIRE(raw->packet_count == 1);
	CHECK(raw->packets[0].bytes[40 + 13] == TN_TCP_RST && tn_load32be(raw->packets[0].bytes + 44) == 99);
	net_raw_packet(raw, packet, net_tcp(packet, raw->address6, host6, 5000, 80, 77, 99, TN_TCP_RST, NULL, 0));
	net_run(scene.net, 10);
	CHECK_EQ(raw->packet_count, 1);
	CHECK_EQ(outside_count, 0);
	end(&scene);
}

#else

TN_TEST("without subnet routes in the build nothing is forwarded, whatever control gives")
{
	static const uint8_t all6[16] = {0};
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	uint8_t packet[256];
	net_filter_for(a, 0, UINT32_MAX, all6, 0, 0, 65535, false);
	give(a, 2);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	net_settle(net);
	net_raw_handshake(raw);
	net_run(net, 100);
	net_raw_packet(raw, packet, net_udp(packet, raw->address4, host4, 1, 7, (const uint8_t *)"", 0));
	net_raw_packet(raw, packet, net_udp(packet, raw->address6, host6, 1, 7, (const uint8_t *)"", 0));
	net_run(net, 100);
	CHECK_EQ(outside_count, 0);
	CHECK_EQ(net_counter(a, "droppedNotOwn"), 2);
	CHECK_EQ(net_counter(a, "hasSubnet"), 0);
	net_free(net);
}

#endif
