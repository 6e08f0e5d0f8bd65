/*
 * TCP towards a peer that lost something or closed its window: what lwIP alone would get wrong (tn_recovery.h). The peer is raw, so that it can do so to the byte.
 */
#include "tn_net.h"

#define PEER_SEQUENCE 1000

struct connection {
	struct net *net;
	struct host *host;
	struct raw *raw;
	uint32_t sequence; /* of our side: first byte of data */
	uint32_t socket;
};

/** The raw peer says something. window is unscaled. */
static void say(struct connection *c, uint32_t sequence, uint32_t acknowledged, uint16_t window, size_t length)
{
	uint8_t packet[1400], payload[1240] = {0};
	size_t total = net_tcp(packet, c->raw->address4, c->host->address4, 1234, 7, sequence, acknowledged, TN_TCP_ACK, payload, length);
	tn_store16be(packet + 34, window);
	tn_store16be(packet + 36, 0);
	tn_checksum_fill(packet, total);
	net_raw_packet(c->raw, packet, total);
	net_settle(c->net);
}

static void write_zeros(struct connection *c, size_t length)
{
	static uint8_t zeros[65536];
	CHECK_EQ(tn_node_vm_write(c->host->node, c->socket, zeros, length), length);
	net_settle(c->net);
}

/** Highest sequence number after what we sent, and the number of segments with data. */
static uint32_t sent_up_to(const struct connection *c, size_t *segments)
{
	uint32_t end = c->sequence;
	*segments = 0;
	for (size_t i = 0; i < c->raw->packet_count; i++) {
		const struct net_datagram *packet = &c->raw->packets[i];
		uint32_t length = packet->length - 20u - (packet->bytes[32] >> 4) * 4u;
		uint32_t last = tn_load32be(packet->bytes + 24) + length;
		*segments += length > 0;
		if ((int32_t)(last - end) > 0)
			end = last;
	}
	return end;
}

/** The raw peer opens a connection to our port 7, takes bytes until a dozen segments leave at once, and then has the given window. */
static struct connection open(uint16_t window)
{
	struct connection c = {.net = net_new()};
	uint8_t packet[128];
	size_t segments;
	c.host = net_host(c.net, 1);
	c.raw = net_raw(c.host, 3, NULL, 0, 0);
	net_listen(c.host, 7);
	net_settle(c.net);
	net_raw_handshake(c.raw);
	size_t length =
	    net_tcp(packet, c.raw->address4, c.host->address4, 1234, 7, PEER_SEQUENCE - 1, 0, TN_TCP_SYN, (const uint8_t[]){2, 4, 1240 >> 8, 1240 & 255}, 4);
	packet[32] = 0x60;
	packet[36] = packet[37] = 0;
	tn_checksum_fill(packet, length);
	net_raw_packet(c.raw, packet, length);
	net_settle(c.net);
	CHECK_EQ(c.raw->packet_count, 1);
	c.sequence = tn_load32be(c.raw->packets[0].bytes + 24) + 1;
	say(&c, PEER_SEQUENCE, c.sequence, 60000, 0);
	c.socket = c.host->last_accepted;
	for (unsigned i = 0; i < 12; i++) {
		write_zeros(&c, 3720);
		for (unsigned j = 0; j < 3; j++)
			say(&c, PEER_SEQUENCE, c.sequence += 1240, i < 11 ? 60000 : window, 0);
	}
	CHECK_EQ(sent_up_to(&c, &segments), c.sequence);
	c.raw->packet_count = 0;
	return c;
}

TN_TEST("nothing is sent beyond the peer's window, also when it was told on a repeated segment of the peer")
{
	struct connection c = open(10000);
	size_t segments;
	write_zeros(&c, 60000);
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 9920);
	/* The peer's second segment arrives before its first; the window goes to 2,480 meanwhile. */
	say(&c, PEER_SEQUENCE + 100, c.sequence, 10000, 100);
	say(&c, PEER_SEQUENCE, c.sequence + 9920, 2480, 100);
	uint32_t end = sent_up_to(&c, &segments);
	CHECK_EQ(end - c.sequence, 9920 + 2480);
	net_free(c.net);
}

