/*
 * Which way a datagram takes: UDP, UDP and DERP, DERP; which region; what waits for it. protocol/paths.md §5.2, relay.md §1 and §3.8
 */
#include "tn_net.h"

#define OTHER_REGION 4

struct pair {
	struct net *net;
	struct host *a, *b;
	uint32_t socket;
};

/** Two nodes with the region as home, a socket on a, port 7 on b. */
static struct pair pair_new(uint64_t trusted_ms, bool has_endpoint)
{
	struct pair pair = {.net = net_new()};
	pair.a = net_host(pair.net, 1);
	pair.b = net_host(pair.net, 2);
	net_peers_with(pair.a, pair.b, NET_REGION, trusted_ms, has_endpoint);
	net_derp(pair.a, true);
	net_derp(pair.b, true);
	pair.socket = net_bind(pair.a, 5000);
	net_bind(pair.b, 7);
	net_settle(pair.net);
	return pair;
}

static void forget(struct pair *pair)
{
	net_forget(pair->a);
	net_forget(pair->b);
	pair->a->sent_udp = pair->a->sent_derp = pair->b->sent_udp = pair->b->sent_derp = 0;
}

static void send(struct pair *pair)
{
	net_udp_send(pair->a, pair->socket, pair->b->address4, 7, (const uint8_t *)"x", 1);
	net_settle(pair->net);
}

TN_TEST("without an endpoint everything goes by DERP, both ways")
{
	struct pair pair = pair_new(0, false);
	send(&pair);
	CHECK_EQ(net_count(pair.b, TN_EVENT_UDP_RECEIVED), 1);
	CHECK_EQ(pair.a->sent_udp + pair.b->sent_udp, 0);
	CHECK(pair.a->sent_derp >= 3 && pair.b->sent_derp >= 1);
	net_free(pair.net);
}

TN_TEST("a trusted path takes everything, and nothing goes by DERP")
{
	struct pair pair = pair_new(100000, true);
	send(&pair);
	CHECK_EQ(net_count(pair.b, TN_EVENT_UDP_RECEIVED), 1);
	CHECK_EQ(pair.a->sent_derp + pair.b->sent_derp, 0);
	net_free(pair.net);
}

TN_TEST("[tunnel 38] a path not trusted any more: the same datagram by UDP and by DERP, delivered once")
{
	struct pair pair = pair_new(5000, true);
	send(&pair);
	net_run(pair.net, 20000);
	forget(&pair);
	for (unsigned i = 0; i < 10; i++)
		send(&pair);
	CHECK_EQ(net_count(pair.b, TN_EVENT_UDP_RECEIVED), 10);
	CHECK_EQ(pair.a->sent_udp, 10);
	CHECK_EQ(pair.a->sent_derp, 10);
	CHECK_EQ(net_counter(pair.b, "wireguardReplayed"), 10);
	CHECK_EQ(net_counter(pair.b, "droppedDerpMismatch"), 0);
	net_path(pair.a, 0, pair.b->endpoint, pair.net->now + 1000, NET_REGION);
	forget(&pair);
	send(&pair);
	CHECK_EQ(pair.a->sent_derp, 0);
	net_free(pair.net);
}

TN_TEST("[relay 2] a packet from an address that nobody announced is delivered, and the answer leaves on the chosen path")
{
	struct pair pair = pair_new(100000, true);
	send(&pair);
	forget(&pair);
	uint8_t elsewhere[18];
	memcpy(elsewhere, pair.a->endpoint, 18);
	memset(pair.a->endpoint + 12, 77, 4);
	send(&pair);
	CHECK_EQ(net_count(pair.b, TN_EVENT_UDP_RECEIVED), 1);
	uint32_t back = net_bind(pair.b, 0);
	net_settle(pair.net);
	net_udp_send(pair.b, back, pair.a->address4, 5000, (const uint8_t *)"y", 1);
	net_turn(pair.net);
	REQUIRE(pair.net->wire_count == 1);
	CHECK_MEM(pair.net->wire[0].to, elsewhere, 18);
	net_free(pair.net);
}

/** What wants to leave on region, without a server: number of frames. */
static unsigned frames_for(struct host *host, uint16_t region)
{
	static uint8_t buffer[1 << 20];
	size_t length = tn_node_vm_derp_send(host->node, region, buffer, sizeof buffer);
	unsigned frames = 0;
	for (size_t at = 0; at < length; frames++)
		at += 5 + tn_load32be(buffer + at + 1);
	return frames;
}

