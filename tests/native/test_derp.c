/* DERP packet frames against tests/vectors/derp.json, cut everywhere. */
#include "tn_bytes.h"
#include "tn_derp.h"
#include "tn_vectors.h"
#include "vectors_derp.h"

#define STREAM_MAX 65536

/** What came out of a stream: packets as source, length and bytes, and the other frames. */
struct result {
	uint8_t packets[STREAM_MAX];
	size_t packets_length;
	size_t packet_count;
	uint8_t rest[STREAM_MAX + TN_DERP_ASSEMBLY];
	size_t rest_length;
	bool broken;
};

static void keep_packet(void *context, const uint8_t source[32], const uint8_t *packet, size_t length)
{
	struct result *result = context;
	uint8_t *to = result->packets + result->packets_length;
	if (result->packets_length + 36 + length > sizeof result->packets)
		return;
	memcpy(to, source, 32);
	tn_store32be(to + 32, (uint32_t)length);
	memcpy(to + 36, packet, length);
	result->packets_length += 36 + length;
	result->packet_count++;
}

/** Feeds part of a stream from and to heap buffers of exactly the right size. */
static void feed(struct tn_derp *derp, const uint8_t *bytes, size_t length, struct result *result)
{
	const size_t rest_size = length + TN_DERP_ASSEMBLY;
	uint8_t *in = malloc(length ? length : 1), *rest = malloc(rest_size);
	memcpy(in, bytes, length);
	const ptrdiff_t written = tn_derp_receive(derp, in, length, keep_packet, result, rest, rest_size);
	if (written < 0) {
		result->broken = true;
	} else if (result->rest_length + (size_t)written <= sizeof result->rest) {
		memcpy(result->rest + result->rest_length, rest, (size_t)written);
		result->rest_length += (size_t)written;
	}
	free(in);
	free(rest);
}

static void run(const uint8_t *bytes, size_t length, size_t cut, struct result *result)
{
	static struct tn_derp derp;
	memset(result, 0, sizeof *result);
	tn_derp_init(&derp);
	if (cut == 0) { /* every byte alone */
		for (size_t i = 0; i < length; i++)
			feed(&derp, bytes + i, 1, result);
	} else {
		feed(&derp, bytes, cut < length ? cut : length, result);
		if (cut < length)
			feed(&derp, bytes + cut, length - cut, result);
	}
}

static void check_every_cut(const uint8_t *bytes, size_t length, const struct result *wanted)
{
	static struct result got;
	for (size_t cut = 0; cut<length; cut += length> 4000 ? 7 : 1) {
		run(bytes, length, cut, &got);
		CHECK_EQ(got.broken, wanted->broken);
		if (wanted->broken)
			continue;
		CHECK_EQ(got.packets_length, wanted->packets_length);
		CHECK_MEM(got.packets, wanted->packets, wanted->packets_length);
		CHECK_EQ(got.rest_length, wanted->rest_length);
		CHECK_MEM(got.rest, wanted->rest, wanted->rest_length);
	}
}

TN_VECTOR_TEST("derp", "[relay 38] every connection of derp.json, cut at any byte position and at every byte, yields the same sequence of frames")
{
	static uint8_t stream[STREAM_MAX];
	static struct result wanted, got;
	const struct tn_vector *connections = tn_vector_get(&tn_vectors_derp, "connections");
	REQUIRE_VECTORS(connections);
	for (size_t i = 0; i < connections->count; i++) {
		const struct tn_vector *frames = tn_vector_get(&connections->items[i], "serverToClient");
		TEST_VECTOR(tn_vector_get(&connections->items[i], "client")->text);
		size_t length = 0;
		memset(&wanted, 0, sizeof wanted);
		for (size_t k = 0; k < frames->count; k++) {
			const size_t size = tn_vector_hex(tn_vector_get(&frames->items[k], "frame"), stream + length, sizeof stream - length);
			REQUIRE(size != SIZE_MAX);
			if (stream[length] == 5) {
				keep_packet(&wanted, stream + length + 5, stream + length + 37, size - 37);
			} else {
				memcpy(wanted.rest + wanted.rest_length, stream + length, size);
				wanted.rest_length += size;
			}
			length += size;
		}
		run(stream, length, length, &got);
		CHECK_MEM(got.packets, wanted.packets, wanted.packets_length);
		CHECK_EQ(got.packets_length, wanted.packets_length);
		check_every_cut(stream, length, &wanted);
	}
}

