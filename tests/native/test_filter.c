/* The packet filter: every step of tests/vectors/filter.json, and each sentence of protocol/filter.md §7 that is about packets. */
#include "filter_packets.h"
#include "tn_bytes.h"
#include "vectors_filter.h"

#define SETS (sizeof filter_sets / sizeof filter_sets[0])

struct holders {
	const struct filter_holder *list;
	size_t count;
};

static bool holds(void *context, const uint8_t address[16], uint16_t capability)
{
	const struct holders *holders = context;
	for (size_t i = 0; i < holders->count; i++)
		if (holders->list[i].capability == capability && memcmp(holders->list[i].address, address, 16) == 0)
			return true;
	return false;
}

/** Runs all steps of a set, unless it needs more flows than the table holds. @return packets judged */
static size_t run_set(const struct tn_vector *set, const struct filter_block *blocks, const struct filter_set *data)
{
	static struct tn_flows flows;
	struct tn_filter filter;
	const struct tn_vector *steps = tn_vector_get(set, "steps");
	struct holders holders = {data->holders, data->holder_count};
	size_t judged = 0, wrong = 0;
	if (tn_vector_number(tn_vector_get(set, "flowCapacityNeeded")) > TN_FLOWS_MAX)
		return 0;
	tn_flows_init(&flows, 7);
	tn_filter_init(&filter, &flows);
	TEST_VECTOR(tn_vector_get(set, "name")->text);
	CHECK_EQ(tn_filter_install(&filter, blocks->bytes, blocks->length, blocks->shields_up), 0);
	for (size_t i = 0; i < steps->count; i++) {
		const struct tn_vector *step = &steps->items[i];
		if (tn_vector_is(tn_vector_get(step, "op"), "filter")) {
			blocks++;
			CHECK_EQ(tn_filter_install(&filter, blocks->bytes, blocks->length, blocks->shields_up), 0);
			continue;
		}
		static uint8_t bytes[65536];
		struct tn_packet packet;
		TEST_VECTOR(tn_vector_get(step, "note")->text);
		const size_t length = tn_vector_hex(tn_vector_get(step, "packet"), bytes, sizeof bytes);
		if (!CHECK(length != SIZE_MAX))
			continue;
		tn_packet_parse(&packet, bytes, length);
		const bool is_in = tn_vector_is(tn_vector_get(step, "dir"), "in");
		const enum tn_verdict verdict = is_in ? tn_filter_in(&filter, &packet, holds, &holders) : tn_filter_out(&filter, &packet);
		const bool wanted = tn_vector_is(tn_vector_get(step, "verdict"), "accept");
		judged++;
		if ((verdict == TN_ACCEPT) == wanted)
			continue;
		/* We may be stricter where the vectors say so, and where a header length below 20 is: one step with that (a later fragment) is not marked. */
		const bool is_lenient = tn_vector_true(tn_vector_get(step, "lenient")) || (length > 0 && bytes[0] >> 4 == 4 && (bytes[0] & 15) < 5);
		if (verdict == TN_DROP && is_lenient)
			continue;
		CHECK(verdict == (wanted ? TN_ACCEPT : TN_DROP));
		if (wrong++ < 5)
			printf("# %s step %zu: %s %s (%s): got %s\n", tn_vector_get(set, "name")->text, i, tn_vector_get(step, "dir")->text,
			       tn_vector_get(step, "note")->text, tn_vector_get(step, "why")->text, verdict == TN_ACCEPT ? "accept" : "drop");
	}
	return judged;
}

TN_VECTOR_TEST("filter", "every packet of the filter vectors gets upstream's verdict")
{
	const struct tn_vector *sets = tn_vector_get(&tn_vectors_filter, "sets");
	size_t judged = 0;
	REQUIRE(sets->count == SETS);
	for (size_t i = 0; i < SETS; i++)
		judged += run_set(&sets->items[i], filter_sets[i].blocks, &filter_sets[i]);
	CHECK_COMMITTED(judged == 2623 || TN_FLOWS_MAX < 512);
}

