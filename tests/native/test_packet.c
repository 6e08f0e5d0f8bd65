/* The parser of IP packets against tests/vectors/tsmp.json, checksums and masquerade. */
#include <arpa/inet.h>

#include "filter_packets.h"
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "vectors_filter.h"
#include "vectors_tsmp.h"

static void text_address(uint8_t address[16], const char *text)
{
	uint8_t ip4[4];
	if (inet_pton(AF_INET, text, ip4) == 1)
		tn_address_from_ip4(address, ip4);
	else
		CHECK_EQ(inet_pton(AF_INET6, text, address), 1);
}

/** Copies to the heap, exactly as long as it is, so that a read outside is seen. */
static uint8_t *exact_copy(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	if (length)
		memcpy(copy, bytes, length);
	return copy;
}

static bool has_short_header(const uint8_t *bytes, size_t length)
{
	return length >= 20 && bytes[0] >> 4 == 4 && (bytes[0] & 15) < 5;
}

static void check_parsed(const struct tn_vector *vector, const struct tn_packet *packet)
{
	const struct tn_vector *parsed = tn_vector_get(vector, "parsed");
	if (parsed->type == TN_VECTOR_NULL)
		parsed = vector;
	uint8_t address[16];
	const unsigned before = tn_test_failures;
	CHECK_EQ(packet->version, tn_vector_number(tn_vector_get(parsed, "ip_version")));
	CHECK_EQ(packet->protocol, tn_vector_number(tn_vector_get(parsed, "ip_proto")));
	if (packet->protocol != TN_PROTOCOL_UNKNOWN) {
		text_address(address, tn_vector_get(parsed, "src")->text);
		CHECK_MEM(packet->source, address, 16);
		text_address(address, tn_vector_get(parsed, "dst")->text);
		CHECK_MEM(packet->destination, address, 16);
		CHECK_EQ(packet->source_port, tn_vector_number(tn_vector_get(parsed, "src_port")));
		CHECK_EQ(packet->destination_port, tn_vector_number(tn_vector_get(parsed, "dst_port")));
	}
	CHECK_EQ(packet->tcp_flags, tn_vector_number(tn_vector_get(parsed, "tcp_flags")));
	CHECK_EQ(tn_packet_is_tcp_open(packet), tn_vector_true(tn_vector_get(parsed, "is_tcp_syn")));
	/* Upstream's booleans go by number alone; ours ask for ICMP of the packet's family, because the filter has to (filter.md §3.8). */
	const bool is_foreign = packet->version == 4 ? packet->protocol == TN_PROTOCOL_ICMP6 : packet->protocol == TN_PROTOCOL_ICMP4;
	CHECK_EQ(tn_packet_is_echo_request(packet), !is_foreign && tn_vector_true(tn_vector_get(parsed, "is_echo_request")));
	CHECK_EQ(tn_packet_is_echo_reply(packet), !is_foreign && tn_vector_true(tn_vector_get(parsed, "is_echo_response")));
	CHECK_EQ(tn_packet_is_icmp_error(packet), !is_foreign && tn_vector_true(tn_vector_get(parsed, "is_icmp_error")));
	if (tn_test_failures != before)
		printf("# in \"%s\"\n", tn_vector_get(vector, "name")->text);
}

TN_VECTOR_TEST("tsmp", "[tunnel 41] all parse cases give the stated verdict, except IHL < 5, which is dropped")
{
	static const char *const lists[] = {"parse", "icmp", "messages"};
	for (size_t k = 0; k < 3; k++) {
		const struct tn_vector *list = tn_vector_get(&tn_vectors_tsmp, lists[k]);
		CHECK_COMMITTED(list->count > 0);
		for (size_t i = 0; i < list->count; i++) {
			uint8_t bytes[2048];
			TEST_VECTOR(tn_vector_get(&list->items[i], "name")->text);
			const size_t length = tn_vector_hex(tn_vector_get(&list->items[i], "packet"), bytes, sizeof bytes);
			REQUIRE(length != SIZE_MAX);
			uint8_t *copy = exact_copy(bytes, length);
			struct tn_packet packet;
			const uint8_t protocol = tn_packet_parse(&packet, copy, length);
			if (has_short_header(copy, length))
				CHECK_EQ(protocol, TN_PROTOCOL_UNKNOWN);
			else
				check_parsed(&list->items[i], &packet);
			free(copy);
		}
	}
}