TN_VECTOR_TEST("derp", "[relay 38] the byte streams of derp.json http give their frames, however they are cut")
{
	static uint8_t stream[STREAM_MAX];
	static struct result wanted;
	const struct tn_vector *list = tn_vector_get(&tn_vectors_derp, "http");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		const struct tn_vector *frames = tn_vector_get(&list->items[i], "serverFrames");
		TEST_VECTOR(tn_vector_get(&list->items[i], "name")->text);
		size_t length = 0;
		for (size_t k = 0; k < frames->count; k++) {
			const struct tn_vector *frame = &frames->items[k];
			const size_t size = tn_vector_hex(frame->type == TN_VECTOR_STRING ? frame : tn_vector_get(frame, "frame"), stream + length, sizeof stream - length);
			REQUIRE(size != SIZE_MAX);
			length += size;
		}
		REQUIRE(length > 0);
		run(stream, length, length, &wanted);
		CHECK(!wanted.broken && wanted.rest_length + wanted.packet_count > 0);
		check_every_cut(stream, length, &wanted);
	}
}

TN_VECTOR_TEST("derp", "[relay 40] all clientReceives of derp.json give the stated result; after a skipped frame the following one is read correctly")
{
	static const uint8_t ping[13] = {0x12, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
	static uint8_t stream[STREAM_MAX];
	static struct result got;
	const struct tn_vector *list = tn_vector_get(&tn_vectors_derp, "clientReceives");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		const struct tn_vector *vector = &list->items[i];
		const struct tn_vector *result = tn_vector_get(vector, "result");
		TEST_VECTOR(tn_vector_get(vector, "name")->text);
		const size_t length = tn_vector_hex(tn_vector_get(vector, "bytes"), stream, sizeof stream - sizeof ping);
		REQUIRE(length != SIZE_MAX);
		const unsigned before = tn_test_failures;
		if (length < 5 || (tn_load32be(stream + 1) <= TN_DERP_FRAME_LIMIT && length < 5 + tn_load32be(stream + 1))) {
			run(stream, length, length, &got);
			CHECK(!got.broken); /* the end of the connection is for its owner to see */
			CHECK_EQ(got.rest_length + got.packet_count, 0);
			continue;
		}
		memcpy(stream + length, ping, sizeof ping);
		run(stream, length + sizeof ping, length + sizeof ping, &got);
		const bool is_too_long = length >= 5 && tn_load32be(stream + 1) > TN_DERP_FRAME_LIMIT;
		CHECK_EQ(got.broken, is_too_long);
		if (is_too_long)
			continue;
		if (tn_vector_is(result, "packet")) {
			uint8_t bytes[2048];
			CHECK_EQ(got.packet_count, 1);
			CHECK_EQ(tn_vector_hex(tn_vector_get(vector, "source"), bytes, sizeof bytes), 32);
			CHECK_MEM(got.packets, bytes, 32);
			const size_t size = tn_vector_hex(tn_vector_get(vector, "packet"), bytes, sizeof bytes);
			CHECK_EQ(tn_load32be(got.packets + 32), size);
			CHECK_MEM(got.packets + 36, bytes, size);
		} else if (stream[0] != 5 && length == 5 + tn_load32be(stream + 1)) {
			CHECK_EQ(got.packet_count, 0);
			CHECK_EQ(got.rest_length, length + sizeof ping);
			CHECK_MEM(got.rest, stream, got.rest_length);
		}
		if (got.rest_length >= sizeof ping && length == 5 + tn_load32be(stream + 1))
			CHECK_MEM(got.rest + got.rest_length - sizeof ping, ping, sizeof ping);
		if (tn_test_failures != before)
			printf("# in \"%s\"\n", tn_vector_get(vector, "name")->text);
		check_every_cut(stream, length + sizeof ping, &got);
	}
}