TN_VECTOR_TEST("filter", "[filter 11] rule order and chunk order change no verdict")
{
	const struct tn_vector *sets = tn_vector_get(&tn_vectors_filter, "sets");
	REQUIRE(sets->count == SETS);
	for (size_t i = 0; i < SETS; i++)
		run_set(&sets->items[i], filter_sets[i].shuffled, &filter_sets[i]);
}

/* ---- Rules ---- */

TN_TEST("[filter 1] absent, null and empty IPProto mean 6, 17, 1, 58; SCTP needs 132 listed")
{
	const struct filter_block *same[] = {&filter_block_all, &filter_block_all_null_list, &filter_block_all_empty_list};
	for (size_t i = 0; i < 3; i++) {
		use(same[i]);
		CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_ACCEPT);
		CHECK_EQ(in(udp(4, 22)), TN_ACCEPT);
		CHECK_EQ(in(icmp(4, 8, 0, 8)), TN_ACCEPT);
		CHECK_EQ(in(icmp(6, 128, 0, 8)), TN_ACCEPT);
		CHECK_EQ(in(plain(4, 58, 8)), TN_ACCEPT);
		CHECK_EQ(in(sctp(4, 22)), TN_DROP);
		CHECK_EQ(in(plain(4, 47, 8)), TN_DROP);
	}
	use(&filter_block_sctp);
	CHECK_EQ(in(sctp(4, 22)), TN_ACCEPT);
	CHECK_EQ(in(sctp(6, 22)), TN_ACCEPT);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_DROP);
}

TN_TEST("[filter 2] IPProto `[300]` serves nothing but ICMP; numbers outside 0..255 beside valid ones are ignored")
{
	use(&filter_block_protocol_300);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_DROP);
	CHECK_EQ(in(udp(6, 22)), TN_DROP);
	CHECK_EQ(in(plain(4, 44, 8)), TN_DROP); /* 300 - 256 */
	CHECK_EQ(in(icmp(4, 8, 0, 8)), TN_ACCEPT);
	CHECK_EQ(in(icmp(6, 128, 0, 8)), TN_ACCEPT);
	use(&filter_block_protocol_17_and_300);
	CHECK_EQ(in(udp(4, 22)), TN_ACCEPT);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_DROP);
	CHECK_EQ(in(plain(4, 44, 8)), TN_DROP);
}

TN_TEST("[filter 3] `*` covers both families; `a-b`, CIDR, single IP and `cap:` work in SrcIPs")
{
	use(&filter_block_all);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_ACCEPT);
	CHECK_EQ(in(tcp(6, TN_TCP_SYN, 22)), TN_ACCEPT);
	use(&filter_block_forms);
	static const struct {
		const char *source;
		bool accepted;
	} cases[] = {
	    {"64400100", true},
	    {"644001ff", true},
	    {"64400200", false},
	    {"64400204", false},
	    {"64400205", true},
	    {"64400209", true},
	    {"6440020a", false},
	    {"64400300", false},
	    {"64400301", true},
	    {"64400302", false},
	    {"64400002", false},
	    {"fd000001ffffffffffffffffffffffff", true},
	    {"fd000002000000000000000000000000", false},
	    {"fd000002000000000000000000000004", false},
	    {"fd000002000000000000000000000005", true},
	    {"fd000002000000000000000000000008", true},
	    {"fd000002000000000000000000000009", true},
	    {"fd00000200000000000000000000000a", false},
	    {"fd000003000000000000000000000001", true},
	    {"fd000003000000000000000000000002", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const unsigned version = strlen(cases[i].source) == 8 ? 4 : 6;
		CHECK_EQ(in(from(tcp(version, TN_TCP_SYN, 22), cases[i].source)), cases[i].accepted ? TN_ACCEPT : TN_DROP);
	}
	capability_holder = "64400002";
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_ACCEPT);
	CHECK_EQ(in(tcp(6, TN_TCP_SYN, 22)), TN_DROP);
}

