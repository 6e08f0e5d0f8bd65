/*
 * What the tunnel is built of: rings, queues, datagram runs, staged and waiting packets, coalesced segments.
 */
#include "tn_net.h"
#include "tn_crc32.h"
#include "tn_out.h"
#include "tn_queue.h"
#include "tn_ring.h"
#include "tn_staged.h"
#include "tn_waiting.h"

TN_TEST("a byte ring gives back what was put in, across its end, whatever the pieces")
{
	uint8_t memory[64], piece[64];
	struct tn_ring ring;
	uint32_t put = 0, got = 0;
	tn_ring_init(&ring, memory, sizeof memory);
	atomic_store(&ring.head, UINT32_MAX - 100);
	atomic_store(&ring.tail, UINT32_MAX - 100);
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t length = tn_test_random_below(70);
		for (uint32_t j = 0; j < length && j < 64; j++)
			piece[j] = (uint8_t)(put + j);
		uint32_t free = tn_ring_free(&ring);
		uint32_t taken = tn_ring_write(&ring, piece, length < 64 ? length : 64);
		CHECK_EQ(taken, length < free ? length : free);
		put += taken;
		const uint8_t *bytes;
		if (tn_ring_peek(&ring, 0, &bytes) > 0)
			CHECK_EQ(bytes[0], (uint8_t)got);
		uint32_t read = tn_ring_read(&ring, piece, tn_test_random_below(65));
		for (uint32_t j = 0; j < read; j++)
			CHECK_EQ(piece[j], (uint8_t)(got + j));
		got += read;
		CHECK_EQ(tn_ring_used(&ring), put - got);
	}
}

TN_TEST("peek and drop see the bytes behind an offset")
{
	uint8_t memory[16];
	struct tn_ring ring;
	const uint8_t *bytes;
	tn_ring_init(&ring, memory, sizeof memory);
	tn_ring_write(&ring, (const uint8_t *)"0123456789", 10);
	tn_ring_drop(&ring, 8);
	tn_ring_write(&ring, (const uint8_t *)"abcdefghij", 10);
	CHECK_EQ(tn_ring_peek(&ring, 0, &bytes), 8);
	CHECK_MEM(bytes, "89abcdef", 8);
	CHECK_EQ(tn_ring_peek(&ring, 8, &bytes), 4);
	CHECK_MEM(bytes, "ghij", 4);
	CHECK_EQ(tn_ring_peek(&ring, 12, &bytes), 0);
	tn_ring_drop(&ring, 100);
	CHECK_EQ(tn_ring_used(&ring), 0);
}

TN_TEST("a record ring keeps records whole and in order; one that does not fit is refused")
{
	uint8_t memory[256], record[200];
	struct tn_ring ring;
	uint32_t put = 0, got = 0, length;
	tn_ring_init(&ring, memory, sizeof memory);
	CHECK(!tn_ring_put(&ring, record, 129));
	CHECK(tn_ring_front(&ring, &length) == NULL);
	for (unsigned i = 0; i < 5000; i++) {
		memset(record, (int)(put & 0xff), sizeof record);
		uint32_t size = put * 7 % 100;
		if (tn_ring_put(&ring, record, size))
			put++;
		if (tn_test_random_below(3) > 0)
			continue;
		uint32_t position = tn_ring_position(&ring), count = 0;
		const uint8_t *bytes;
		while ((bytes = tn_ring_walk(&ring, &position, &length)) != NULL) {
			CHECK_EQ(length, (got + count) * 7 % 100);
			if (length > 0)
				CHECK(bytes[0] == ((got + count) & 0xff) && bytes[length - 1] == bytes[0]);
			count++;
		}
		CHECK_EQ(count, put - got);
		if (tn_ring_front(&ring, &length) != NULL) {
			tn_ring_pop(&ring);
			got++;
		}
		if (tn_test_random_below(10) == 0) {
			tn_ring_release(&ring, position);
			got = put;
		}
	}
	CHECK(put > 500);
}