TN_TEST("a peer that closes its window over bytes on their way still gets acknowledgements that it can accept")
{
	struct connection c = open(20000);
	size_t segments;
	write_zeros(&c, 12400);
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 12400);
	say(&c, PEER_SEQUENCE, c.sequence + 2480, 0, 0);
	c.raw->packet_count = 0;
	say(&c, PEER_SEQUENCE, c.sequence + 2480, 0, 100);
	say(&c, PEER_SEQUENCE, c.sequence + 2480, 0, 100);
	net_run(c.net, 300);
	REQUIRE(c.raw->packet_count > 0);
	for (size_t i = 0; i < c.raw->packet_count; i++) {
		struct tn_packet packet;
		const uint8_t *bytes = c.raw->packets[i].bytes;
		tn_packet_parse(&packet, bytes, c.raw->packets[i].length);
		CHECK_EQ(tn_load32be(bytes + 24), c.sequence + 2480);
		CHECK_EQ(tn_load32be(bytes + 28), PEER_SEQUENCE + 100);
		CHECK_EQ(tn_checksum_transport(4, packet.source, packet.destination, TN_PROTOCOL_TCP, bytes + 20, c.raw->packets[i].length - 20u), 0);
	}
	/* And when it opens, everything comes. */
	for (unsigned i = 0; i < 12; i++) {
		uint32_t end = sent_up_to(&c, &segments);
		say(&c, PEER_SEQUENCE + 100, end != c.sequence ? end : c.sequence + 2480, 60000, 0);
		net_run(c.net, 1000);
	}
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 12400);
	net_free(c.net);
}

TN_TEST("of several lost segments each is repeated as soon as the acknowledgement stops before it")
{
	struct connection c = open(60000);
	size_t segments;
	uint32_t acknowledged = c.sequence;
	write_zeros(&c, 12400);
	CHECK_EQ(sent_up_to(&c, &segments) - acknowledged, 12400);
	/* The first, the third and the fifth are lost: seven of the rest arrive and are acknowledged at the gap. */
	c.raw->packet_count = 0;
	for (unsigned i = 0; i < 7; i++)
		say(&c, PEER_SEQUENCE, acknowledged, 60000, 0);
	REQUIRE(c.raw->packet_count >= 1);
	CHECK_EQ(tn_load32be(c.raw->packets[0].bytes + 24), acknowledged);
	for (unsigned gap = 2; gap <= 4; gap += 2) {
		c.raw->packet_count = 0;
		say(&c, PEER_SEQUENCE, acknowledged + gap * 1240, 60000, 0);
		REQUIRE(c.raw->packet_count >= 1);
		CHECK_EQ(tn_load32be(c.raw->packets[0].bytes + 24), acknowledged + gap * 1240);
	}
	net_free(c.net);
}

/** Segments with data that start at the given offset from the connection's sequence number. */
static size_t copies_of(const struct connection *c, uint32_t offset)
{
	size_t copies = 0;
	for (size_t i = 0; i < c->raw->packet_count; i++) {
		const struct net_datagram *packet = &c->raw->packets[i];
		copies += packet->length > 20u + (packet->bytes[32] >> 4) * 4u && tn_load32be(packet->bytes + 24) == c->sequence + offset;
	}
	return copies;
}

TN_TEST("a lone segment that nobody acknowledges is repeated after a quarter of a second, and again after twice as long, before lwIP's own time-out")
{
	struct connection c = open(60000);
	write_zeros(&c, 100);
	net_run(c.net, 250);
	CHECK_EQ(copies_of(&c, 0), 1);
	net_run(c.net, 50);
	CHECK_EQ(copies_of(&c, 0), 2);
	net_run(c.net, 450);
	CHECK_EQ(copies_of(&c, 0), 2);
	net_run(c.net, 100);
	CHECK_EQ(copies_of(&c, 0), 3);
	net_free(c.net);
}

TN_TEST("the end of a window that is lost is repeated after two round trips of silence each, not after a time-out")
{
	struct connection c = open(60000);
	write_zeros(&c, 12400);
	say(&c, PEER_SEQUENCE, c.sequence + 7 * 1240, 60000, 0);
	net_run(c.net, 20);
	CHECK_EQ(copies_of(&c, 6 * 1240), 1);
	CHECK_EQ(copies_of(&c, 7 * 1240), 2);
	/* It comes, the next does not: a second silence, and from then on each is repeated at once. */
	say(&c, PEER_SEQUENCE, c.sequence + 8 * 1240, 60000, 0);
	net_run(c.net, 20);
	CHECK_EQ(copies_of(&c, 8 * 1240), 2);
	CHECK_EQ(copies_of(&c, 9 * 1240), 1);
	say(&c, PEER_SEQUENCE, c.sequence + 9 * 1240, 60000, 0);
	CHECK_EQ(copies_of(&c, 9 * 1240), 2);
	net_free(c.net);
}

