/* Classification of datagrams against tests/vectors/classify.json. */
#include "tn_classify.h"
#include "tn_vectors.h"
#include "vectors_classify.h"
#include "vectors_disco.h"
#include "vectors_stun.h"
#include "vectors_wireguard.h"

static uint8_t *exact_copy(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	if (length)
		memcpy(copy, bytes, length);
	return copy;
}

TN_VECTOR_TEST("classify", "[relay 1] all 34 datagrams of classify.json get the class given there")
{
	static const char *const names[] = {"wireguard", "stun", "disco"};
	const struct tn_vector *list = tn_vector_get(&tn_vectors_classify, "datagrams");
	REQUIRE_VECTORS(list);
	CHECK_COMMITTED(list->count == 34);
	for (size_t i = 0; i < list->count; i++) {
		uint8_t bytes[2048];
		bool geneve;
		TEST_VECTOR(tn_vector_get(&list->items[i], "name")->text);
		const size_t length = tn_vector_hex(tn_vector_get(&list->items[i], "packet"), bytes, sizeof bytes);
		REQUIRE(length != SIZE_MAX);
		uint8_t *copy = exact_copy(bytes, length);
		const enum tn_datagram class = tn_classify(copy, length, &geneve);
		if (!CHECK(tn_vector_is(tn_vector_get(&list->items[i], "class"), names[class])))
			printf("# \"%s\" is said to be %s\n", tn_vector_get(&list->items[i], "name")->text, names[class]);
		CHECK_EQ(geneve, tn_vector_true(tn_vector_get(&list->items[i], "geneve")));
		CHECK_EQ(tn_classify(copy, length, NULL), class);
		free(copy);
	}
}

TN_TEST("[relay 4] a datagram of 0, 1, 19, 20, 37, 38, 61, 62, 77, 78 bytes of any content causes no read outside the buffer")
{
	static const size_t lengths[] = {0, 1, 19, 20, 37, 38, 61, 62, 77, 78};
	static const uint8_t starts[][8] = {
	    {0}, {0x01, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42}, {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac}, {0, 0, 0x7a, 0x11}, {0, 0, 0x7a, 0x12}, {4}};
	for (unsigned round = 0; round < 6000; round++) {
		const size_t length = lengths[round % 10];
		uint8_t bytes[128];
		tn_test_random_bytes(bytes, sizeof bytes);
		if (round % 3)
			memcpy(bytes, starts[tn_test_random_below(6)], 8);
		uint8_t *copy = exact_copy(bytes, length);
		bool geneve;
		const enum tn_datagram class = tn_classify(copy, length, &geneve);
		if (class == TN_DATAGRAM_STUN)
			CHECK(length >= 20 && !geneve);
		if (class == TN_DATAGRAM_DISCO)
			CHECK(length >= 38);
		free(copy);
	}
}

/** An endpoint of 18 bytes: a.b.c.d:port. */
static const uint8_t *endpoint_of(uint8_t out[18], uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	out[12] = a, out[13] = b, out[14] = c, out[15] = d;
	out[16] = (uint8_t)(port >> 8), out[17] = (uint8_t)port;
	return out;
}