TN_TEST("[filter 8] absent Ports means port 0 only; First > Last matches no port; both ends are inclusive")
{
	use(&filter_block_no_ports);
	CHECK_EQ(in(udp(4, 0)), TN_ACCEPT);
	CHECK_EQ(in(udp(4, 1)), TN_DROP);
	use(&filter_block_reversed_ports);
	for (uint16_t port = 19; port <= 31; port++)
		CHECK_EQ(in(udp(4, port)), TN_DROP);
	CHECK_EQ(in(icmp(4, 8, 0, 8)), TN_ACCEPT);
	use(&filter_block_some_ports);
	for (uint16_t port = 19; port <= 31; port++) {
		CHECK_EQ(in(tcp(4, TN_TCP_SYN, port)), port >= 20 && port <= 30 ? TN_ACCEPT : TN_DROP);
		CHECK_EQ(in(udp(6, port)), port >= 20 && port <= 30 ? TN_ACCEPT : TN_DROP);
	}
}

TN_TEST("[filter 9] a rule with v4 sources and v6 destinations accepts nothing")
{
	use(&filter_block_from_v4_to_v6);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_DROP);
	CHECK_EQ(in(tcp(6, TN_TCP_SYN, 22)), TN_DROP);
	CHECK_EQ(in(icmp(4, 8, 0, 8)), TN_DROP);
	CHECK_EQ(in(icmp(6, 128, 0, 8)), TN_DROP);
}

TN_TEST("[filter 10] a v4-mapped source entry never matches an IPv4 packet")
{
	use(&filter_block_from_mapped);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_DROP);
	CHECK_EQ(in(from(tcp(6, TN_TCP_SYN, 22), "00000000000000000000ffff64400002")), TN_ACCEPT);
}

/* ---- Inbound ---- */

TN_TEST("[filter 16] before the first map only later fragments pass")
{
	use(NULL);
	CHECK_EQ(in(fragment(10)), TN_ACCEPT);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_DROP);
	CHECK_EQ(in(tcp(4, TN_TCP_ACK, 22)), TN_DROP);
	CHECK_EQ(in(icmp(4, 0, 0, 8)), TN_DROP);
	CHECK_EQ(in(plain(4, 99, 9)), TN_DROP);
	CHECK_EQ(in(udp(6, 53)), TN_DROP);
}

TN_TEST("[filter 17] nothing but later fragments reaches a non-local destination, incl. TSMP, ICMP errors, ACKs")
{
	use(&filter_block_all);
	CHECK_EQ(in(to(fragment(10), "64400063")), TN_ACCEPT);
	CHECK_EQ(in(to(tcp(4, TN_TCP_SYN, 22), "64400063")), TN_DROP);
	CHECK_EQ(in(to(tcp(4, TN_TCP_ACK, 22), "64400063")), TN_DROP);
	CHECK_EQ(in(to(icmp(4, 3, 1, 36), "64400063")), TN_DROP);
	CHECK_EQ(in(to(plain(4, 99, 9), "64400063")), TN_DROP);
	CHECK_EQ(in(to(tcp(6, TN_TCP_ACK, 22), "fd7a115ca1e000000000000000000063")), TN_DROP);
	/* Known flows neither. */
	CHECK_EQ(out(to(from(udp(4, 5000), "64400063"), "64400002")), TN_ACCEPT);
	CHECK_EQ(in(to(udp_ports(4, 5000, 5000), "64400063")), TN_DROP);
}

TN_TEST("[filter 18] a bare SYN needs a rule; SYN-ACK, ACK, RST, FIN, null flags pass to local without one; SYN+FIN and SYN+RST need one")
{
	static const uint8_t pass[] = {TN_TCP_SYN | TN_TCP_ACK, TN_TCP_ACK, TN_TCP_RST, TN_TCP_FIN, 0, 0x29, TN_TCP_FIN | TN_TCP_ACK};
	static const uint8_t need[] = {TN_TCP_SYN, TN_TCP_SYN | TN_TCP_FIN, TN_TCP_SYN | TN_TCP_RST, TN_TCP_SYN | 0x28};
	for (unsigned version = 4; version <= 6; version += 2) {
		use(&filter_block_nothing);
		for (size_t i = 0; i < sizeof pass; i++)
			CHECK_EQ(in(tcp(version, pass[i], 22)), TN_ACCEPT);
		for (size_t i = 0; i < sizeof need; i++)
			CHECK_EQ(in(tcp(version, need[i], 22)), TN_DROP);
		use(&filter_block_tcp_22);
		for (size_t i = 0; i < sizeof need; i++) {
			CHECK_EQ(in(tcp(version, need[i], 22)), TN_ACCEPT);
			CHECK_EQ(in(tcp(version, need[i], 23)), TN_DROP);
		}
	}
}