TN_VECTOR_TEST("tsmp", "[tunnel 41] the filter gives every parse case upstream's verdict, with open rules and with shields up")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_tsmp, "parse");
	for (size_t i = 0; i < list->count; i++) {
		const struct tn_vector *vector = &list->items[i];
		struct built built = {.length = 0};
		TEST_VECTOR(tn_vector_get(vector, "name")->text);
		built.length = tn_vector_hex(tn_vector_get(vector, "packet"), built.bytes, sizeof built.bytes);
		REQUIRE(built.length != SIZE_MAX);
		const bool is_short = has_short_header(built.bytes, built.length);
		const unsigned before = tn_test_failures;
		use(&filter_block_tcp_udp_everywhere);
		const bool in_wanted = tn_vector_is(tn_vector_get(vector, "filter_in"), "Accept");
		const bool out_wanted = tn_vector_is(tn_vector_get(vector, "filter_out"), "Accept");
		CHECK_EQ(in(built) == TN_ACCEPT, in_wanted && !is_short);
		CHECK_EQ(out(built) == TN_ACCEPT, out_wanted && !is_short);
		use(NULL);
		CHECK_EQ(tn_filter_install(&own_filter, filter_block_tcp_udp_everywhere.bytes, filter_block_tcp_udp_everywhere.length, true), 0);
		const struct tn_vector *shields = tn_vector_get(vector, "filter_in_shields_up");
		CHECK_EQ(in(built) == TN_ACCEPT, tn_vector_is(shields, "Accept") && !is_short);
		if (tn_test_failures != before)
			printf("# in \"%s\"\n", tn_vector_get(vector, "name")->text);
	}
}

TN_TEST("[tunnel 40] inner length fields: total length 0, 19, 20, larger than the plaintext; v6 payload 0, 65,535; IHL 0..4; each dropped or cut")
{
	struct tn_packet packet;
	static const uint16_t totals[] = {0, 19, 20, 27, 28, 29, 65535};
	for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
		struct built built = udp(4, 53);
		tn_store16be(built.bytes + 2, totals[i]);
		uint8_t *copy = exact_copy(built.bytes, built.length);
		tn_packet_parse(&packet, copy, built.length);
		CHECK_EQ(packet.protocol, totals[i] >= 20 && totals[i] <= 28 ? TN_PROTOCOL_UDP : TN_PROTOCOL_UNKNOWN);
		CHECK_EQ(packet.length, totals[i] >= 20 && totals[i] <= 28 ? totals[i] : 0);
		free(copy);
	}
	static const uint16_t payloads[] = {0, 7, 8, 9, 65535};
	for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
		struct built built = udp(6, 53);
		tn_store16be(built.bytes + 4, payloads[i]);
		uint8_t *copy = exact_copy(built.bytes, built.length);
		tn_packet_parse(&packet, copy, built.length);
		CHECK_EQ(packet.protocol, payloads[i] <= 8 ? TN_PROTOCOL_UDP : TN_PROTOCOL_UNKNOWN);
		CHECK_EQ(packet.length, payloads[i] <= 8 ? 40 + payloads[i] : 0);
		free(copy);
	}
	for (uint8_t words = 0; words < 16; words++) {
		struct built built = udp(4, 53);
		built.bytes[0] = (uint8_t)(0x40 | words);
		uint8_t *copy = exact_copy(built.bytes, built.length);
		tn_packet_parse(&packet, copy, built.length);
		CHECK_EQ(packet.protocol, words == 5 ? TN_PROTOCOL_UDP : TN_PROTOCOL_UNKNOWN);
		free(copy);
	}
}

TN_TEST("[tunnel 43] multicast, broadcast and link-local destinations never enter, and multicast and link-local ones never leave")
{
	static const char *const never[] = {"e0000001", "efffffff", "a9fe0101", "ffffffff", "647fffff"};
	use(&filter_block_all);
	for (size_t i = 0; i < 5; i++) {
		CHECK_EQ(in(to(udp(4, 53), never[i])), TN_DROP);
		if (i < 3)
			CHECK_EQ(out(to(udp(4, 53), never[i])), TN_DROP);
	}
	CHECK_EQ(in(to(udp(6, 53), "ff020000000000000000000000000001")), TN_DROP);
	CHECK_EQ(out(to(udp(6, 53), "ff020000000000000000000000000001")), TN_DROP);
	CHECK_EQ(in(to(udp(6, 53), "fe800000000000000000000000000001")), TN_DROP);
	CHECK_EQ(out(to(udp(6, 53), "fe800000000000000000000000000001")), TN_DROP);
}