TN_TEST("the largest record fits an empty ring wherever that begins, and a larger one never does")
{
	uint8_t memory[256], record[200] = {0};
	struct tn_ring ring;
	for (uint32_t start = 0; start < 256; start += 8) {
		tn_ring_init(&ring, memory, sizeof memory);
		atomic_store(&ring.head, start);
		atomic_store(&ring.tail, start);
		CHECK(!tn_ring_put(&ring, record, 125));
		CHECK(tn_ring_put(&ring, record, 124));
	}
}

TN_TEST("a reserved record can be published shorter")
{
	uint8_t memory[64];
	struct tn_ring ring;
	uint32_t length;
	tn_ring_init(&ring, memory, sizeof memory);
	memcpy(tn_ring_reserve(&ring, 20), "hello", 5);
	tn_ring_publish(&ring, 5);
	CHECK_MEM(tn_ring_front(&ring, &length), "hello", 5);
	CHECK_EQ(length, 5);
}

TN_TEST("a queue loses its oldest records, by number and by bytes")
{
	uint8_t memory[100], out[100];
	struct tn_queue queue;
	tn_queue_init(&queue, memory, sizeof memory);
	for (uint8_t i = 0; i < 10; i++)
		CHECK(tn_queue_push(&queue, 4, &i, 1, (const uint8_t *)"body", 4));
	CHECK_EQ(queue.count, 4);
	CHECK_EQ(queue.dropped, 6);
	for (uint8_t i = 6; i < 10; i++) {
		CHECK_EQ(tn_queue_front(&queue), 5);
		tn_queue_pop(&queue, out);
		CHECK_EQ(out[0], i);
		CHECK_MEM(out + 1, "body", 4);
	}
	memset(out, 7, sizeof out);
	CHECK(tn_queue_push(&queue, 100, out, 60, NULL, 0));
	CHECK(tn_queue_push(&queue, 100, out, 50, NULL, 0));
	CHECK_EQ(queue.count, 1);
	CHECK_EQ(tn_queue_front(&queue), 50);
	CHECK(!tn_queue_push(&queue, 100, out, 99, NULL, 0));
	tn_queue_clear(&queue);
	CHECK_EQ(tn_queue_front(&queue), 0);
}

/** Adds a datagram of length bytes to endpoint number. */
static void add(struct tn_out *out, uint8_t number, uint32_t length)
{
	uint8_t endpoint[TN_ENDPOINT] = {number};
	REQUIRE(tn_out_has_room(out, length));
	memset(tn_out_place(out), number, length);
	tn_out_add(out, endpoint, length);
}

TN_TEST("datagrams of one length to one endpoint become a run; a shorter one ends it")
{
	static uint8_t memory[200000];
	static struct tn_out out;
	tn_out_init(&out, memory, sizeof memory);
	add(&out, 1, 1312);
	add(&out, 1, 1312);
	add(&out, 1, 100);
	add(&out, 1, 100);
	add(&out, 1, 1312);
	add(&out, 2, 1312);
	CHECK_EQ(out.run_count, 4);
	CHECK_EQ(out.runs[0].segments, 3);
	CHECK_EQ(out.runs[0].length, 2724);
	CHECK_EQ(out.runs[1].segments, 1);
	CHECK_EQ(out.runs[1].offset, 2724);
	CHECK_EQ(out.runs[2].segments, 1);
	CHECK_EQ(out.runs[3].endpoint[0], 2);
	tn_out_clear(&out);
	for (unsigned i = 0; i < 100; i++)
		add(&out, 1, 1312);
	for (uint32_t i = 0; i < out.run_count; i++)
		CHECK(out.runs[i].segments <= TN_OUT_RUN_SEGMENTS && out.runs[i].length <= TN_OUT_RUN_BYTES);
	CHECK_EQ(out.used, 131200);
	tn_out_clear(&out);
	for (unsigned i = 0; i < TN_OUT_RUNS; i++)
		add(&out, (uint8_t)i, 1);
	CHECK(!tn_out_has_room(&out, 1));
}