static void derp_state(struct host *host, uint16_t region, bool is_open)
{
	uint8_t record[4];
	net_record(record, TN_COMMAND_DERP_STATE, is_open, region);
	net_send(host, record, sizeof record);
}

/** A packet of the raw peer comes over a region. */
static void over_derp(struct raw *raw, uint16_t region, const uint8_t *datagram, size_t length)
{
	uint8_t frame[2100];
	const uint8_t *rest;
	frame[0] = 5;
	tn_store32be(frame + 1, (uint32_t)(32 + length));
	memcpy(frame + 5, raw->public_key, 32);
	memcpy(frame + 37, datagram, length);
	CHECK_EQ(tn_node_vm_derp_receive(raw->host->node, region, frame, 37 + length, raw->host->net->now, &rest), 0);
}

TN_TEST("[relay 50] the answer goes over the region where the peer spoke when its home has no connection; after PeerGone or a loss it goes home")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t buffer[256] = {0}, gone[36];
	uint32_t socket = net_bind(a, 5000);
	net_settle(net);
	net_raw_handshake(raw);
	net_path(a, 1, NULL, 0, NET_REGION);
	derp_state(a, OTHER_REGION, true);
	net_settle(net);
	net_udp_send(a, socket, raw->address4, 7, (const uint8_t *)"x", 1);
	net_settle(net);
	CHECK_EQ(frames_for(a, NET_REGION), 1);
	over_derp(raw, OTHER_REGION, buffer, tn_wg_seal(&raw->wg, 0, buffer + 16, 0, net->now));
	net_settle(net);
	net_udp_send(a, socket, raw->address4, 7, (const uint8_t *)"x", 1);
	net_settle(net);
	CHECK_EQ(frames_for(a, NET_REGION), 0);
	CHECK_EQ(frames_for(a, OTHER_REGION), 1);
	net_record(gone, TN_COMMAND_DERP_GONE, 0, OTHER_REGION);
	memcpy(gone + 4, raw->public_key, 32);
	net_send(a, gone, sizeof gone);
	net_udp_send(a, socket, raw->address4, 7, (const uint8_t *)"x", 1);
	net_settle(net);
	CHECK_EQ(frames_for(a, NET_REGION), 1);
	over_derp(raw, OTHER_REGION, buffer, tn_wg_seal(&raw->wg, 0, buffer + 16, 0, net->now));
	net_settle(net);
	/* The connection is replaced: what was learned on it is void. */
	derp_state(a, OTHER_REGION, false);
	derp_state(a, OTHER_REGION, true);
	net_udp_send(a, socket, raw->address4, 7, (const uint8_t *)"x", 1);
	net_settle(net);
	CHECK_EQ(frames_for(a, NET_REGION), 1);
	/* An open home is preferred to what was learned. */
	over_derp(raw, OTHER_REGION, buffer, tn_wg_seal(&raw->wg, 0, buffer + 16, 0, net->now));
	derp_state(a, NET_REGION, true);
	net_udp_send(a, socket, raw->address4, 7, (const uint8_t *)"x", 1);
	net_settle(net);
	CHECK_EQ(frames_for(a, NET_REGION), 1);
	CHECK_EQ(frames_for(a, OTHER_REGION), 0);
	net_free(net);
}

TN_TEST("[relay 53] 33 packets queued while connecting: the first is the one lost; the UDP path runs on")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	static uint8_t buffer[65536];
	uint32_t socket = net_bind(a, 5000);
	net_bind(b, 7);
	net_peers(a, b);
	net_settle(net);
	net_raw_handshake(raw);
	net_path(a, 1, NULL, 0, NET_REGION);
	net_settle(net);
	net_forget(a);
	uint64_t counter = a->node->tunnel.wg_peers[1].keypairs[a->node->tunnel.wg_peers[1].current].counter;
	for (unsigned i = 0; i < TN_DERP_QUEUE_CLOSED + 1; i++) {
		net_udp_send(a, socket, raw->address4, 7, &(uint8_t){(uint8_t)i}, 1);
		net_udp_send(a, socket, b->address4, 7, (const uint8_t *)"x", 1);
		net_settle(net);
	}
	CHECK_EQ(net_count(a, TN_EVENT_DERP_READY), 1);
	CHECK_EQ(net_count(b, TN_EVENT_UDP_RECEIVED), TN_DERP_QUEUE_CLOSED + 1);
	size_t length = tn_node_vm_derp_send(a->node, NET_REGION, buffer, sizeof buffer);
	size_t frames = 0;
	for (size_t at = 0; at < length; frames++) {
		CHECK_MEM(buffer + at + 5, raw->public_key, 32);
		CHECK_EQ(tn_load64le(buffer + at + 37 + 8), counter + 1 + frames);
		at += 5 + tn_load32be(buffer + at + 1);
	}
	CHECK_EQ(frames, TN_DERP_QUEUE_CLOSED);
	CHECK_EQ(net_counter(a, "derpQueueDropped"), 1);
	net_free(net);
}

