/* TSMP messages against tests/vectors/tsmp.json: read, and made byte for byte. */
#include <arpa/inet.h>

#include "filter_packets.h"
#include "tn_bytes.h"
#include "tn_tsmp.h"
#include "vectors_disco.h"
#include "vectors_tsmp.h"

static struct built load(const struct tn_vector *vector)
{
	struct built built = {.length = 0};
	built.length = tn_vector_hex(tn_vector_get(vector, "packet"), built.bytes, sizeof built.bytes);
	CHECK(built.length != SIZE_MAX);
	return built;
}

/** The message whose name is, or begins with, that. */
static struct built named(const char *name)
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_tsmp, "messages");
	for (size_t i = 0; i < list->count; i++)
		if (strncmp(tn_vector_get(&list->items[i], "name")->text, name, strlen(name)) == 0)
			return load(&list->items[i]);
	CHECK(strcmp(name, "a name of the vectors") == 0);
	return (struct built){.length = 0};
}

/** "1.2.3.4:5" or "[1::2]:5" has that address and port. */
static void check_endpoint(const struct tn_vector *endpoint, const uint8_t address[16], uint16_t port)
{
	char text[64] = "";
	uint8_t ip4[4], wanted[16] = {0};
	const char *colon = strrchr(endpoint->text, ':');
	if (!CHECK(colon && (size_t)(colon - endpoint->text) < sizeof text))
		return;
	const bool is_bracketed = endpoint->text[0] == '[';
	memcpy(text, endpoint->text + is_bracketed, (size_t)(colon - endpoint->text) - 2 * is_bracketed);
	if (inet_pton(AF_INET, text, ip4) == 1)
		tn_address_from_ip4(wanted, ip4);
	else
		CHECK_EQ(inet_pton(AF_INET6, text, wanted), 1);
	CHECK_MEM(address, wanted, 16);
	CHECK_EQ(port, atoi(colon + 1));
}

TN_VECTOR_TEST("tsmp", "every TSMP message of the vectors is read as upstream reads it")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_tsmp, "messages");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		TEST_VECTOR(tn_vector_get(&list->items[i], "name")->text);
		const struct tn_vector *wanted = tn_vector_get(tn_vector_get(&list->items[i], "parsed"), "tsmp");
		const struct built built = load(&list->items[i]);
		struct tn_packet packet;
		struct tn_tsmp message;
		uint8_t bytes[32];
		tn_packet_parse(&packet, built.bytes, built.length);
		REQUIRE(tn_tsmp_parse(&message, &packet));
		const struct tn_vector *kind = tn_vector_get(wanted, "kind");
		if (tn_vector_is(kind, "ping") || tn_vector_is(kind, "pong")) {
			CHECK_EQ(message.kind, tn_vector_is(kind, "ping") ? TN_TSMP_PING : TN_TSMP_PONG);
			CHECK_EQ(tn_vector_hex(tn_vector_get(wanted, "data"), bytes, sizeof bytes), 8);
			CHECK_MEM(message.data, bytes, 8);
			CHECK_EQ(message.peerapi_port, tn_vector_number(tn_vector_get(wanted, "peerapi_port")));
		} else if (tn_vector_is(kind, "reject")) {
			CHECK_EQ(message.kind, TN_TSMP_REJECT);
			CHECK_EQ(message.protocol, tn_vector_number(tn_vector_get(wanted, "flow_proto")));
			CHECK_EQ(message.reason, tn_vector_get(wanted, "reason")->text[0]);
			CHECK_EQ(message.maybe_broken, tn_vector_true(tn_vector_get(wanted, "maybe_broken")));
			check_endpoint(tn_vector_get(wanted, "flow_src"), packet.destination, message.source_port);
			check_endpoint(tn_vector_get(wanted, "flow_dst"), packet.source, message.destination_port);
		} else {
			CHECK_EQ(message.kind, TN_TSMP_DISCO);
			CHECK_EQ(tn_vector_hex(tn_vector_get(wanted, "disco_key"), bytes, sizeof bytes), 32);
			CHECK_MEM(message.data, bytes, 32);
		}
	}
}