TN_TEST("a path that stands still and goes on costs one repeated segment, and no window")
{
	struct connection c = open(60000);
	write_zeros(&c, 12400);
	net_run(c.net, 40);
	CHECK_EQ(copies_of(&c, 0), 2);
	for (unsigned i = 1; i <= 10; i++) {
		say(&c, PEER_SEQUENCE, c.sequence + i * 1240, 60000, 0);
		net_run(c.net, 1);
	}
	for (unsigned i = 1; i < 10; i++)
		CHECK_EQ(copies_of(&c, i * 1240), 1);
	c.raw->packet_count = 0;
	write_zeros(&c, 12400);
	CHECK_EQ(c.raw->packet_count, 10);
	net_free(c.net);
}

TN_TEST("after an outage of five seconds a connection goes on within ten: probes do not count as time-outs, each of which doubles the next")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	uint8_t piece[2000] = {0};
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 100);
	for (unsigned i = 0; i < 20; i++) {
		tn_node_vm_write(a->node, client, piece, sizeof piece);
		net_run(net, 1000);
		CHECK_EQ(tn_node_vm_read(b->node, b->last_accepted, piece, sizeof piece), sizeof piece);
	}
	net->is_cut = true;
	tn_node_vm_write(a->node, client, piece, sizeof piece);
	net_run(net, 5000);
	net->is_cut = false;
	net_run(net, 6500);
	CHECK_EQ(tn_node_vm_read(b->node, b->last_accepted, piece, sizeof piece), sizeof piece);
	net_free(net);
}

TN_TEST("a peer with a window of two hundred bytes gets all of a long write, piece by piece")
{
	struct connection c = {.net = net_new()};
	uint8_t packet[128];
	size_t segments;
	c.host = net_host(c.net, 1);
	c.raw = net_raw(c.host, 3, NULL, 0, 0);
	net_listen(c.host, 7);
	net_settle(c.net);
	net_raw_handshake(c.raw);
	size_t length = net_tcp(packet, c.raw->address4, c.host->address4, 1234, 7, PEER_SEQUENCE - 1, 0, TN_TCP_SYN, NULL, 0);
	tn_store16be(packet + 34, 200);
	tn_store16be(packet + 36, 0);
	tn_checksum_fill(packet, length);
	net_raw_packet(c.raw, packet, length);
	net_settle(c.net);
	c.sequence = tn_load32be(c.raw->packets[0].bytes + 24) + 1;
	say(&c, PEER_SEQUENCE, c.sequence, 200, 0);
	c.socket = c.host->last_accepted;
	write_zeros(&c, 60000);
	uint32_t end = c.sequence;
	for (unsigned i = 0; i < 1000 && end - c.sequence < 60000; i++) {
		c.raw->packet_count = 0;
		say(&c, PEER_SEQUENCE, end, 200, 0);
		net_run(c.net, 250);
		uint32_t now = sent_up_to(&c, &segments);
		end = (int32_t)(now - end) > 0 ? now : end;
	}
	CHECK_EQ(end - c.sequence, 60000);
	net_free(c.net);
}

TN_TEST_DESKTOP("an acknowledgement of more than 64 KB, of which lwIP tells in two parts, is one answer to a probe")
{
	struct connection c = {.net = net_new()};
	uint8_t packet[128];
	size_t segments;
	c.host = net_host(c.net, 1);
	c.raw = net_raw(c.host, 3, NULL, 0, 0);
	net_listen(c.host, 7);
	net_settle(c.net);
	net_raw_handshake(c.raw);
	/* Window scaling by 4, and the largest segments. */
	size_t length = net_tcp(packet, c.raw->address4, c.host->address4, 1234, 7, PEER_SEQUENCE - 1, 0, TN_TCP_SYN,
	                        (const uint8_t[]){2, 4, 1240 >> 8, 1240 & 255, 1, 3, 3, 2}, 8);
	packet[32] = 0x70;
	packet[36] = packet[37] = 0;
	tn_checksum_fill(packet, length);
	net_raw_packet(c.raw, packet, length);
	net_settle(c.net);
	c.sequence = tn_load32be(c.raw->packets[0].bytes + 24) + 1;
	say(&c, PEER_SEQUENCE, c.sequence, 60000, 0);
	c.socket = c.host->last_accepted;
	/* The window grows until a hundred segments leave at once. */
	for (unsigned i = 0; i < 50; i++) {
		write_zeros(&c, 12400);
		for (unsigned j = 0; j < 10; j++)
			say(&c, PEER_SEQUENCE, c.sequence += 1240, 60000, 0);
	}
	c.raw->packet_count = 0;
	write_zeros(&c, 62000);
	write_zeros(&c, 62000);
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 124000);
	net_run(c.net, 40);
	CHECK_EQ(copies_of(&c, 0), 2);
	/* 60 segments arrive, the next is lost: the equal acknowledgement after it says so. */
	say(&c, PEER_SEQUENCE, c.sequence + 60 * 1240, 60000, 0);
	CHECK_EQ(copies_of(&c, 60 * 1240), 1);
	say(&c, PEER_SEQUENCE, c.sequence + 60 * 1240, 60000, 0);
	CHECK_EQ(copies_of(&c, 60 * 1240), 2);
	net_free(c.net);
}

