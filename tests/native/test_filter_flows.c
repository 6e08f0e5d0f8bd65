/* Flows of the packet filter and what a new filter does to them (protocol/filter.md §4, §7). */
#include "filter_packets.h"
#include "tn_bytes.h"

#define US "64400001"
#define PEER "64400002"

/** The same packet in the other direction. */
static struct built reversed(struct built packet)
{
	struct built result = packet;
	const bool is4 = packet.bytes[0] >> 4 == 4;
	const size_t at = is4 ? 12 : 8, size = is4 ? 4 : 16;
	memcpy(result.bytes + at, packet.bytes + at + size, size);
	memcpy(result.bytes + at + size, packet.bytes + at, size);
	uint8_t *transport = transport_of(&result);
	const uint8_t *before = transport_of(&packet);
	memcpy(transport, before + 2, 2);
	memcpy(transport + 2, before, 2);
	return result;
}

static void install(const struct filter_block *block, bool shields_up)
{
	CHECK_EQ(tn_filter_install(&own_filter, block->bytes, block->length, shields_up), 0);
}

TN_TEST("[filter 34] UDP out opens exactly the reversed 5-tuple, SCTP too; TCP and ICMP out record nothing")
{
	for (unsigned version = 4; version <= 6; version += 2) {
		const struct built answer = udp_ports(version, 53, 4000);
		use(&filter_block_nothing);
		CHECK_EQ(in(answer), TN_DROP);
		CHECK_EQ(out(reversed(answer)), TN_ACCEPT);
		CHECK_EQ(in(answer), TN_ACCEPT);
		CHECK_EQ(in(udp_ports(version, 54, 4000)), TN_DROP);
		CHECK_EQ(in(udp_ports(version, 53, 4001)), TN_DROP);
		CHECK_EQ(in(from(answer, version == 4 ? "64400003" : "fd7a115ca1e000000000000000000003")), TN_DROP);
		CHECK_EQ(in(ports(plain(version, 132, 12), 53, 4000)), TN_DROP);
		CHECK_EQ(out(reversed(ports(plain(version, 132, 12), 53, 4000))), TN_ACCEPT);
		CHECK_EQ(in(ports(plain(version, 132, 12), 53, 4000)), TN_ACCEPT);
		CHECK_EQ(own_flows.count, 2);
		CHECK_EQ(out(reversed(tcp(version, TN_TCP_SYN, 22))), TN_ACCEPT);
		CHECK_EQ(out(reversed(icmp(version, 8, 0, 8))), TN_ACCEPT);
		CHECK_EQ(out(plain(version, 47, 8)), TN_ACCEPT);
		CHECK_EQ(own_flows.count, 2);
	}
}

TN_TEST("[filter 35] UDP in by rule creates no state")
{
	use(&filter_block_udp_53);
	CHECK_EQ(in(udp(4, 53)), TN_ACCEPT);
	CHECK_EQ(own_flows.count, 0);
	install(&filter_block_nothing, false);
	CHECK_EQ(in(udp(4, 53)), TN_DROP);
}

TN_TEST("[filter 36] entries survive a rule change, are lost when shields go up, are kept when they go down")
{
	const struct built answer = udp_ports(4, 53, 4000);
	use(&filter_block_all);
	CHECK_EQ(out(reversed(answer)), TN_ACCEPT);
	install(&filter_block_nothing, false);
	CHECK_EQ(in(answer), TN_ACCEPT);
	install(&filter_block_nothing, true);
	CHECK_EQ(in(answer), TN_DROP);
	CHECK_EQ(out(reversed(answer)), TN_ACCEPT);
	CHECK_EQ(in(answer), TN_ACCEPT);
	install(&filter_block_all, true);
	CHECK_EQ(in(answer), TN_ACCEPT);
	install(&filter_block_nothing, false);
	CHECK_EQ(in(answer), TN_ACCEPT);
	tn_filter_block_all(&own_filter);
	install(&filter_block_nothing, false);
	CHECK_EQ(in(answer), TN_DROP);
}