TN_TEST("the pool of staged packets is shared, and a peer without any loses the new one")
{
	static struct tn_staged staged;
	struct tn_staged_list lists[TN_STAGED / TN_STAGED_PER_PEER + 1];
	size_t count = sizeof lists / sizeof lists[0];
	uint8_t packet[TN_MTU] = {0};
	tn_staged_init(&staged);
	for (size_t i = 0; i < count; i++)
		tn_staged_list_init(&lists[i]);
	for (size_t i = 0; i + 1 < count; i++) {
		for (unsigned j = 0; j < TN_STAGED_PER_PEER; j++) {
			packet[0] = (uint8_t)j;
			tn_staged_push(&staged, &lists[i], packet, sizeof packet);
		}
	}
	CHECK_EQ(staged.dropped, 0);
	tn_staged_push(&staged, &lists[count - 1], packet, 1);
	CHECK_EQ(lists[count - 1].count, 0);
	tn_staged_push(&staged, &lists[0], packet, 1);
	CHECK_EQ(tn_staged_front(&staged, &lists[0])->bytes[0], 1);
	CHECK_EQ(staged.dropped, 2);
	tn_staged_drop(&staged, &lists[0]);
	tn_staged_push(&staged, &lists[count - 1], packet, sizeof packet + 1);
	CHECK_EQ(lists[count - 1].count, 0);
	tn_staged_push(&staged, &lists[count - 1], packet, 1);
	CHECK_EQ(lists[count - 1].count, 1);
}

TN_TEST("of waiting packets the address asked for longest ago gives way")
{
	static struct tn_waiting waiting;
	uint8_t address[16] = {0}, packet[20] = {0};
	tn_waiting_init(&waiting);
	for (unsigned i = 0; i <= TN_WAITING; i++) {
		address[3] = (uint8_t)i;
		CHECK(tn_waiting_add_packet(&waiting, 4, address, packet, sizeof packet, 1000 + i));
	}
	address[3] = 1;
	CHECK(!tn_waiting_add_packet(&waiting, 4, address, packet, sizeof packet, 1500));
	CHECK(tn_waiting_add_packet(&waiting, 4, address, packet, sizeof packet, 2001));
	address[3] = 0;
	CHECK(tn_waiting_add_packet(&waiting, 4, address, packet, sizeof packet, 2002));
	CHECK(!tn_waiting_add_packet(&waiting, 4, address, (const uint8_t[TN_MTU + 1]){0}, TN_MTU + 1, 9000));
}

TN_TEST("several packets wait for one address, and leave in their order; of too many the oldest give way, and none of another address")
{
	static struct tn_waiting waiting;
	uint8_t packet[20] = {0};
	tn_waiting_init(&waiting);
	CHECK(tn_waiting_add_packet(&waiting, 4, (const uint8_t[]){100, 64, 0, 2}, packet, sizeof packet, 1000));
	for (uint8_t i = 0; i < TN_WAITING_PER_ADDRESS + 3; i++) {
		packet[0] = i;
		CHECK_EQ(tn_waiting_add_packet(&waiting, 4, (const uint8_t[]){100, 64, 0, 1}, packet, sizeof packet, 1000 + i), i == 0);
	}
	struct tn_waiting_packet *next = tn_waiting_next(&waiting, NULL);
	REQUIRE(next != NULL);
	CHECK_EQ(next->address[3], 2);
	for (unsigned i = 0; i < TN_WAITING_PER_ADDRESS; i++) {
		next = tn_waiting_next(&waiting, next);
		REQUIRE(next != NULL);
		CHECK_EQ(next->address[3], 1);
		CHECK_EQ(next->bytes[0], i + 3);
		next->used = false;
	}
	CHECK(tn_waiting_next(&waiting, next) == NULL);
	next = tn_waiting_next(&waiting, NULL);
	CHECK(next != NULL && next->address[3] == 2);
}

TN_TEST("CRC-32 of the check string and of an address")
{
	CHECK_EQ(tn_crc32("123456789", 9), 0xcbf43926);
	CHECK_EQ(tn_crc32("", 0), 0);
	/* protocol/tunnel.md §5.5: 100.64.0.1 gives 58436 */
	CHECK_EQ(0x8000 | (tn_crc32((const uint8_t[]){64, 0, 1}, 3) & 0xffff), 58436);
}