/** The raw peer opens a connection to our port 7 with the given window, and tells of nothing but that its windows are scaled, if they are. */
static struct connection open_narrow(uint16_t window, bool is_scaled)
{
	struct connection c = {.net = net_new()};
	uint8_t packet[128];
	c.host = net_host(c.net, 1);
	c.raw = net_raw(c.host, 3, NULL, 0, 0);
	net_listen(c.host, 7);
	net_settle(c.net);
	net_raw_handshake(c.raw);
	size_t length =
	    net_tcp(packet, c.raw->address4, c.host->address4, 1234, 7, PEER_SEQUENCE - 1, 0, TN_TCP_SYN, (const uint8_t[]){3, 3, 2, 0}, is_scaled ? 4 : 0);
	packet[32] = is_scaled ? 0x60 : 0x50;
	tn_store16be(packet + 34, window);
	tn_store16be(packet + 36, 0);
	tn_checksum_fill(packet, length);
	net_raw_packet(c.raw, packet, length);
	net_settle(c.net);
	c.sequence = tn_load32be(c.raw->packets[0].bytes + 24) + 1;
	say(&c, PEER_SEQUENCE, c.sequence, window, 0);
	c.socket = c.host->last_accepted;
	c.raw->packet_count = 0;
	return c;
}

TN_TEST("a connection goes on whose last byte a probe of the closed window carried: there is nothing to probe with any more")
{
	struct connection c = open_narrow(0, false);
	size_t segments;
	write_zeros(&c, 1);
	net_run(c.net, 3000);
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 1);
	say(&c, PEER_SEQUENCE, c.sequence + 1, 0, 0);
	net_run(c.net, 10000);
	say(&c, PEER_SEQUENCE, c.sequence + 1, 1000, 0);
	write_zeros(&c, 100);
	net_run(c.net, 1000);
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 101);
	net_free(c.net);
}

TN_TEST("a connection that is closed goes on in the same way")
{
	struct connection c = open_narrow(1000, false);
	size_t segments;
	write_zeros(&c, 1000);
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 1000);
	net_handle_command(c.host, TN_COMMAND_SOCKET_CLOSE, c.socket, 0, 0);
	net_settle(c.net);
	/* The window closes over what is on its way; everything is repeated in vain, and arrives after all. */
	say(&c, PEER_SEQUENCE, c.sequence, 0, 0);
	say(&c, PEER_SEQUENCE + 1, c.sequence, 0, 0);
	net_run(c.net, 10000);
	say(&c, PEER_SEQUENCE, c.sequence + 1001, 0, 0);
	net_run(c.net, 10000);
	say(&c, PEER_SEQUENCE, c.sequence + 1001, 1000, 0);
	net_free(c.net);
}

TN_TEST("a window of two bytes after one of none or one: what waits in a longer segment leaves before anything is put behind it")
{
	for (uint16_t before = 0; before < 2; before++) {
		struct connection c = open_narrow(before, false);
		size_t segments;
		write_zeros(&c, 1800);
		say(&c, PEER_SEQUENCE, c.sequence, 2, 0);
		write_zeros(&c, 1800);
		uint32_t end = c.sequence;
		for (unsigned i = 0; i < 300 && end - c.sequence < 3600; i++) {
			c.raw->packet_count = 0;
			say(&c, PEER_SEQUENCE, end, i < 20 ? 2 : 600, 0);
			net_run(c.net, 2000);
			uint32_t now = sent_up_to(&c, &segments);
			end = (int32_t)(now - end) > 0 ? now : end;
		}
		CHECK_EQ(end - c.sequence, 3600);
		net_free(c.net);
	}
}