TN_TEST("[filter 19] ECE/CWR bits do not turn a SYN into a non-SYN")
{
	use(&filter_block_nothing);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN | 0xc0, 22)), TN_DROP);
	use(&filter_block_tcp_22);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN | 0xc0, 22)), TN_ACCEPT);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN | 0xc0, 23)), TN_DROP);
}

TN_TEST("[filter 20] echo reply with code 0 passes, with code 1 needs a rule; 8 bytes are needed")
{
	use(&filter_block_nothing);
	CHECK_EQ(in(icmp(4, 0, 0, 8)), TN_ACCEPT);
	CHECK_EQ(in(icmp(4, 0, 1, 8)), TN_DROP);
	CHECK_EQ(in(icmp(4, 0, 0, 7)), TN_DROP);
	CHECK_EQ(in(icmp(6, 129, 0, 8)), TN_ACCEPT);
	CHECK_EQ(in(icmp(6, 129, 1, 8)), TN_DROP);
	CHECK_EQ(in(icmp(6, 129, 0, 7)), TN_DROP);
	use(&filter_block_tcp_22);
	CHECK_EQ(in(icmp(4, 0, 1, 8)), TN_ACCEPT);
	CHECK_EQ(in(icmp(6, 129, 0, 4)), TN_ACCEPT);
}

TN_TEST("[filter 21] v4 errors 3, 11, 18 pass; 12 and 5 need a rule; v6 errors 1-4 pass, ND and MLD need a rule (and a unicast destination)")
{
	for (unsigned type = 0; type < 256; type++) {
		use(&filter_block_nothing);
		CHECK_EQ(in(icmp(4, (uint8_t)type, 0, 36)), type == 0 || type == 3 || type == 11 || type == 18 ? TN_ACCEPT : TN_DROP);
		CHECK_EQ(in(icmp(6, (uint8_t)type, 0, 36)), type == 129 || (type >= 1 && type <= 4) ? TN_ACCEPT : TN_DROP);
		use(&filter_block_tcp_22);
		CHECK_EQ(in(icmp(4, (uint8_t)type, 0, 36)), TN_ACCEPT);
		CHECK_EQ(in(icmp(6, (uint8_t)type, 0, 36)), TN_ACCEPT);
	}
	use(&filter_block_all_everywhere);
	CHECK_EQ(in(to(icmp(6, 135, 0, 24), "ff0200000000000000000001ff000001")), TN_DROP);
}

TN_TEST("[filter 22] any rule for source and destination opens ICMP whatever its ports and protocols")
{
	const struct filter_block *blocks[] = {&filter_block_tcp_22, &filter_block_udp_53, &filter_block_protocol_300, &filter_block_reversed_ports};
	for (size_t i = 0; i < 4; i++) {
		use(blocks[i]);
		CHECK_EQ(in(icmp(4, 8, 0, 8)), TN_ACCEPT);
		CHECK_EQ(in(icmp(6, 128, 0, 8)), TN_ACCEPT);
	}
	use(&filter_block_tcp_22);
	CHECK_EQ(in(from(icmp(4, 8, 0, 8), "64400003")), TN_DROP);
}

TN_TEST("[filter 23] a `cap:` source opens ICMP to every local address of a family where that rule has a destination")
{
	use(&filter_block_capability_v4);
	CHECK_EQ(in(icmp(4, 8, 0, 8)), TN_DROP);
	capability_holder = "64400002";
	CHECK_EQ(in(icmp(4, 8, 0, 8)), TN_ACCEPT);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 1)), TN_DROP);
	CHECK_EQ(in(to(icmp(4, 8, 0, 8), "c0000201")), TN_DROP); /* not local */
	capability_holder = "fd7a115ca1e000000000000000000002";
	CHECK_EQ(in(icmp(6, 128, 0, 8)), TN_DROP);
}