TN_TEST("[filter 37] at 513 the least recent goes; an inbound hit and a repeated outbound packet refresh")
{
	use(&filter_block_nothing);
	for (uint16_t i = 0; i < TN_FLOWS_MAX; i++)
		CHECK_EQ(out(reversed(udp_ports(4, 53, (uint16_t)(1000 + i)))), TN_ACCEPT);
	CHECK_EQ(own_flows.count, TN_FLOWS_MAX);
	CHECK_EQ(in(udp_ports(4, 53, 1000)), TN_ACCEPT);            /* 1000 is now younger than 1001 */
	CHECK_EQ(out(reversed(udp_ports(4, 53, 1001))), TN_ACCEPT); /* and so is 1001 */
	CHECK_EQ(in(udp_ports(4, 54, 1002)), TN_DROP);              /* a miss refreshes nothing */
	CHECK_EQ(out(reversed(udp_ports(4, 53, 9000))), TN_ACCEPT); /* number 513 */
	CHECK_EQ(in(udp_ports(4, 53, 1002)), TN_DROP);
	CHECK_EQ(in(udp_ports(4, 53, 9000)), TN_ACCEPT);
	for (uint16_t i = 0; i < TN_FLOWS_MAX; i++)
		if (i != 2)
			CHECK_EQ(in(udp_ports(4, 53, (uint16_t)(1000 + i))), TN_ACCEPT);
	CHECK_EQ(own_flows.count, TN_FLOWS_MAX);
}

TN_TEST("[filter 38] dropped outbound packets and later fragments record nothing; first fragments do")
{
	use(&filter_block_nothing);
	CHECK_EQ(out(to(reversed(udp(4, 53)), "e00000fb")), TN_DROP);
	CHECK_EQ(out(reversed(fragment(10))), TN_ACCEPT);
	CHECK_EQ(own_flows.count, 0);
	CHECK_EQ(out(fragmented(reversed(udp_ports(4, 53, 4000)), 0x2000)), TN_ACCEPT);
	CHECK_EQ(own_flows.count, 1);
	CHECK_EQ(in(udp_ports(4, 53, 4000)), TN_ACCEPT);
}

TN_TEST("[filter 39] the jailed filter has its own table; shields-up and jailed accept replies but no SYN, echo request or unsolicited UDP")
{
	static struct tn_flows jailed_flows;
	struct tn_filter jailed;
	const struct built answer = udp_ports(4, 53, 4000), question = reversed(answer);
	use(&filter_block_all);
	tn_flows_init(&jailed_flows, 2);
	tn_filter_init(&jailed, &jailed_flows);
	CHECK_EQ(tn_filter_install(&jailed, filter_block_all.bytes, filter_block_all.length, true), 0);
	struct tn_packet packet;

	tn_packet_parse(&packet, question.bytes, question.length);
	CHECK_EQ(tn_filter_out(&own_filter, &packet), TN_ACCEPT);
	tn_packet_parse(&packet, answer.bytes, answer.length);
	CHECK_EQ(tn_filter_in(&jailed, &packet, NULL, NULL), TN_DROP);
	tn_packet_parse(&packet, question.bytes, question.length);
	CHECK_EQ(tn_filter_out(&jailed, &packet), TN_ACCEPT);
	tn_packet_parse(&packet, answer.bytes, answer.length);
	CHECK_EQ(tn_filter_in(&jailed, &packet, NULL, NULL), TN_ACCEPT);
	/* A new netmap keeps the jailed flows. */
	CHECK_EQ(tn_filter_install(&jailed, filter_block_nothing.bytes, filter_block_nothing.length, true), 0);
	CHECK_EQ(tn_filter_in(&jailed, &packet, NULL, NULL), TN_ACCEPT);

	install(&filter_block_all, true);
	capability_holder = PEER;
	for (unsigned version = 4; version <= 6; version += 2) {
		CHECK_EQ(in(tcp(version, TN_TCP_SYN, 22)), TN_DROP);
		CHECK_EQ(in(icmp(version, version == 4 ? 8 : 128, 0, 8)), TN_DROP);
		CHECK_EQ(in(udp(version, 53)), TN_DROP);
		CHECK_EQ(in(plain(version, 47, 8)), TN_DROP);
		CHECK_EQ(in(tcp(version, TN_TCP_SYN | TN_TCP_ACK, 22)), TN_ACCEPT);
		CHECK_EQ(in(icmp(version, version == 4 ? 0 : 129, 0, 8)), TN_ACCEPT);
		CHECK_EQ(in(plain(version, 99, 9)), TN_ACCEPT);
	}
	CHECK_EQ(in(fragment(10)), TN_ACCEPT);
}

TN_TEST("shields up withholds capability rules too")
{
	use(&filter_block_capability_v4);
	install(&filter_block_capability_v4, true);
	capability_holder = PEER;
	CHECK_EQ(in(icmp(4, 8, 0, 8)), TN_DROP);
}