TN_TEST_DESKTOP("DISCO for a region goes before packets and does not push them out")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	uint8_t record[36 + 80] = {0}, buffer[8192];
	uint32_t socket = net_bind(a, 5000);
	net_settle(net);
	net_raw_handshake(raw);
	net_path(a, 1, NULL, 0, NET_REGION);
	net_udp_send(a, socket, raw->address4, 7, (const uint8_t *)"x", 1);
	net_record(record, TN_COMMAND_DERP_SEND, 0, NET_REGION);
	memcpy(record + 4, raw->public_key, 32);
	for (unsigned i = 0; i < TN_DERP_QUEUE_DISCO + 5; i++) {
		record[36] = (uint8_t)i;
		net_send(a, record, sizeof record);
	}
	net_settle(net);
	size_t length = tn_node_vm_derp_send(a->node, NET_REGION, buffer, sizeof buffer);
	size_t frames = 0;
	for (size_t at = 0; at < length; frames++) {
		if (frames < TN_DERP_QUEUE_DISCO)
			CHECK_EQ(buffer[at + 37], frames + 5);
		else
			CHECK_EQ(buffer[at + 37], 4);
		at += 5 + tn_load32be(buffer + at + 1);
	}
	CHECK_EQ(frames, TN_DERP_QUEUE_DISCO + 1);
	net_free(net);
}

TN_TEST("derpSend fills its buffer with whole frames only")
{
	struct pair pair = pair_new(0, false);
	uint8_t buffer[200];
	send(&pair);
	pair.a->has_derp = false;
	for (unsigned i = 0; i < 5; i++)
		send(&pair);
	unsigned frames = 0;
	size_t length;
	while ((length = tn_node_vm_derp_send(pair.a->node, NET_REGION, buffer, sizeof buffer)) > 0) {
		for (size_t at = 0; at < length; frames++)
			at += 5 + tn_load32be(buffer + at + 1);
	}
	CHECK_EQ(frames, 5);
	net_free(pair.net);
}

TN_TEST("DISCO from DERP is told with region and key; a packet from an unknown key asks for the peer; frames of other types come back")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0), *stranger = net_raw(a, 4, NULL, 0, 0);
	uint8_t disco[80] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac}, packet[100] = {4}, ping[13] = {0x12, 0, 0, 0, 8};
	const uint8_t *rest;
	net_peer(a, 1, raw->public_key, raw->address4, raw->address6, NULL, 0, 0, 0);
	net_settle(net);
	over_derp(raw, NET_REGION, disco, sizeof disco);
	over_derp(stranger, NET_REGION, packet, sizeof packet);
	CHECK_EQ(tn_node_vm_derp_receive(a->node, NET_REGION, ping, sizeof ping, net->now, &rest), 13);
	CHECK_MEM(rest, ping, 13);
	net_settle(net);
	REQUIRE(net_event(a, TN_EVENT_DERP_DISCO, 0) != NULL && net_event(a, TN_EVENT_PEER_WANTED, 0) != NULL);
	CHECK_EQ(tn_load16le(net_event(a, TN_EVENT_DERP_DISCO, 0)->bytes + 2), NET_REGION);
	CHECK_MEM(net_event(a, TN_EVENT_DERP_DISCO, 0)->bytes + 4, raw->public_key, 32);
	CHECK_MEM(net_event(a, TN_EVENT_DERP_DISCO, 0)->bytes + 36, disco, sizeof disco);
	CHECK_EQ(net_event(a, TN_EVENT_PEER_WANTED, 0)->bytes[1], 2);
	CHECK_MEM(net_event(a, TN_EVENT_PEER_WANTED, 0)->bytes + 4, stranger->public_key, 32);
	net_free(net);
}

/** Hands in a frame of type 14 ("health") with its region as payload, from a byte on. @return bytes that come back */
static ptrdiff_t feed(struct host *host, uint16_t region, size_t from, size_t to)
{
	const uint8_t frame[7] = {0x14, 0, 0, 0, 2, (uint8_t)(region >> 8), (uint8_t)region};
	const uint8_t *rest;
	ptrdiff_t length = tn_node_vm_derp_receive(host->node, region, frame + from, to - from, host->net->now, &rest);
	if (length > 0)
		CHECK_MEM(rest, frame, (size_t)length);
	return length;
}