TN_TEST("[relay 41] a frame length above 1048576 closes the connection before any payload byte is stored")
{
	static struct result got;
	for (unsigned type = 0; type < 32; type++) {
		uint8_t stream[64] = {(uint8_t)type, 0x00, 0x10, 0x00, 0x01};
		run(stream, 5, 5, &got);
		CHECK(got.broken);
		run(stream, sizeof stream, 0, &got);
		CHECK(got.broken);
		CHECK_EQ(got.rest_length + got.packets_length, 0);
	}
	struct tn_derp derp;
	uint8_t rest[TN_DERP_ASSEMBLY + 8];
	static const uint8_t bad[5] = {5, 0xff, 0xff, 0xff, 0xff}, good[5] = {6, 0, 0, 0, 0};
	tn_derp_init(&derp);
	CHECK_EQ(tn_derp_receive(&derp, bad, 5, keep_packet, &got, rest, sizeof rest), -1);
	CHECK_EQ(tn_derp_receive(&derp, good, 5, keep_packet, &got, rest, sizeof rest), -1);
	tn_derp_reset(&derp);
	CHECK_EQ(tn_derp_receive(&derp, good, 5, keep_packet, &got, rest, sizeof rest), 5);
}

/** A frame of zeros after its head, then a packet "data". */
static size_t long_frame(uint8_t *stream, uint8_t type, uint32_t length)
{
	static const uint8_t after[] = {5, 0, 0, 0, 36, 'd', 'a', 't', 'a'};
	memset(stream, 0, 5 + length);
	stream[0] = type;
	tn_store32be(stream + 1, length);
	memset(stream + 5 + length, 7, 41);
	memcpy(stream + 5 + length, after, 5);
	memcpy(stream + 5 + length + 37, after + 5, 4);
	return 5 + length + 41;
}

TN_TEST("[relay 42] a RecvPacket with 65536 bytes neither exhausts memory nor breaks the next frame")
{
	static uint8_t stream[1100000];
	static struct result got;
	static struct tn_derp derp;
	static const uint32_t lengths[] = {32 + TN_DERP_PACKET_MAX + 1, 32 + 65536, TN_DERP_FRAME_LIMIT};
	for (size_t i = 0; i < 3; i++) {
		const size_t length = long_frame(stream, 5, lengths[i]);
		for (size_t piece = 1; piece <= length; piece = piece * 7 + 1) {
			if (piece < 50 && i == 2)
				continue;
			memset(&got, 0, sizeof got);
			tn_derp_init(&derp);
			for (size_t at = 0; at < length; at += piece)
				feed(&derp, stream + at, piece < length - at ? piece : length - at, &got);
			CHECK(!got.broken);
			CHECK_EQ(got.packet_count, 1);
			CHECK_EQ(tn_load32be(got.packets + 32), 4);
			CHECK_MEM(got.packets + 36, "data", 4);
			CHECK_EQ(derp.too_long, 1);
		}
	}
	const size_t length = long_frame(stream, 5, 32 + TN_DERP_PACKET_MAX);
	run(stream, length, length, &got);
	CHECK_EQ(got.packet_count, 2);
	run(stream, length, 0, &got);
	CHECK_EQ(got.packet_count, 2);
}