TN_TEST("answers about port mappings are told from WireGuard: by the gateway's port and two bytes, or by their text, and only from private addresses")
{
	static const uint8_t pmp[8] = {0, 0x81}, pcp[8] = {2, 0x81}, ssdp[] = "HTTP/1.1 200 OK";
	uint8_t from[18];
	const size_t text = sizeof ssdp - 1;
	CHECK(tn_classify_is_mapping(endpoint_of(from, 192, 168, 1, 1, 5351), pmp, sizeof pmp));
	CHECK(tn_classify_is_mapping(endpoint_of(from, 10, 0, 0, 1, 5351), pcp, sizeof pcp));
	CHECK(tn_classify_is_mapping(endpoint_of(from, 172, 31, 0, 1, 40000), ssdp, text));
	CHECK(!tn_classify_is_mapping(endpoint_of(from, 192, 168, 1, 1, 5352), pmp, sizeof pmp));
	CHECK(!tn_classify_is_mapping(endpoint_of(from, 172, 32, 0, 1, 5351), pmp, sizeof pmp));
	CHECK(!tn_classify_is_mapping(endpoint_of(from, 203, 0, 113, 1, 5351), pcp, sizeof pcp));
	CHECK(!tn_classify_is_mapping(endpoint_of(from, 100, 64, 0, 1, 1900), ssdp, text));
	from[0] = 0xfd;
	CHECK(!tn_classify_is_mapping(from, ssdp, text));
	endpoint_of(from, 192, 168, 1, 1, 5351);
	for (uint8_t type = 1; type <= 4; type++) {
		const uint8_t wireguard[148] = {type};
		CHECK(!tn_classify_is_mapping(from, wireguard, sizeof wireguard));
	}
	for (size_t length = 0; length < 8; length++) {
		uint8_t *copy = exact_copy(pmp, length);
		CHECK(!tn_classify_is_mapping(from, copy, length));
		free(copy);
		copy = exact_copy(ssdp, length);
		CHECK(!tn_classify_is_mapping(from, copy, length));
		free(copy);
	}
}

TN_VECTOR_TEST("disco", "[relay 5] a DISCO packet inside Geneve is told apart, so that a node without peer relay support can drop it")
{
	const struct tn_vector *cases = tn_vector_get(&tn_vectors_disco, "cases");
	size_t wrapped = 0;
	REQUIRE_VECTORS(cases);
	for (size_t i = 0; i < cases->count; i++) {
		uint8_t bytes[2048];
		bool geneve;
		TEST_VECTOR(tn_vector_get(&cases->items[i], "name")->text);
		const size_t length = tn_vector_hex(tn_vector_get(&cases->items[i], "packet"), bytes + TN_GENEVE_HEADER, sizeof bytes - TN_GENEVE_HEADER);
		REQUIRE(length != SIZE_MAX);
		CHECK_EQ(tn_classify(bytes + TN_GENEVE_HEADER, length, &geneve), TN_DATAGRAM_DISCO);
		CHECK(!geneve);
		CHECK(tn_classify_is_disco(bytes + TN_GENEVE_HEADER, length));
		const struct tn_vector *header = tn_vector_get(&cases->items[i], "geneveHeader");
		if (header->type != TN_VECTOR_STRING || tn_vector_hex(header, bytes, TN_GENEVE_HEADER) != TN_GENEVE_HEADER)
			continue;
		CHECK_EQ(tn_classify(bytes, length + TN_GENEVE_HEADER, &geneve), TN_DATAGRAM_DISCO);
		CHECK(geneve);
		CHECK(!tn_classify_is_disco(bytes, length + TN_GENEVE_HEADER));
		wrapped++;
	}
	CHECK_COMMITTED(wrapped > 0);
}

TN_VECTOR_TEST("stun", "STUN of the vectors is STUN where upstream says so")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_stun, "parseResponse");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		uint8_t bytes[2048];
		TEST_VECTOR(tn_vector_get(&list->items[i], "name")->text);
		const size_t length = tn_vector_hex(tn_vector_get(&list->items[i], "packet"), bytes, sizeof bytes);
		REQUIRE(length != SIZE_MAX);
		CHECK_EQ(tn_classify(bytes, length, NULL) == TN_DATAGRAM_STUN, tn_vector_true(tn_vector_get(&list->items[i], "classifiedAsSTUN")));
	}
}

TN_VECTOR_TEST("wireguard", "WireGuard handshakes never are anything else")
{
	const struct tn_vector *handshakes = tn_vector_get(&tn_vectors_wireguard, "handshakes");
	REQUIRE_VECTORS(handshakes);
	for (size_t i = 0; i < handshakes->count; i++) {
		uint8_t bytes[256];
		bool geneve;
		TEST_VECTOR(tn_vector_get(&handshakes->items[i], "name")->text);
		const size_t length = tn_vector_hex(tn_vector_get(&handshakes->items[i], "initiation"), bytes, sizeof bytes);
		CHECK_EQ(length, 148);
		CHECK_EQ(tn_classify(bytes, length, &geneve), TN_DATAGRAM_WIREGUARD);
		CHECK(!geneve);
	}
}