/** A data segment of the raw peer's connection. */
static size_t segment(uint8_t *out, const struct raw *raw, bool is_ip6, uint16_t own_port, uint32_t sequence, uint32_t acknowledged, size_t length,
                      uint8_t fill)
{
	uint8_t payload[1240];
	memset(payload, fill, sizeof payload);
	return net_tcp(out, is_ip6 ? raw->address6 : raw->address4, is_ip6 ? raw->host->address6 : raw->host->address4, 1234, own_port, sequence, acknowledged,
	               TN_TCP_ACK, payload, length);
}

/** Opens a connection from the raw peer to port 7. @return the sequence number that our side used */
static uint32_t establish(struct raw *raw, bool is_ip6)
{
	uint8_t packet[128];
	const uint8_t *from = is_ip6 ? raw->address6 : raw->address4, *to = is_ip6 ? raw->host->address6 : raw->host->address4;
	raw->packet_count = 0;
	net_raw_packet(raw, packet, net_tcp(packet, from, to, 1234, 7, 999, 0, TN_TCP_SYN, NULL, 0));
	net_settle(raw->net);
	CHECK_EQ(raw->packet_count, 1);
	uint32_t sequence = tn_load32be(raw->packets[0].bytes + (is_ip6 ? 44 : 24)) + 1;
	net_raw_packet(raw, packet, net_tcp(packet, from, to, 1234, 7, 1000, sequence, TN_TCP_ACK, NULL, 0));
	net_settle(raw->net);
	raw->packet_count = 0;
	return sequence;
}

TN_TEST_DESKTOP("coalesced segments arrive whole, odd lengths and a damaged one among them")
{
	for (unsigned is_ip6 = 0; is_ip6 < 2; is_ip6++) {
		struct net *net = net_new();
		struct host *a = net_host(net, 1);
		struct raw *raw = net_raw(a, 3, NULL, 0, 0);
		static uint8_t packet[2048], got[65536];
		static const uint16_t lengths[] = {1240, 1240, 333, 1240, 2, 1, 1240, 1240};
		net_listen(a, 7);
		net_settle(net);
		net_raw_handshake(raw);
		uint32_t acknowledged = establish(raw, is_ip6), total = 0;
		for (size_t i = 0; i < 8; i++) {
			net_raw_packet(raw, packet, segment(packet, raw, is_ip6, 7, 1000 + total, acknowledged, lengths[i], (uint8_t)i));
			total += lengths[i];
		}
		net_settle(net);
		CHECK_EQ(tn_node_vm_read(a->node, a->last_accepted, got, sizeof got), total);
		for (size_t i = 0, at = 0; i < 8; at += lengths[i], i++)
			CHECK(got[at] == i && got[at + lengths[i] - 1] == i);
		CHECK(a->node->interface.coalesced >= 6);
		/* One byte of the second segment is wrong: nothing of its run is taken, and nothing but the truth ever is. */
		for (unsigned i = 0; i < 3; i++) {
			size_t length = segment(packet, raw, is_ip6, 7, 1000 + total + i * 1240, acknowledged, 1240, (uint8_t)(20 + i));
			packet[length - 1] ^= i == 1 ? 1 : 0;
			net_raw_packet(raw, packet, length);
		}
		net_settle(net);
		CHECK_EQ(tn_node_vm_read(a->node, a->last_accepted, got, sizeof got), 0);
		for (unsigned i = 0; i < 3; i++)
			net_raw_packet(raw, packet, segment(packet, raw, is_ip6, 7, 1000 + total + i * 1240, acknowledged, 1240, (uint8_t)(20 + i)));
		net_settle(net);
		CHECK_EQ(tn_node_vm_read(a->node, a->last_accepted, got, sizeof got), 3720);
		CHECK_EQ(got[2479], 21);
		CHECK_EQ(a->node->interface.leaked, 0);
		net_free(net);
	}
}

TN_TEST_DESKTOP("several segments in one turn are acknowledged at once, the last of them")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	static uint8_t packet[2048];
	net_listen(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	uint32_t acknowledged = establish(raw, false);
	for (unsigned i = 0; i < 4; i++)
		net_raw_packet(raw, packet, segment(packet, raw, false, 7, 1000 + i * 600, acknowledged, 600, 1));
	net_settle(net);
	CHECK_EQ(raw->packet_count, 1);
	CHECK_EQ(tn_load32be(raw->packets[0].bytes + 28), 1000 + 4 * 600);
	net_free(net);
}