TN_TEST("[filter 24] other protocols need the number listed and ports 0..65535, and ignore `cap:` sources")
{
	use(&filter_block_gre_all_ports);
	CHECK_EQ(in(plain(4, 47, 8)), TN_ACCEPT);
	CHECK_EQ(in(plain(6, 47, 0)), TN_ACCEPT);
	CHECK_EQ(in(plain(4, 50, 8)), TN_DROP);
	use(&filter_block_gre_some_ports);
	CHECK_EQ(in(plain(4, 47, 8)), TN_DROP);
	use(&filter_block_gre_capability);
	capability_holder = "64400002";
	CHECK_EQ(in(plain(4, 47, 8)), TN_DROP);
}

TN_TEST("[filter 25] IPv4 protocol 58 and IPv6 protocol 1 pass under a default-list all-ports rule, and get no reply/error privilege")
{
	use(&filter_block_all);
	CHECK_EQ(in(icmp_as(4, 58, 128, 0, 8)), TN_ACCEPT);
	CHECK_EQ(in(icmp_as(6, 1, 8, 0, 8)), TN_ACCEPT);
	use(&filter_block_nothing);
	CHECK_EQ(in(icmp_as(4, 58, 129, 0, 8)), TN_DROP);
	CHECK_EQ(in(icmp_as(4, 58, 1, 0, 8)), TN_DROP);
	CHECK_EQ(in(icmp_as(6, 1, 0, 0, 8)), TN_DROP);
	CHECK_EQ(in(icmp_as(6, 1, 3, 0, 8)), TN_DROP);
}

TN_TEST("[filter 26] IPv6 hop-by-hop drops always; fragment/routing/dst-options headers are \"other\" by their number")
{
	use(&filter_block_many_protocols);
	CHECK_EQ(in(plain(6, 0, 16)), TN_DROP);
	CHECK_EQ(in(plain(6, 43, 16)), TN_ACCEPT);
	CHECK_EQ(in(plain(6, 44, 16)), TN_ACCEPT);
	CHECK_EQ(in(plain(6, 60, 16)), TN_ACCEPT);
	CHECK_EQ(in(plain(6, 59, 16)), TN_DROP);
	use(&filter_block_all);
	CHECK_EQ(in(plain(6, 44, 16)), TN_DROP);
}

TN_TEST("[filter 27] TSMP needs 7 bytes and no MF, and then passes to local without rule")
{
	use(&filter_block_nothing);
	CHECK_EQ(in(plain(4, 99, 7)), TN_ACCEPT);
	CHECK_EQ(in(plain(6, 99, 7)), TN_ACCEPT);
	CHECK_EQ(in(plain(4, 99, 6)), TN_DROP);
	CHECK_EQ(in(plain(6, 99, 6)), TN_DROP);
	CHECK_EQ(in(fragmented(plain(4, 99, 9), 0x2000)), TN_DROP);
}

TN_TEST("[filter 28] v4 offsets 1..9 drop, >= 10 pass whatever the rest; offset 0 with MF is filtered as usual")
{
	use(&filter_block_all_everywhere);
	for (uint16_t offset = 1; offset <= 9; offset++)
		CHECK_EQ(in(fragment(offset)), TN_DROP);
	CHECK_EQ(in(fragmented(tcp(4, TN_TCP_SYN, 22), 0x2000)), TN_ACCEPT);
	use(&filter_block_nothing);
	CHECK_EQ(in(fragment(10)), TN_ACCEPT);
	CHECK_EQ(in(fragment(0x1fff)), TN_ACCEPT);
	CHECK_EQ(in(fragmented(fragment(10), 0x200a)), TN_ACCEPT);
	CHECK_EQ(in(fragmented(tcp(4, TN_TCP_SYN, 22), 0x2000)), TN_DROP);
	CHECK_EQ(in(fragmented(tcp(4, TN_TCP_ACK, 22), 0x2000)), TN_ACCEPT);
}

TN_TEST("[filter 29] truncated packets (len < L) drop, trailing bytes do not")
{
	for (unsigned version = 4; version <= 6; version += 2) {
		use(&filter_block_all);
		const struct built packet = udp(version, 22);
		for (size_t length = 1; length < packet.length; length++)
			CHECK_EQ(in(cut(packet, length)), TN_DROP);
		CHECK_EQ(in(packet), TN_ACCEPT);
		CHECK_EQ(in(cut(packet, packet.length + 16)), TN_ACCEPT);
	}
}