/** Makes a message again from what was read of it and, for a pong, from the ping it answers. @return its length, 0 = we never send such a one */
static size_t make_again(uint8_t *out, const struct tn_packet *packet, const struct tn_tsmp *message, const struct tn_vector *list)
{
	if (message->kind == TN_TSMP_PING)
		return tn_tsmp_ping(out, TN_TSMP_MAX, packet->source, packet->destination, message->data);
	if (message->kind == TN_TSMP_DISCO)
		return tn_tsmp_disco(out, TN_TSMP_MAX, packet->source, packet->destination, message->data);
	if (message->kind == TN_TSMP_REJECT && packet->version == 4 && message->protocol == 6 && !message->maybe_broken) {
		struct built syn = ports(tcp(4, TN_TCP_SYN, 22), message->source_port, message->destination_port);
		memcpy(syn.bytes + 12, packet->destination + 12, 4);
		memcpy(syn.bytes + 16, packet->source + 12, 4);
		struct tn_packet refused;
		tn_packet_parse(&refused, syn.bytes, syn.length);
		return tn_tsmp_reject(out, TN_TSMP_MAX, &refused, message->reason == 'S' ? TN_TSMP_BY_SHIELDS : TN_TSMP_BY_RULES);
	}
	size_t length = 0;
	for (size_t i = 0; message->kind == TN_TSMP_PONG && i < list->count; i++) {
		const struct built ping = load(&list->items[i]);
		struct tn_packet asked;
		struct tn_tsmp question;
		tn_packet_parse(&asked, ping.bytes, ping.length);
		if (!tn_tsmp_parse(&question, &asked) || question.kind != TN_TSMP_PING || memcmp(question.data, message->data, 8) != 0 ||
		    memcmp(asked.destination, packet->source, 16) != 0)
			continue;
		length = tn_tsmp_pong(out, TN_TSMP_MAX, &asked, message->peerapi_port);
		if (length == packet->length && memcmp(out, packet->bytes, length) == 0) /* several pings may carry the same 8 bytes */
			break;
	}
	return length;
}

TN_VECTOR_TEST("tsmp", "[tunnel 46] every message of the vectors that we send is made byte for byte")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_tsmp, "messages");
	size_t made = 0;
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		const struct built built = load(&list->items[i]);
		struct tn_packet packet;
		struct tn_tsmp message;
		uint8_t out[TN_TSMP_MAX];
		tn_packet_parse(&packet, built.bytes, built.length);
		if (!tn_tsmp_parse(&message, &packet))
			continue;
		const size_t length = make_again(out, &packet, &message, list);
		/* What others send and we do not: a pong without a port, IDs and flow labels that are not zero in a ping. */
		if (length != built.length || (message.kind == TN_TSMP_PING && (built.bytes[packet.version == 4 ? 4 : 2] | built.bytes[packet.version == 4 ? 5 : 3])))
			continue;
		TEST_VECTOR(tn_vector_get(&list->items[i], "name")->text);
		CHECK_MEM(out, built.bytes, built.length);
		made++;
	}
	CHECK_COMMITTED(made == 12);
}

static void check_pong(const char *ping_name, const char *pong_name, uint16_t port)
{
	const struct built ping = named(ping_name), pong = named(pong_name);
	struct tn_packet packet;
	uint8_t out[TN_TSMP_MAX];
	tn_packet_parse(&packet, ping.bytes, ping.length);
	CHECK_EQ(tn_tsmp_pong(out, sizeof out, &packet, port), pong.length);
	CHECK_MEM(out, pong.bytes, pong.length);
	CHECK_EQ(tn_tsmp_pong(out, pong.length - 1, &packet, port), 0);
}

TN_TEST("[tunnel 46] TSMP ping of v4 and v6 is answered with the vectors' pong (port included)")
{
	check_pong("v4 ping from alice", "v4 pong of bob", 45678);
	check_pong("v4 ping with IP id", "v4 pong of bob of the ping with id 0x4321", 45678);
	check_pong("v4 ping from alice", "v4 pong of bob without peerapi", 0);
	check_pong("v6 ping from alice", "v6 pong of bob", 45678);
	check_pong("v6 ping with IP id", "v6 pong of bob of the ping with id 0x4321", 45678);
	check_pong("v6 ping from alice", "v6 pong of bob without peerapi", 0);
}

TN_TEST("pings and disco advertisements are made as upstream makes them")
{
	static const uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t key[32], out[TN_TSMP_MAX];
	for (uint8_t i = 0; i < 32; i++)
		key[i] = (uint8_t)(i + 1);
	for (unsigned version = 4; version <= 6; version += 2) {
		struct tn_packet packet;
		struct built wanted = named(version == 4 ? "v4 ping from alice" : "v6 ping from alice");
		tn_packet_parse(&packet, wanted.bytes, wanted.length);
		CHECK_EQ(tn_tsmp_ping(out, sizeof out, packet.source, packet.destination, data), wanted.length);
		CHECK_MEM(out, wanted.bytes, wanted.length);
		wanted = named(version == 4 ? "v4 disco key" : "v6 disco key");
		CHECK_EQ(tn_tsmp_disco(out, sizeof out, packet.source, packet.destination, key), wanted.length);
		CHECK_MEM(out, wanted.bytes, wanted.length);
		CHECK_EQ(tn_tsmp_disco(out, wanted.length - 1, packet.source, packet.destination, key), 0);
	}
	uint8_t ip4[16], ip6[16];
	hex_address(ip4, "64400001");
	hex_address(ip6, "fd7a115ca1e000000000000000000001");
	CHECK_EQ(tn_tsmp_ping(out, sizeof out, ip4, ip6, data), 0);
}