TN_TEST("a long frame that is not a packet is skipped, unless the login cannot do without it")
{
	static uint8_t stream[8192];
	static struct result got;
	static const uint8_t types[] = {0x06, 0x08, 0x14, 0x7f};
	for (size_t i = 0; i < 4; i++) {
		const size_t length = long_frame(stream, types[i], TN_DERP_ASSEMBLY);
		run(stream, length, length, &got);
		CHECK(!got.broken);
		CHECK_EQ(got.packet_count, 1);
		CHECK_EQ(got.rest_length, 0);
	}
	const size_t length = long_frame(stream, 3, TN_DERP_ASSEMBLY);
	run(stream, length, length, &got);
	CHECK(got.broken);
	run(stream, length, 0, &got);
	CHECK(got.broken);
}

TN_TEST("an output too small for a frame breaks the connection and is not written beyond")
{
	static const uint8_t ping[13] = {0x12, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
	for (size_t size = 0; size <= sizeof ping; size++) {
		struct tn_derp derp;
		struct result none;
		uint8_t *rest = malloc(size ? size : 1);
		tn_derp_init(&derp);
		CHECK_EQ(tn_derp_receive(&derp, ping, sizeof ping, keep_packet, &none, rest, size), size == sizeof ping ? (ptrdiff_t)sizeof ping : -1);
		free(rest);
	}
}

TN_VECTOR_TEST("derp", "SendPacket frames are those of upstream's client")
{
	const struct tn_vector *connections = tn_vector_get(&tn_vectors_derp, "connections");
	size_t compared = 0;
	for (size_t i = 0; i < connections->count; i++) {
		const struct tn_vector *frames = tn_vector_get(&connections->items[i], "clientToServer");
		for (size_t k = 0; k < frames->count; k++) {
			static uint8_t frame[STREAM_MAX], out[STREAM_MAX];
			const size_t length = tn_vector_hex(tn_vector_get(&frames->items[k], "frame"), frame, sizeof frame);
			REQUIRE(length != SIZE_MAX);
			if (length < 37 || frame[0] != 4)
				continue;
			TEST_VECTOR(tn_vector_get(&frames->items[k], "name")->text);
			CHECK_EQ(tn_derp_write_packet(out, length, frame + 5, frame + 37, length - 37), length);
			CHECK_MEM(out, frame, length);
			CHECK_EQ(tn_derp_write_packet(out, length - 1, frame + 5, frame + 37, length - 37), 0);
			compared++;
		}
	}
	CHECK_COMMITTED(compared > 3);
	static uint8_t large[70000], packet[65537];
	CHECK_EQ(tn_derp_write_packet(large, sizeof large, packet, packet, 65537), 0);
	CHECK_EQ(tn_derp_write_packet(large, sizeof large, packet, packet, 65536), 65536 + 37);
}

TN_TEST("random streams cut anywhere give the same frames")
{
	static uint8_t stream[STREAM_MAX];
	static struct result wanted, got;
	for (unsigned round = 0; round < 40; round++) {
		size_t length = 0;
		while (length < 20000) {
			const uint32_t size = tn_test_random_below(4) ? tn_test_random_below(200) : tn_test_random_below(5000);
			stream[length] = (uint8_t)(tn_test_random_below(2) ? 5 : 6 + tn_test_random_below(20));
			tn_store32be(stream + length + 1, size);
			tn_test_random_bytes(stream + length + 5, size);
			length += 5 + size;
		}
		length -= tn_test_random_below(100);
		run(stream, length, length, &wanted);
		CHECK(!wanted.broken);
		for (unsigned k = 0; k < 10; k++) {
			static struct tn_derp derp;
			tn_derp_init(&derp);
			memset(&got, 0, sizeof got);
			for (size_t at = 0; at < length;) {
				size_t piece = 1 + tn_test_random_below(k < 5 ? 3000 : 60);
				piece = piece < length - at ? piece : length - at;
				feed(&derp, stream + at, piece, &got);
				at += piece;
			}
			CHECK_EQ(got.packets_length, wanted.packets_length);
			CHECK_MEM(got.packets, wanted.packets, wanted.packets_length);
			CHECK_EQ(got.rest_length, wanted.rest_length);
			CHECK_MEM(got.rest, wanted.rest, wanted.rest_length);
		}
	}
}