TN_TEST("a new region does not take the half frame of another one's connection, however many regions there were")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	for (uint16_t region = 1; region <= 5 * TN_REGIONS; region++) {
		CHECK_EQ(feed(a, 1, 0, 4), 0);
		CHECK_EQ(feed(a, (uint16_t)(100 + region), 0, 7), 7);
		CHECK_EQ(feed(a, (uint16_t)(200 + region), 0, 3), 0);
		CHECK_EQ(feed(a, 1, 4, 7), 7);
		CHECK_EQ(feed(a, (uint16_t)(200 + region), 3, 7), 7);
	}
	net_free(net);
}

TN_TEST("packets for regions that nobody dials give way to those for another region, the oldest first, and never an open one's")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct tn_relay *relay = &a->node->tunnel.relay;
	uint8_t key[32] = {0}, buffer[256];
	tn_relay_set_open(relay, 1, true);
	for (uint16_t region = 1; region <= 2 * TN_REGIONS; region++)
		tn_relay_send(relay, region, key, (const uint8_t *)"packet", 6, false, 1000 + region);
	CHECK_EQ(tn_relay_take(relay, 1, buffer, sizeof buffer), 43);
	CHECK_EQ(tn_relay_take(relay, TN_REGIONS, buffer, sizeof buffer), 0);
	for (uint16_t region = TN_REGIONS + 2; region <= 2 * TN_REGIONS; region++)
		CHECK_EQ(tn_relay_take(relay, region, buffer, sizeof buffer), 43);
	CHECK_EQ(tn_relay_dropped(relay), TN_REGIONS);
	net_free(net);
}

TN_TEST("TCP over DERP alone is exact")
{
	struct pair pair = pair_new(0, false);
	uint8_t piece[8192];
	net_listen(pair.b, 80);
	net_settle(pair.net);
	uint32_t client = net_connect(pair.a, pair.b->address6, 80);
	net_run(pair.net, 1000);
	REQUIRE(net_socket(pair.a, client)->connected);
	uint32_t sent = 0, received = 0;
	bool is_right = true;
	for (unsigned i = 0; i < 20000 && received < 400000; i++) {
		for (size_t j = 0; j < sizeof piece; j++)
			piece[j] = (uint8_t)((sent + j) % 251);
		sent += (uint32_t)tn_node_vm_write(pair.a->node, client, piece, sizeof piece);
		if (!net_turn(pair.net))
			net_run(pair.net, 10);
		size_t length = tn_node_vm_read(pair.b->node, pair.b->last_accepted, piece, sizeof piece);
		for (size_t j = 0; j < length; j++)
			is_right &= piece[j] == (received + j) % 251;
		received += (uint32_t)length;
	}
	CHECK(received >= 400000 && is_right);
	CHECK_EQ(pair.a->sent_udp, 0);
	net_free(pair.net);
}

/** The relay says nothing for so long, then its connections are made anew. */
static void relay_is_silent(struct pair *pair, uint64_t milliseconds)
{
	pair->net->is_cut = true;
	net_run(pair->net, milliseconds);
	net_derp(pair->a, false);
	net_derp(pair->b, false);
	net_run(pair->net, 100);
	pair->net->is_cut = false;
	net_derp(pair->a, true);
	net_derp(pair->b, true);
}

TN_TEST("a connection whose segments a silent relay has lost goes on half a second after the relay is back, however long that took")
{
	struct pair pair = pair_new(0, false);
	uint8_t piece[2000] = {0};
	net_listen(pair.b, 80);
	net_settle(pair.net);
	uint32_t client = net_connect(pair.a, pair.b->address4, 80);
	net_run(pair.net, 1000);
	REQUIRE(net_socket(pair.a, client)->connected);
	for (uint64_t silence = 4000; silence <= 64000; silence *= 4) {
		tn_node_vm_write(pair.a->node, client, piece, sizeof piece);
		relay_is_silent(&pair, silence);
		net_run(pair.net, 500);
		CHECK_EQ(tn_node_vm_read(pair.b->node, pair.b->last_accepted, piece, sizeof piece), sizeof piece);
		net_run(pair.net, 2000);
	}
	net_free(pair.net);
}