TN_TEST("flows behave as a list of 512 kept in order of use")
{
	/* The model: tuples in an array, youngest last. */
	static uint32_t model[TN_FLOWS_MAX];
	static struct tn_flows flows;
	size_t count = 0;
	uint8_t source[16] = {0}, destination[16] = {0};
	tn_flows_init(&flows, 99);
	for (unsigned round = 0; round < 60000; round++) {
		const uint32_t tuple = tn_test_random_below(700);
		const bool insert = tn_test_random_below(2) != 0;
		source[15] = (uint8_t)(tuple % 7);
		destination[3] = (uint8_t)(tuple % 5);
		size_t at = 0;
		while (at < count && model[at] != tuple)
			at++;
		const bool known = at < count;
		if (!insert) {
			CHECK_EQ(tn_flows_touch(&flows, 17, source, (uint16_t)tuple, destination, 53), known);
			if (!known)
				continue;
		} else {
			tn_flows_insert(&flows, 17, source, (uint16_t)tuple, destination, 53);
			if (!known && count == TN_FLOWS_MAX)
				at = 0;
		}
		if (known || (insert && count == TN_FLOWS_MAX)) {
			memmove(model + at, model + at + 1, (count - at - 1) * sizeof model[0]);
			count--;
		}
		model[count++] = tuple;
		CHECK_EQ(flows.count, count);
	}
}

TN_TEST("a refused block leaves nothing of the old rules and nothing of the new")
{
	static uint8_t bad[4096];
	use(&filter_block_all);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_ACCEPT);
	memcpy(bad, filter_block_all.bytes, filter_block_all.length);
	bad[filter_block_all.length - 1] ^= 1; /* a local network's prefix length */
	CHECK_EQ(tn_filter_install(&own_filter, bad, filter_block_all.length, false), -1);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_DROP);
	CHECK_EQ(in(tcp(4, TN_TCP_ACK, 22)), TN_DROP);
	CHECK_EQ(in(fragment(10)), TN_ACCEPT);
}

TN_TEST("a block cut anywhere, or longer than it says, is refused")
{
	static uint8_t block[8192];
	const struct filter_block *blocks[] = {&filter_block_all, &filter_block_forms, &filter_block_capability_v4, &filter_block_nothing};
	for (size_t i = 0; i < 4; i++) {
		memcpy(block, blocks[i]->bytes, blocks[i]->length);
		for (size_t length = 0; length < blocks[i]->length; length++) {
			uint8_t *exact = malloc(length ? length : 1);
			memcpy(exact, block, length);
			CHECK_EQ(tn_filter_check_block(exact, length), -1);
			if (length >= 8) {
				exact[4] = (uint8_t)length;
				exact[5] = (uint8_t)(length >> 8);
				CHECK_EQ(tn_filter_check_block(exact, length), -1);
			}
			free(exact);
		}
		CHECK_EQ(tn_filter_check_block(block, blocks[i]->length + 1), -1);
		CHECK_EQ(tn_filter_check_block(block, blocks[i]->length), 0);
	}
}

/* A block with one of everything: two sets, one destination a family, a class, two ranges, an address, two prefixes, three capability ids. */
enum {
	AT_SETS = 48,
	AT_DESTINATION4 = AT_SETS + 2 * 24,
	AT_DESTINATION6 = AT_DESTINATION4 + 16,
	AT_CLASS = AT_DESTINATION6 + 16,
	AT_RANGES = AT_CLASS + 32,
	AT_ADDRESS = AT_RANGES + 2 * 8,
	AT_PREFIXES = AT_ADDRESS + 16,
	AT_CAPABILITIES = AT_PREFIXES + 2 * 17,
	BLOCK_SIZE = AT_CAPABILITIES + 3 * 2,
};

static void make_block(uint8_t block[BLOCK_SIZE])
{
	static const uint32_t counts[8] = {2, 1, 1, 1, 2, 1, 2, 3};
	memset(block, 0, BLOCK_SIZE);
	memcpy(block, "TNF1", 4);
	tn_store32le(block + 4, BLOCK_SIZE);
	for (size_t i = 0; i < 8; i++)
		tn_store32le(block + 8 + 4 * i, counts[i]);
	tn_store16le(block + 40, 1);
	tn_store16le(block + 42, 1);
	uint8_t *set = block + AT_SETS + 24;
	tn_store32le(set + 4, 2);
	tn_store32le(set + 12, 2);
	tn_store32le(set + 16, 2);
	tn_store16le(set + 20, 1);
	tn_store32le(block + AT_DESTINATION4 + 4, 5);
	tn_store16le(block + AT_DESTINATION4 + 12, 1);
	tn_store32le(block + AT_DESTINATION6 + 4, 128);
	tn_store16le(block + AT_DESTINATION6 + 12, 1);
	tn_store32le(block + AT_RANGES, 10);
	tn_store32le(block + AT_RANGES + 4, 20);
	tn_store32le(block + AT_RANGES + 8, 21);
	tn_store32le(block + AT_RANGES + 12, 21);
	block[AT_PREFIXES] = 0x20;
	block[AT_PREFIXES + 16] = 12;
	block[AT_PREFIXES + 17] = 0x20;
	block[AT_PREFIXES + 18] = 0x10;
	block[AT_PREFIXES + 33] = 128;
}