TN_TEST_DESKTOP("a gap that closes before more than 64 KB promises no more than the ring can hold")
{
	enum { SEGMENT = 1200, FILL = 100, GAP = 100, MORE = 60 };
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	static uint8_t packet[2048], got[TN_STREAM_RECEIVE];
	uint8_t syn[128];
	net_listen(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	/* A SYN with window scaling (kind 3), so that windows are wide. */
	size_t length = net_tcp(syn, raw->address4, a->address4, 1234, 7, 999, 0, TN_TCP_SYN, (const uint8_t[]){1, 3, 3, 2}, 4);
	syn[32] = 0x60;
	syn[36] = syn[37] = 0;
	tn_checksum_fill(syn, length);
	net_raw_packet(raw, syn, length);
	net_settle(net);
	REQUIRE(raw->packet_count == 1);
	uint32_t acknowledged = tn_load32be(raw->packets[0].bytes + 24) + 1, sequence = 1000;
	net_raw_packet(raw, packet, net_tcp(packet, raw->address4, a->address4, 1234, 7, sequence, acknowledged, TN_TCP_ACK, NULL, 0));
	net_settle(net);
	for (unsigned i = 0; i < FILL; i++, sequence += SEGMENT) {
		net_raw_packet(raw, packet, segment(packet, raw, false, 7, sequence, acknowledged, SEGMENT, (uint8_t)i));
		net_settle(net);
	}
	/* The first of these comes last. */
	for (unsigned i = 1; i <= GAP; i++) {
		net_raw_packet(raw, packet, segment(packet, raw, false, 7, sequence + i % GAP * SEGMENT, acknowledged, SEGMENT, (uint8_t)(FILL + i % GAP)));
		net_settle(net);
	}
	sequence += GAP * SEGMENT;
	for (unsigned i = 0; i < MORE; i++, sequence += SEGMENT) {
		net_raw_packet(raw, packet, segment(packet, raw, false, 7, sequence, acknowledged, SEGMENT, (uint8_t)(FILL + GAP + i)));
		net_settle(net);
	}
	size_t received = tn_node_vm_read(a->node, a->last_accepted, got, sizeof got);
	CHECK(received >= (FILL + GAP) * SEGMENT);
	for (size_t i = 0; i < received; i++) {
		if (!CHECK_EQ(got[i], (uint8_t)(i / SEGMENT)))
			break;
	}
	CHECK(!net_socket(a, a->last_accepted)->closed);
	CHECK_EQ(net_counter(a, "streamsOverrun"), 0);
	net_free(net);
}

static unsigned out_of_order(const struct raw *raw)
{
	unsigned count = 0;
	const struct tcp_pcb *pcb = tn_coalesce_find(raw->host->address4, 7, raw->address4, 1234, netif_get_index(&raw->host->node->interface.netif));
	for (const struct tcp_seg *segment = pcb != NULL ? pcb->ooseq : NULL; segment != NULL; segment = segment->next)
		count++;
	return count;
}

TN_TEST("of small segments out of order only so many are kept, since each costs memory and a walk along those before it")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1);
	struct raw *raw = net_raw(a, 3, NULL, 0, 0);
	static uint8_t packet[2048], got[4096];
	net_listen(a, 7);
	net_settle(net);
	net_raw_handshake(raw);
	uint32_t acknowledged = establish(raw, false);
	for (uint32_t i = 0; i < 1500; i++) {
		net_raw_packet(raw, packet, segment(packet, raw, false, 7, 1001 + 2 * i, acknowledged, 1, 1));
		net_settle(net);
	}
	CHECK(out_of_order(raw) > 0 && out_of_order(raw) <= 256);
	CHECK(net_counter(a, "segmentsScattered") >= 1500 - 256);
	/* What is in order is taken, and what was kept with it. */
	for (uint32_t i = 0; i < 3000; i += 1000) {
		net_raw_packet(raw, packet, segment(packet, raw, false, 7, 1000 + i, acknowledged, 1000, 2));
		net_settle(net);
	}
	CHECK_EQ(tn_node_vm_read(a->node, a->last_accepted, got, sizeof got), 3000);
	CHECK_EQ(out_of_order(raw), 0);
	net_free(net);
}