TN_VECTOR_TEST("disco", "the disco advertisements of the DISCO vectors are made byte for byte")
{
	const struct tn_vector *list = tn_vector_get(&tn_vectors_disco, "tsmpDiscoKeyAdvertisement");
	REQUIRE_VECTORS(list);
	for (size_t i = 0; i < list->count; i++) {
		TEST_VECTOR(tn_vector_get(&list->items[i], "dst")->text);
		uint8_t packet_bytes[128], key[32], out[TN_TSMP_MAX];
		struct tn_packet packet;
		const size_t length = tn_vector_hex(tn_vector_get(&list->items[i], "ipPacket"), packet_bytes, sizeof packet_bytes);
		CHECK_EQ(tn_vector_hex(tn_vector_get(&list->items[i], "key"), key, sizeof key), 32);
		tn_packet_parse(&packet, packet_bytes, length);
		CHECK_EQ(tn_tsmp_disco(out, sizeof out, packet.source, packet.destination, key), length);
		CHECK_MEM(out, packet_bytes, length);
	}
}

TN_TEST("[tunnel 47] TSMP of 6 bytes, unknown type, fragment, disco of 32 bytes, ping of 8 bytes: ignored")
{
	struct tn_packet packet;
	struct tn_tsmp message;
	for (unsigned version = 4; version <= 6; version += 2) {
		for (unsigned type = 0; type < 256; type++) {
			for (size_t size = 0; size <= 40; size++) {
				struct built built = plain(version, TN_PROTOCOL_TSMP, size);
				uint8_t *exact = malloc(built.length);
				*transport_of(&built) = (uint8_t)type;
				memcpy(exact, built.bytes, built.length);
				tn_packet_parse(&packet, exact, built.length);
				const size_t needed = type == 'p' || type == 'o' ? 9 : type == '!' ? 7 : type == 'a' ? 33 : SIZE_MAX;
				CHECK_EQ(tn_tsmp_parse(&message, &packet), size >= needed);
				CHECK_EQ(message.kind, size >= needed ? type : TN_TSMP_NONE);
				free(exact);
			}
		}
	}
	struct built built = fragmented(plain(4, TN_PROTOCOL_TSMP, 9), 0x2000);
	*transport_of(&built) = 'p';
	tn_packet_parse(&packet, built.bytes, built.length);
	CHECK(!tn_tsmp_parse(&message, &packet));
	/* Bytes behind the stated length are not the message's. */
	built = plain(4, TN_PROTOCOL_TSMP, 9);
	*transport_of(&built) = 'p';
	built.bytes[3] = 28;
	tn_packet_parse(&packet, built.bytes, built.length);
	CHECK(!tn_tsmp_parse(&message, &packet));
}

TN_TEST("a message with bytes after it is the message")
{
	struct built built = named("v4 pong of an old node");
	memset(built.bytes + built.length, 0xee, 20);
	for (size_t extra = 0; extra <= 20; extra++) {
		struct tn_packet packet;
		struct tn_tsmp message;
		tn_store16be(built.bytes + 2, (uint16_t)(29 + extra));
		tn_packet_parse(&packet, built.bytes, 29 + extra);
		CHECK(tn_tsmp_parse(&message, &packet));
		CHECK_EQ(message.peerapi_port, extra >= 2 ? 0xeeee : 0);
	}
}

TN_TEST("[tunnel 49] a refused inbound IPv4 SYN produces one reject of 27 bytes with the right ports and reason")
{
	static const enum tn_tsmp_reason reasons[] = {TN_TSMP_BY_RULES, TN_TSMP_BY_SHIELDS};
	static const char *const names[] = {"v4 reject from bob to alice: acl", "v4 reject from bob to alice: shields up"};
	for (size_t i = 0; i < 2; i++) {
		const struct built syn = to(from(ports(tcp(4, TN_TCP_SYN, 22), 40000, 22), "64400001"), "64400002"), wanted = named(names[i]);
		struct tn_packet packet;
		uint8_t out[TN_TSMP_MAX];
		tn_packet_parse(&packet, syn.bytes, syn.length);
		CHECK_EQ(tn_tsmp_reject(out, sizeof out, &packet, reasons[i]), 27);
		CHECK_EQ(wanted.length, 27);
		CHECK_MEM(out, wanted.bytes, 27);
		CHECK_EQ(tn_tsmp_reject(out, 26, &packet, reasons[i]), 0);
	}
	struct tn_packet packet;
	uint8_t out[TN_TSMP_MAX];
	const struct built others[] = {tcp(6, TN_TCP_SYN, 22), udp(4, 22), icmp(4, 8, 0, 8)};
	for (size_t i = 0; i < 3; i++) {
		tn_packet_parse(&packet, others[i].bytes, others[i].length);
		CHECK_EQ(tn_tsmp_reject(out, sizeof out, &packet, TN_TSMP_BY_RULES), 0);
	}
}
