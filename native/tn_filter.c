/* Evaluation of the packet filter, see tn_filter.h. Section numbers are those of protocol/filter.md. */
#include "tn_filter.h"

#include <string.h>

#include "tn_bytes.h"
#include "tn_filter_block.h"

#define SHORTEST_PACKET 20
#define LOCAL_NETWORKS 0 /* number of their source set */

/** What is asked of the rules about one packet. */
struct question {
	const struct tn_filter *filter;
	const struct tn_packet *packet;
	tn_has_capability has_capability;
	void *context;
	uint32_t destination4; /* as a number, when the packet is IPv4 */
};

static bool in_ranges4(const uint8_t *ranges, uint32_t count, uint32_t address)
{
	while (count > 0) {
		const uint8_t *middle = ranges + (size_t)(count / 2) * TN_FILTER_RANGE4_SIZE;
		if (address < tn_load32le(middle)) {
			count /= 2;
		} else if (address > tn_load32le(middle + 4)) {
			ranges = middle + TN_FILTER_RANGE4_SIZE;
			count -= count / 2 + 1;
		} else {
			return true;
		}
	}
	return false;
}

static bool in_prefixes6(const uint8_t *prefixes, uint32_t count, const uint8_t address[16])
{
	/* The prefixes are disjoint: only the last one that does not begin after the address can contain it. */
	uint32_t low = 0, high = count;
	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;
		if (memcmp(prefixes + (size_t)middle * TN_FILTER_PREFIX6_SIZE, address, 16) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	const uint8_t *prefix = prefixes + (size_t)(low - 1) * TN_FILTER_PREFIX6_SIZE;
	return tn_filter_in_prefix6(prefix, prefix[16], address);
}

static bool in_prefixes(const struct tn_filter *filter, uint32_t number, unsigned version, const uint8_t address[16])
{
	const uint8_t *set = filter->sets + (size_t)number * TN_FILTER_SET_SIZE;
	const uint16_t flags = tn_load16le(set + 22);
	if (version == 4) {
		return (flags & TN_FILTER_SET_ANY4) != 0 ||
		       in_ranges4(filter->ranges4 + (size_t)tn_load32le(set) * TN_FILTER_RANGE4_SIZE, tn_load32le(set + 4), tn_load32be(address + 12));
	}
	return (flags & TN_FILTER_SET_ANY6) != 0 ||
	       in_prefixes6(filter->prefixes6 + (size_t)tn_load32le(set + 8) * TN_FILTER_PREFIX6_SIZE, tn_load32le(set + 12), address);
}

static bool has_any_capability(const struct question *question, uint32_t first, uint32_t count)
{
	if (!question->has_capability)
		return false;
	const uint8_t *id = question->filter->capabilities + (size_t)first * TN_FILTER_CAPABILITY_SIZE;
	for (uint32_t i = 0; i < count; i++, id += TN_FILTER_CAPABILITY_SIZE)
		if (question->has_capability(question->context, question->packet->source, tn_load16le(id)))
			return true;
	return false;
}

static bool is_source(const struct question *question, uint32_t number, bool with_capabilities)
{
	if (in_prefixes(question->filter, number, question->packet->version, question->packet->source))
		return true;
	const uint8_t *set = question->filter->sets + (size_t)number * TN_FILTER_SET_SIZE;
	return with_capabilities && has_any_capability(question, tn_load32le(set + 16), tn_load16le(set + 20));
}

static bool is_destination(const struct question *question, const uint8_t *record)
{
	const uint32_t a = tn_load32le(record), b = tn_load32le(record + 4);
	if (question->packet->version == 4)
		return question->destination4 >= a && question->destination4 <= b;
	return tn_filter_in_prefix6(question->filter->addresses6 + (size_t)a * TN_FILTER_ADDRESS6_SIZE, b, question->packet->destination);
}

static bool serves_protocol(const struct question *question, const uint8_t *record)
{
	const uint8_t protocol = question->packet->protocol;
	const uint8_t *class = question->filter->classes + (size_t)record[14] * TN_FILTER_CLASS_SIZE;
	return (class[protocol / 8] >> (protocol % 8) & 1) != 0;
}

/** How much of a rule counts for a kind of packet. */
enum demand {
	WITH_PORT,   /* protocol, source, destination, port (TCP, UDP, SCTP) */
	ANY_PORT,    /* source prefixes, destination (ICMP, §3.5) */
	WHOLE_RANGE, /* protocol, source prefixes, destination with all ports (other protocols, §3.8) */
};

static bool meets(const struct question *question, const uint8_t *record, enum demand demand)
{
	const uint16_t first = tn_load16le(record + 8), last = tn_load16le(record + 10), port = question->packet->destination_port;
	if (demand == WITH_PORT && (port < first || port > last))
		return false;
	if (demand == WHOLE_RANGE && (first != 0 || last != 0xffff))
		return false;
	if (demand != ANY_PORT && !serves_protocol(question, record))
		return false;
	return is_destination(question, record);
}

static bool is_allowed(const struct question *question, enum demand demand)
{
	const struct tn_filter *filter = question->filter;
	const bool is4 = question->packet->version == 4;
	const uint8_t *record = is4 ? filter->destinations4 : filter->destinations6;
	const uint32_t count = is4 ? filter->destination4_count : filter->destination6_count;
	uint32_t refused = UINT32_MAX; /* destinations of a rule stand together: its sources are not searched again */
	for (uint32_t i = 0; i < count; i++, record += TN_FILTER_DESTINATION_SIZE) {
		const uint16_t set = tn_load16le(record + 12);
		if (set == refused || !meets(question, record, demand))
			continue;
		if (is_source(question, set, demand == WITH_PORT))
			return true;
		refused = set;
	}
	return false;
}

/** §3.5: capability sources open ICMP without a look at the destination. */
static bool is_icmp_allowed(const struct question *question)
{
	if (is_allowed(question, ANY_PORT))
		return true;
	const struct tn_filter *filter = question->filter;
	if (question->packet->version == 4)
		return has_any_capability(question, 0, filter->icmp4_count);
	return has_any_capability(question, filter->icmp4_count, filter->icmp6_count);
}

/** §3.2. @return true if *verdict is final */
static bool is_decided_early(const struct tn_packet *packet, enum tn_verdict *verdict)
{
	*verdict = TN_DROP;
	if (packet->present == 0) {
		*verdict = TN_ACCEPT;
		return true;
	}
	if (packet->present < SHORTEST_PACKET || packet->protocol == TN_PROTOCOL_UNKNOWN)
		return true;
	if (tn_packet_is_to_multicast(packet) || tn_packet_is_to_link_local(packet))
		return true;
	if (packet->protocol == TN_PROTOCOL_FRAGMENT) {
		*verdict = TN_ACCEPT;
		return true;
	}
	return false;
}

bool tn_filter_is_local(const struct tn_filter *filter, unsigned version, const uint8_t address[16])
{
	return filter->state != TN_FILTER_BLOCKS_ALL && in_prefixes(filter, LOCAL_NETWORKS, version, address);
}

enum tn_verdict tn_filter_in(struct tn_filter *filter, const struct tn_packet *packet, tn_has_capability has_capability, void *context)
{
	enum tn_verdict verdict;
	if (is_decided_early(packet, &verdict))
		return verdict;
	if (!tn_filter_is_local(filter, packet->version, packet->destination))
		return TN_DROP;
	const struct question question = {filter, packet, has_capability, context, tn_load32be(packet->destination + 12)};
	bool allowed;
	switch (packet->protocol) {
	case TN_PROTOCOL_TCP:
		allowed = !tn_packet_is_tcp_open(packet) || is_allowed(&question, WITH_PORT);
		break;
	case TN_PROTOCOL_UDP:
	case TN_PROTOCOL_SCTP:
		allowed = tn_flows_touch(filter->flows, packet->protocol, packet->source, packet->source_port, packet->destination, packet->destination_port) ||
		          is_allowed(&question, WITH_PORT);
		break;
	case TN_PROTOCOL_TSMP:
		allowed = true;
		break;
	default:
		if (tn_packet_is_icmp(packet))
			allowed = tn_packet_is_echo_reply(packet) || tn_packet_is_icmp_error(packet) || is_icmp_allowed(&question);
		else
			allowed = is_allowed(&question, WHOLE_RANGE);
		break;
	}
	return allowed ? TN_ACCEPT : TN_DROP;
}

enum tn_verdict tn_filter_out(struct tn_filter *filter, const struct tn_packet *packet)
{
	enum tn_verdict verdict;
	if (is_decided_early(packet, &verdict))
		return verdict;
	if (packet->protocol == TN_PROTOCOL_UDP || packet->protocol == TN_PROTOCOL_SCTP)
		tn_flows_insert(filter->flows, packet->protocol, packet->destination, packet->destination_port, packet->source, packet->source_port);
	return TN_ACCEPT;
}

void tn_filter_init(struct tn_filter *filter, struct tn_flows *flows)
{
	memset(filter, 0, sizeof *filter);
	filter->flows = flows;
	tn_filter_block_all(filter);
}

void tn_filter_block_all(struct tn_filter *filter)
{
	struct tn_flows *flows = filter->flows;
	memset(filter, 0, sizeof *filter);
	filter->flows = flows;
	filter->state = TN_FILTER_BLOCKS_ALL;
	tn_flows_clear(flows);
}

int tn_filter_install(struct tn_filter *filter, const uint8_t *block, size_t length, bool shields_up)
{
	struct tn_filter_tables tables;
	if (tn_filter_read_block(&tables, block, length) != 0) {
		tn_filter_block_all(filter);
		return -1;
	}
	/* §4: replies to flows of before must not pass once the shields went up. */
	if (shields_up && filter->state != TN_FILTER_SHIELDS_UP)
		tn_flows_clear(filter->flows);
	filter->state = shields_up ? TN_FILTER_SHIELDS_UP : TN_FILTER_RULES;
	filter->sets = tables.table[TN_FILTER_SETS];
	filter->destinations4 = tables.table[TN_FILTER_DESTINATIONS4];
	filter->destinations6 = tables.table[TN_FILTER_DESTINATIONS6];
	filter->classes = tables.table[TN_FILTER_CLASSES];
	filter->ranges4 = tables.table[TN_FILTER_RANGES4];
	filter->addresses6 = tables.table[TN_FILTER_ADDRESSES6];
	filter->prefixes6 = tables.table[TN_FILTER_PREFIXES6];
	filter->capabilities = tables.table[TN_FILTER_CAPABILITIES];
	/* Shields up is the same filter with no rule in it (§5.3). */
	filter->destination4_count = shields_up ? 0 : tables.count[TN_FILTER_DESTINATIONS4];
	filter->destination6_count = shields_up ? 0 : tables.count[TN_FILTER_DESTINATIONS6];
	filter->icmp4_count = shields_up ? 0 : tables.icmp4;
	filter->icmp6_count = shields_up ? 0 : tables.icmp6;
	return 0;
}