TN_TEST("every count, index, order and prefix of a block is checked")
{
	static const struct {
		const char *what;
		size_t at, size;
		uint32_t value;
		int wanted;
	} cases[] = {
	    {"as it is", 0, 1, 'T', 0},
	    {"magic", 0, 1, 'U', -1},
	    {"last byte of the magic", 3, 1, '2', -1},
	    {"reserved field", 44, 4, 1, -1},
	    {"no source set", 8, 4, 0, -1},
	    {"a count that overflows 32 bits", 12, 4, 0x10000001, -1},
	    {"ids for ICMPv4", 40, 2, 2, 0},
	    {"more ids for ICMPv4 than there are", 40, 2, 3, -1},
	    {"more ids for ICMPv6 than there are", 42, 2, 3, -1},
	    {"a set's ranges begin outside", AT_SETS, 4, 3, -1},
	    {"an empty set at the end of the ranges", AT_SETS, 4, 2, 0},
	    {"a set's ranges end outside", AT_SETS + 24 + 4, 4, 3, -1},
	    {"a set's ranges begin late", AT_SETS + 24, 4, 1, -1},
	    {"a set's prefixes end outside", AT_SETS + 24 + 12, 4, 3, -1},
	    {"a set's prefixes begin outside", AT_SETS + 8, 4, 3, -1},
	    {"a set's count overflows", AT_SETS + 24 + 12, 4, 0xffffffff, -1},
	    {"a set's ids end outside", AT_SETS + 24 + 20, 2, 2, -1},
	    {"a set's ids begin outside", AT_SETS + 24 + 16, 4, 4, -1},
	    {"a destination's set", AT_DESTINATION4 + 12, 2, 2, -1},
	    {"a destination's class", AT_DESTINATION4 + 14, 1, 1, -1},
	    {"a destination that ends before it begins", AT_DESTINATION4, 4, 6, -1},
	    {"a destination of one address", AT_DESTINATION4, 4, 5, 0},
	    {"an IPv6 destination's address", AT_DESTINATION6, 4, 1, -1},
	    {"an IPv6 destination's length", AT_DESTINATION6 + 4, 4, 129, -1},
	    {"an IPv6 destination's set", AT_DESTINATION6 + 12, 2, 2, -1},
	    {"a range that ends before it begins", AT_RANGES + 8, 4, 22, -1},
	    {"ranges that touch in an address", AT_RANGES + 8, 4, 20, -1},
	    {"ranges out of order", AT_RANGES + 4, 4, 30, -1},
	    {"a prefix of 129 bits", AT_PREFIXES + 33, 1, 129, -1},
	    {"a prefix of 255 bits", AT_PREFIXES + 33, 1, 255, -1},
	    {"a host bit in the prefix's last byte", AT_PREFIXES + 1, 1, 1, -1},
	    {"a host bit behind it", AT_PREFIXES + 15, 1, 1, -1},
	    {"a prefix inside the one before", AT_PREFIXES + 18, 1, 0x0f, -1},
	    {"prefixes out of order", AT_PREFIXES + 17, 1, 0x1f, -1},
	    {"a shorter prefix before", AT_PREFIXES + 16, 1, 11, -1},
	    {"a longer prefix before", AT_PREFIXES + 16, 1, 13, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t *block = malloc(BLOCK_SIZE);
		make_block(block);
		for (size_t k = 0; k < cases[i].size; k++)
			block[cases[i].at + k] = (uint8_t)(cases[i].value >> (8 * k));
		if (!CHECK_EQ(tn_filter_check_block(block, BLOCK_SIZE), cases[i].wanted))
			printf("# %s\n", cases[i].what);
		free(block);
	}
}

TN_TEST("a block with any byte changed is refused or judged without reading outside")
{
	const struct built packets[] = {tcp(4, TN_TCP_SYN, 22), tcp(6, TN_TCP_SYN, 22), icmp(4, 8, 0, 8), icmp(6, 128, 0, 8), plain(4, 47, 8), plain(6, 47, 8)};
	for (unsigned round = 0; round < 4000; round++) {
		uint8_t *block = malloc(filter_block_forms.length);
		memcpy(block, filter_block_forms.bytes, filter_block_forms.length);
		for (unsigned i = 0; i <= round % 3; i++)
			block[tn_test_random_below((uint32_t)filter_block_forms.length)] = (uint8_t)tn_test_random();
		use(NULL);
		capability_holder = US;
		if (tn_filter_install(&own_filter, block, filter_block_forms.length, false) == 0)
			for (size_t i = 0; i < 6; i++)
				in(packets[i]);
		tn_filter_block_all(&own_filter);
		free(block);
	}
}