TN_TEST("random bytes parse without a read outside, and what is found lies inside")
{
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t bytes[128];
		const size_t length = tn_test_random_below(sizeof bytes);
		tn_test_random_bytes(bytes, length);
		if (length > 0)
			bytes[0] = (uint8_t)(tn_test_random_below(2) ? 0x45 : 0x60);
		if (length > 6) {
			tn_store16be(bytes + (bytes[0] == 0x60 ? 4 : 2), (uint16_t)tn_test_random_below(100));
			bytes[bytes[0] == 0x60 ? 6 : 7] = 0;
		}
		uint8_t *copy = exact_copy(bytes, length);
		struct tn_packet packet;
		tn_packet_parse(&packet, copy, length);
		CHECK(packet.length <= length);
		if (packet.protocol != TN_PROTOCOL_UNKNOWN) {
			CHECK(packet.transport <= packet.length);
			tn_packet_is_echo_reply(&packet);
			tn_packet_is_icmp_error(&packet);
			tn_packet_set_source(&packet, copy, packet.destination);
			tn_packet_set_destination(&packet, copy, packet.source);
			tn_checksum_fill(copy, length);
		}
		free(copy);
	}
}

/* ---- Checksums ---- */

TN_TEST("the checksum of RFC 1071's example is right")
{
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	CHECK_EQ(tn_checksum_finish(tn_checksum_add(0, example, sizeof example)), 0x220d);
	for (size_t split = 0; split <= 8; split += 2)
		CHECK_EQ(tn_checksum_finish(tn_checksum_add(tn_checksum_add(0, example, split), example + split, 8 - split)), 0x220d);
	CHECK_EQ(tn_checksum_finish(tn_checksum_add(0, example, 7)), (uint16_t)(0x220d + 0xf7));
}

TN_TEST("checksums filled in are those of the vectors' packets")
{
	const struct tn_vector *sets = tn_vector_get(&tn_vectors_filter, "sets");
	size_t compared = 0;
	for (size_t i = 0; i < sets->count; i++) {
		if (tn_vector_is(tn_vector_get(&sets->items[i], "name"), "malformed"))
			continue;
		const struct tn_vector *steps = tn_vector_get(&sets->items[i], "steps");
		for (size_t k = 0; k < steps->count; k++) {
			uint8_t bytes[2048], again[2048];
			const size_t length = tn_vector_hex(tn_vector_get(&steps->items[k], "packet"), bytes, sizeof bytes);
			struct tn_packet packet;
			if (length == SIZE_MAX || tn_packet_parse(&packet, bytes, length) == TN_PROTOCOL_UNKNOWN || packet.length != length)
				continue;
			if ((tn_load16be(bytes + 6) & 0x2000) != 0 && packet.version == 4)
				continue; /* a first fragment's checksum covers what is not here */
			if (packet.protocol == TN_PROTOCOL_FRAGMENT || (packet.version == 4 && packet.protocol == TN_PROTOCOL_ICMP6) ||
			    (packet.version == 6 && packet.protocol == TN_PROTOCOL_ICMP4))
				continue;
			memcpy(again, bytes, length);
			CHECK(tn_checksum_fill(again, length));
			if (!CHECK_MEM(again, bytes, length))
				printf("# in step %zu of %s\n", k, tn_vector_get(&sets->items[i], "name")->text);
			compared++;
		}
	}
	CHECK(compared > 1500);
}

TN_TEST("what is no whole IP packet gets no checksum")
{
	struct built built = udp(4, 53);
	CHECK(!tn_checksum_fill(built.bytes, 0));
	CHECK(!tn_checksum_fill(built.bytes, built.length - 1));
	built.bytes[0] = 0x55;
	CHECK(!tn_checksum_fill(built.bytes, built.length));
	built.bytes[0] = 0x44;
	CHECK(!tn_checksum_fill(built.bytes, built.length));
	built = plain(4, 0, 20);
	CHECK(!tn_checksum_fill(built.bytes, built.length));
	built = plain(4, 47, 20);
	CHECK(tn_checksum_fill(built.bytes, built.length));
}