TN_TEST("[filter 30] v4 options move the transport header; IHL beyond L drops")
{
	use(&filter_block_tcp_22);
	CHECK_EQ(in(with_options(tcp(4, TN_TCP_SYN, 22), 40)), TN_ACCEPT);
	CHECK_EQ(in(with_options(tcp(4, TN_TCP_SYN, 23), 40)), TN_DROP);
	struct built packet = udp(4, 53);
	packet.bytes[0] = 0x4f;
	CHECK_EQ(in(packet), TN_DROP);
}

TN_TEST("an IPv4 header length below 20 bytes drops, in both directions")
{
	use(&filter_block_all_everywhere);
	for (uint8_t words = 0; words < 5; words++) {
		struct built packet = tcp(4, TN_TCP_ACK, 22);
		packet.bytes[0] = (uint8_t)(0x40 | words);
		CHECK_EQ(in(packet), TN_DROP);
		CHECK_EQ(out(packet), TN_DROP);
	}
}

TN_TEST("[filter 31] too-short TCP (19), UDP (7), SCTP (11), IGMP (7), ICMP (3) drop even under allow-all")
{
	static const struct {
		uint8_t protocol;
		size_t needed;
	} cases[] = {{6, 20}, {17, 8}, {132, 12}, {2, 8}, {1, 4}};
	use(&filter_block_many_protocols);
	for (size_t i = 0; i < 5; i++) {
		CHECK_EQ(in(plain(4, cases[i].protocol, cases[i].needed)), TN_ACCEPT);
		CHECK_EQ(in(plain(4, cases[i].protocol, cases[i].needed - 1)), TN_DROP);
		CHECK_EQ(out(plain(4, cases[i].protocol, cases[i].needed - 1)), TN_DROP);
	}
	CHECK_EQ(in(plain(6, 58, 3)), TN_DROP);
	CHECK_EQ(in(plain(6, 58, 4)), TN_ACCEPT);
}

TN_TEST("[filter 32] multicast and link-local destinations drop in both directions, also v4-mapped; 169.254.169.254 passes outbound")
{
	static const char *const never[] = {"e0000001",
	                                    "efffffff",
	                                    "a9fe0101",
	                                    "ff020000000000000000000000000001",
	                                    "fe800000000000000000000000000001",
	                                    "febfffffffffffffffffffffffffffff",
	                                    "00000000000000000000ffffe00000fb",
	                                    "00000000000000000000ffffa9fe0101",
	                                    "00000000000000000000ffffa9fea9fe"};
	use(&filter_block_all_everywhere);
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
		const unsigned version = strlen(never[i]) == 8 ? 4 : 6;
		CHECK_EQ(in(to(udp(version, 53), never[i])), TN_DROP);
		CHECK_EQ(out(to(udp(version, 53), never[i])), TN_DROP);
	}
	CHECK_EQ(in(to(fragment(10), "e0000001")), TN_DROP);
	CHECK_EQ(out(to(udp(4, 53), "a9fea9fe")), TN_ACCEPT);
	CHECK_EQ(in(to(udp(4, 53), "a9fea9fe")), TN_ACCEPT);
	use(&filter_block_all);
	CHECK_EQ(in(to(udp(4, 53), "a9fea9fe")), TN_DROP);
}