/** The raw peer acknowledges with an option of a largest segment, which belongs to SYN only. */
static void say_segment(struct connection *c, uint32_t acknowledged, uint16_t window, uint8_t most)
{
	uint8_t packet[128];
	size_t total =
	    net_tcp(packet, c->raw->address4, c->host->address4, 1234, 7, PEER_SEQUENCE, acknowledged, TN_TCP_ACK, (const uint8_t[]){1, 1, 2, 4, 0, most, 0, 0}, 8);
	packet[32] = 0x70;
	tn_store16be(packet + 34, window);
	tn_store16be(packet + 36, 0);
	tn_checksum_fill(packet, total);
	net_raw_packet(c->raw, packet, total);
	net_settle(c->net);
}

TN_TEST("a peer cannot make its largest segment smaller once the connection is open")
{
	struct connection c = open(2000);
	size_t segments;
	write_zeros(&c, 4000);
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 1240);
	say_segment(&c, c.sequence + 1240, 700, 10);
	CHECK_EQ(net_counter(c.host, "droppedUnfit"), 1);
	write_zeros(&c, 4000);
	net_run(c.net, 5000);
	say(&c, PEER_SEQUENCE, c.sequence + 1240, 60000, 0);
	net_run(c.net, 5000);
	for (unsigned i = 0; i < 10; i++)
		say(&c, PEER_SEQUENCE, sent_up_to(&c, &segments), 60000, 0);
	CHECK_EQ(sent_up_to(&c, &segments) - c.sequence, 8000);
	net_free(c.net);
}

/** lwIP's connection. */
static struct tcp_pcb *pcb_of(const struct connection *c)
{
	return tn_coalesce_find(c->host->address4, 7, c->raw->address4, 1234, netif_get_index(&c->host->node->interface.netif));
}

/** The raw peer sends a segment, with flags besides ACK. */
static void send_piece(struct connection *c, uint32_t sequence, size_t length, uint8_t flags)
{
	uint8_t packet[1400], payload[1240] = {0};
	size_t total = net_tcp(packet, c->raw->address4, c->host->address4, 1234, 7, sequence, c->sequence, TN_TCP_ACK | flags, payload, length);
	net_raw_packet(c->raw, packet, total);
	net_settle(c->net);
}

/** Fills our window in order until that much is left of it. @return sequence number of what is next */
static uint32_t fill_window(struct connection *c, uint32_t left)
{
	uint32_t rest;
	while ((rest = pcb_of(c)->rcv_wnd - left) > 0)
		send_piece(c, pcb_of(c)->rcv_nxt, rest < 1240 ? rest : 1240, 0);
	return pcb_of(c)->rcv_nxt;
}

static uint32_t read_all(const struct connection *c)
{
	uint8_t piece[4096];
	uint32_t total = 0;
	for (size_t length; (length = tn_node_vm_read(c->host->node, c->socket, piece, sizeof piece)) > 0;)
		total += (uint32_t)length;
	return total;
}

TN_TEST("a segment out of order that reaches beyond our window is not kept")
{
	struct connection c = open_narrow(1000, false);
	uint32_t next = fill_window(&c, 400);
	send_piece(&c, next + 300, 200, 0);
	send_piece(&c, next, 300, 0);
	send_piece(&c, next + 300, 100, 0);
	CHECK_EQ(pcb_of(&c)->rcv_wnd, 0);
	CHECK_EQ(read_all(&c), next + 400 - PEER_SEQUENCE);
	net_free(c.net);
}

TN_TEST("of an end that was told out of order, and data behind it, the data is dropped")
{
	struct connection c = open_narrow(1000, false);
	uint32_t next = fill_window(&c, 400);
	send_piece(&c, next + 100, 0, TN_TCP_FIN);
	send_piece(&c, next, 400, 0);
	send_piece(&c, next + 100, 300, 0);
	send_piece(&c, next, 100, 0);
	CHECK_EQ(pcb_of(&c)->state, CLOSE_WAIT);
	CHECK_EQ(read_all(&c), next + 100 - PEER_SEQUENCE);
	net_free(c.net);
}

TN_TEST_DESKTOP("a connection that was closed over a gap of a wide window is reset when the gap closes, and nothing else happens")
{
	struct connection c = open_narrow(1000, true);
	CHECK(pcb_of(&c)->rcv_wnd > TCP_WND);
	for (uint32_t i = 1; i < 80; i++)
		send_piece(&c, PEER_SEQUENCE + i * 1240, 1240, 0);
	net_handle_command(c.host, TN_COMMAND_SOCKET_CLOSE, c.socket, 0, 0);
	net_settle(c.net);
	REQUIRE(pcb_of(&c) != NULL);
	CHECK_EQ(pcb_of(&c)->state, FIN_WAIT_1);
	send_piece(&c, PEER_SEQUENCE, 1240, 0);
	CHECK(pcb_of(&c) == NULL);
	net_free(c.net);
}