/* ---- Masquerade ---- */

static struct built with_data(struct built packet, size_t size)
{
	for (size_t i = 0; i < size; i++)
		packet.bytes[packet.length + i] = (uint8_t)tn_test_random();
	packet.length += size;
	const bool is4 = packet.bytes[0] >> 4 == 4;
	tn_store16be(packet.bytes + (is4 ? 2 : 4), (uint16_t)(packet.length - (is4 ? 0 : 40)));
	tn_checksum_fill(packet.bytes, packet.length);
	return packet;
}

static void random_address(uint8_t address[16], unsigned version)
{
	tn_test_random_bytes(address, 16);
	if (version == 4)
		tn_address_from_ip4(address, address);
}

TN_TEST("changed addresses leave every checksum right, as if the packet had been made with them")
{
	for (unsigned round = 0; round < 2000; round++) {
		const unsigned version = round % 2 ? 4 : 6;
		const size_t size = tn_test_random_below(40);
		const struct built kinds[] = {tcp(version, TN_TCP_ACK, 22), udp(version, 53), icmp(version, version == 4 ? 8 : 128, 0, 8), plain(version, 47, 8),
		                              sctp(version, 9)};
		struct built before = with_data(kinds[round % 5], size), after;
		struct tn_packet packet;
		uint8_t source[16], destination[16];
		random_address(source, version);
		random_address(destination, version);
		after = before;
		tn_packet_parse(&packet, after.bytes, after.length);
		CHECK(tn_packet_set_source(&packet, after.bytes, source));
		CHECK(tn_packet_set_destination(&packet, after.bytes, destination));
		CHECK_MEM(packet.source, source, 16);
		CHECK_MEM(packet.destination, destination, 16);
		struct tn_packet again;
		tn_packet_parse(&again, after.bytes, after.length);
		CHECK_MEM(again.source, source, 16);
		CHECK_MEM(again.destination, destination, 16);
		struct built wanted = after;
		tn_checksum_fill(wanted.bytes, wanted.length);
		CHECK_MEM(after.bytes, wanted.bytes, wanted.length);
	}
}

TN_TEST("a UDP checksum of zero stays zero in IPv4, and an address of the other family changes nothing")
{
	uint8_t ip4[16], ip6[16];
	struct tn_packet packet;
	struct built built = with_data(udp(4, 53), 4);
	tn_store16be(built.bytes + 26, 0);
	hex_address(ip4, "c0000201");
	hex_address(ip6, "fd000000000000000000000000000001");
	tn_packet_parse(&packet, built.bytes, built.length);
	CHECK(tn_packet_set_source(&packet, built.bytes, ip4));
	CHECK_EQ(tn_load16be(built.bytes + 26), 0);
	CHECK(!tn_packet_set_source(&packet, built.bytes, ip6));
	CHECK_MEM(packet.source, ip4, 16);
}

TN_TEST("a packet whose length is a lie is not rewritten")
{
	struct built built = udp(4, 53), before;
	struct tn_packet packet;
	uint8_t ip4[16];
	hex_address(ip4, "c0000201");
	built.bytes[3] = 29;
	before = built;
	tn_packet_parse(&packet, built.bytes, built.length);
	CHECK(!tn_packet_set_source(&packet, built.bytes, ip4));
	CHECK(!tn_packet_set_destination(&packet, built.bytes, ip4));
	CHECK_MEM(built.bytes, before.bytes, built.length);
}

TN_TEST("a later fragment gets its IP checksum corrected and nothing else")
{
	struct built built = with_data(fragment(20), 0), before;
	struct tn_packet packet;
	uint8_t ip4[16];
	hex_address(ip4, "c0000201");
	before = built;
	tn_packet_parse(&packet, built.bytes, built.length);
	CHECK(tn_packet_set_destination(&packet, built.bytes, ip4));
	CHECK_EQ(tn_checksum_ip4(built.bytes, 20), tn_load16be(built.bytes + 10));
	CHECK_MEM(built.bytes + 20, before.bytes + 20, built.length - 20);
}