TN_TEST("[filter 33] protocol 0 and 255 always drop; version 0, 5, 15 drop; 1..19 bytes drop; 0 bytes accept")
{
	use(&filter_block_protocol_0_and_255);
	CHECK_EQ(in(plain(4, 0, 20)), TN_DROP);
	CHECK_EQ(in(plain(4, 255, 20)), TN_DROP);
	CHECK_EQ(in(plain(6, 255, 20)), TN_DROP);
	CHECK_EQ(out(plain(4, 255, 20)), TN_DROP);
	use(&filter_block_all_everywhere);
	for (unsigned version = 0; version < 16; version++) {
		struct built packet = udp(6, 53);
		packet.bytes[0] = (uint8_t)(version << 4);
		if (version != 4 && version != 6) {
			CHECK_EQ(in(packet), TN_DROP);
			CHECK_EQ(out(packet), TN_DROP);
		}
	}
	for (size_t length = 1; length < 20; length++) {
		CHECK_EQ(in(cut(udp(4, 53), length)), TN_DROP);
		CHECK_EQ(out(cut(udp(4, 53), length)), TN_DROP);
	}
	CHECK_EQ(in(cut(udp(4, 53), 0)), TN_ACCEPT);
	CHECK_EQ(out(cut(udp(4, 53), 0)), TN_ACCEPT);
}

/* ---- The same in the words of protocol/control.md §13 ---- */

TN_TEST("[control 26] with no filter nothing inbound is accepted except replies, ICMP errors and TSMP")
{
	use(&filter_block_nothing);
	for (unsigned version = 4; version <= 6; version += 2) {
		CHECK_EQ(in(tcp(version, TN_TCP_SYN, 22)), TN_DROP);
		CHECK_EQ(in(udp(version, 53)), TN_DROP);
		CHECK_EQ(in(sctp(version, 53)), TN_DROP);
		CHECK_EQ(in(icmp(version, version == 4 ? 8 : 128, 0, 8)), TN_DROP);
		CHECK_EQ(in(plain(version, 47, 8)), TN_DROP);
		CHECK_EQ(in(tcp(version, TN_TCP_SYN | TN_TCP_ACK, 22)), TN_ACCEPT);
		CHECK_EQ(in(icmp(version, version == 4 ? 0 : 129, 0, 8)), TN_ACCEPT);
		CHECK_EQ(in(icmp(version, version == 4 ? 3 : 1, 0, 8)), TN_ACCEPT);
		CHECK_EQ(in(plain(version, 99, 9)), TN_ACCEPT);
	}
}

TN_TEST("[control 27] SSH-only rule: SYN to 22 passes, SYN to 80 drops, ping passes; a filter with all its lists gone blocks all")
{
	for (unsigned version = 4; version <= 6; version += 2) {
		const struct built ping = icmp(version, version == 4 ? 8 : 128, 0, 8);
		use(&filter_block_tcp_22);
		CHECK_EQ(in(tcp(version, TN_TCP_SYN, 22)), TN_ACCEPT);
		CHECK_EQ(in(tcp(version, TN_TCP_SYN, 80)), TN_DROP);
		CHECK_EQ(in(ping), TN_ACCEPT);
		CHECK_EQ(tn_filter_install(&own_filter, filter_block_nothing.bytes, filter_block_nothing.length, false), 0);
		CHECK_EQ(in(tcp(version, TN_TCP_SYN, 22)), TN_DROP);
		CHECK_EQ(in(ping), TN_DROP);
	}
}

TN_TEST("[control 28] `cap:` sources, ranges, CIDRs, `*`, IPProto lists and default protocols match; jailed peers cannot initiate")
{
	use(&filter_block_forms);
	CHECK_EQ(in(from(udp(4, 1), "64400133")), TN_ACCEPT);
	CHECK_EQ(in(from(udp(4, 1), "64400207")), TN_ACCEPT);
	CHECK_EQ(in(from(udp(4, 1), "64400002")), TN_DROP);
	capability_holder = "64400002";
	CHECK_EQ(in(from(udp(4, 1), "64400002")), TN_ACCEPT);
	CHECK_EQ(in(from(sctp(4, 1), "64400133")), TN_DROP);
	use(&filter_block_sctp);
	CHECK_EQ(in(sctp(4, 1)), TN_ACCEPT);
	/* The filter for jailed peers: the same block, shields up. */
	use(NULL);
	CHECK_EQ(tn_filter_install(&own_filter, filter_block_all.bytes, filter_block_all.length, true), 0);
	CHECK_EQ(in(tcp(4, TN_TCP_SYN, 22)), TN_DROP);
	CHECK_EQ(in(udp(4, 53)), TN_DROP);
	CHECK_EQ(in(tcp(4, TN_TCP_ACK, 22)), TN_ACCEPT);
}