TN_TEST("a handshake that a silent relay has lost is made at once when the relay is back; one that waited for the relay, or is over, is left alone")
{
	struct pair pair = pair_new(0, false);
	net_derp(pair.a, false);
	net_run(pair.net, 100);
	send(&pair);
	net_run(pair.net, 100);
	net_derp(pair.a, true);
	net_derp_pump(pair.a);
	net_run(pair.net, 10);
	CHECK_EQ(net_counter(pair.a, "wireguardInitiations"), 1);
	CHECK_EQ(net_count(pair.b, TN_EVENT_UDP_RECEIVED), 1);
	net_free(pair.net);

	pair = pair_new(0, false);
	pair.net->is_cut = true;
	send(&pair);
	relay_is_silent(&pair, 1000);
	net_run(pair.net, 10);
	CHECK_EQ(net_count(pair.b, TN_EVENT_UDP_RECEIVED), 1);
	const double before = net_counter(pair.a, "wireguardInitiations");
	relay_is_silent(&pair, 0);
	net_run(pair.net, 1000);
	CHECK_EQ(net_counter(pair.a, "wireguardInitiations"), before);
	net_free(pair.net);
}

TN_TEST("STUN and DISCO of the VM leave by the same sockets; rebind is passed on")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint8_t record[22 + 80] = {0}, rebind[4];
	static const uint8_t magic[6] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
	net_record(record, TN_COMMAND_UDP_SEND_RAW, 0, 0);
	memcpy(record + 4, b->endpoint, 18);
	memcpy(record + 22, magic, 6);
	net_send(a, record, sizeof record);
	net_record(rebind, TN_COMMAND_REBIND, 0, 41641);
	net_send(a, rebind, sizeof rebind);
	net_settle(net);
	REQUIRE(net_event(b, TN_EVENT_DISCO, 0) != NULL);
	CHECK_MEM(net_event(b, TN_EVENT_DISCO, 0)->bytes + 4, a->endpoint, 18);
	CHECK_EQ(a->rebound, 41641);
	net_free(net);
}

/** DISCO of one source, more than it may send at once. @return how much of it the VM hears of */
static size_t flood(struct net *net, struct host *to, const uint8_t from[18])
{
	static const uint8_t magic[100] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
	size_t heard = 0;
	for (unsigned i = 0; i < 2 * TN_DISCO_BURST; i++) {
		net_forget(to);
		net_put(net, from, to->endpoint, magic, sizeof magic);
		net_settle(net);
		heard += net_count(to, TN_EVENT_DISCO);
	}
	return heard;
}

TN_TEST("of a flood of DISCO the VM hears what one source may send, and of other sources all the same")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2), *c = net_host(net, 3);
	net_settle(net);
	const size_t heard = flood(net, b, a->endpoint);
	CHECK(heard >= TN_DISCO_BURST && heard < TN_DISCO_BURST + TN_DISCO_RATE);
	CHECK_EQ(net_counter(b, "droppedDisco"), 2 * TN_DISCO_BURST - heard);
	CHECK(flood(net, b, c->endpoint) >= TN_DISCO_BURST);
	net_run(net, 1000);
	const size_t later = flood(net, b, a->endpoint);
	CHECK(later >= TN_DISCO_RATE);
	net_free(net);
}

/** The same by a relay. @return how much of it the VM hears of */
static size_t relayed_flood(struct raw *raw)
{
	static const uint8_t magic[100] = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
	size_t heard = 0;
	for (unsigned i = 0; i < 2 * TN_DISCO_RELAYED_BURST; i++) {
		net_forget(raw->host);
		over_derp(raw, NET_REGION, magic, sizeof magic);
		net_settle(raw->net);
		heard += net_count(raw->host, TN_EVENT_DERP_DISCO);
	}
	return heard;
}

TN_TEST("of a flood of DISCO by a relay the tunnel thread hears what one key may send, and of other keys all the same")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *first = net_raw(a, 3, NULL, 0, 0), *second = net_raw(a, 4, NULL, 0, 0);
	net_settle(net);
	const size_t heard = relayed_flood(first);
	CHECK(heard >= TN_DISCO_RELAYED_BURST && heard < TN_DISCO_RELAYED_BURST + TN_DISCO_RELAYED_RATE);
	CHECK_EQ(net_counter(a, "droppedDisco"), 2 * TN_DISCO_RELAYED_BURST - heard);
	CHECK_EQ(net_counter(a, "derpPacketsIn"), heard);
	CHECK(relayed_flood(second) >= TN_DISCO_RELAYED_BURST);
	net_run(net, 1000);
	const size_t later = relayed_flood(first);
	CHECK(later >= TN_DISCO_RELAYED_RATE && later < 2 * TN_DISCO_RELAYED_BURST);
	net_free(net);
}
