/*
 * The desktop host (hosts/desktop) without its thread: a node on real UDP sockets of the loopback whose turns are made by the test, and one raw WireGuard peer.
 */
#define TN_TEST_OWN_RANDOM
#include "tn_test.h"

#include "tn_bsd.h"

/** A kernel whose send buffers are full, on wish, and how often that was waited for. */
static bool is_full;
static unsigned waits;

static int wait_or_not(tn_bsd socket, int timeout_ms)
{
	waits++;
	return is_full ? 0 : tn_bsd_wait_for_room(socket, timeout_ms);
}

static int send_one_or_not(tn_bsd socket, const void *bytes, size_t length, const struct sockaddr_storage *to, socklen_t to_length)
{
	return is_full ? -1 : tn_bsd_send_to(socket, bytes, length, to, to_length);
}

static enum tn_bsd_fault fault_or_full(void)
{
	return is_full ? TN_BSD_WAIT : tn_bsd_last_fault();
}

#ifdef __linux__
static int send_or_not(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	return is_full ? -1 : sendmmsg(fd, messages, count, flags);
}
#define sendmmsg send_or_not
#endif

#define tn_bsd_wait_for_room wait_or_not
#define tn_bsd_send_to send_one_or_not
#define tn_bsd_last_fault fault_or_full
#include "../../hosts/desktop/tn_desktop.c"
#include "../../hosts/desktop/tn_outside_bsd.c"
#include "../../hosts/desktop/tn_udp.c"
#undef tn_bsd_wait_for_room
#undef tn_bsd_send_to
#undef tn_bsd_last_fault
#undef sendmmsg
#ifdef _WIN32
#include "../../hosts/win32/tn_link_win32.c"
#include "../../hosts/win32/tn_wait_win32.c"
#else
#include "../../hosts/posix/tn_link_posix.c"
#include "../../hosts/posix/tn_wait_posix.c"
#endif
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_packet.h"
#include "tn_records.h"
#include "tn_wireguard.h"

#define PACKET 1280
#define BUFFER (TN_WG_HEADER + PACKET + TN_WG_TAIL)

static const uint8_t own4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 100, 64, 0, 1};
static const uint8_t peer4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 100, 64, 0, 3};
static const uint8_t stranger4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 100, 64, 0, 66};

/** The node under test, and the peer's side: its device, and a socket of each family. */
struct scene {
	struct tn_host desktop;
	uint8_t private_key[32], public_key[32];
	struct tn_wg wg;
	struct tn_wg_peer peers[1];
	struct tn_wg_index indices[TN_WG_INDICES(1)];
	tn_bsd sockets[TN_UDP_FAMILIES];
	uint64_t now;
	uint32_t listener, datagrams;
	uint8_t events[64][2304];
	size_t event_count;
};

static void nothing(void *context)
{
	(void)context;
}

static bool has_staged(void *context, unsigned slot)
{
	(void)context;
	return slot > 0;
}

static void drop(void *context, unsigned slot)
{
	(void)context;
	(void)slot;
}

/** To the node, over the loopback of a family. */
static void say(struct scene *scene, enum tn_udp_family family, const uint8_t *bytes, size_t length)
{
	uint8_t endpoint[TN_ENDPOINT] = {0};
	struct sockaddr_storage address;
	endpoint[15] = 1;
	if (family == TN_UDP_4) {
		endpoint[10] = endpoint[11] = 0xff;
		endpoint[12] = 127;
	}
	tn_store16be(endpoint + 16, scene->desktop.udp.port);
	socklen_t size = to_sockaddr(&address, endpoint, family);
	CHECK_EQ(tn_bsd_send_to(scene->sockets[family], bytes, length, &address, size), length);
}

static void from_peer(void *context, unsigned slot, const uint8_t *datagram, size_t length)
{
	(void)slot;
	say(context, TN_UDP_4, datagram, length);
}

/** One turn of the node with all that has arrived; then the VM takes its events. */
static void play(struct scene *scene)
{
	scene->desktop.is_readable[TN_UDP_4] = scene->desktop.is_readable[TN_UDP_6] = true;
	turn(&scene->desktop, ++scene->now);
	tn_node_vm_wake(scene->desktop.node);
	while (scene->event_count < 64 && tn_node_vm_receive(scene->desktop.node, scene->events[scene->event_count], sizeof scene->events[0]) > 0)
		scene->event_count++;
}

/** What the peer finds in its socket; packet receives the inner packet, if there was one. @return its length */
static size_t hear(struct scene *scene, uint8_t *packet)
{
	uint8_t datagram[2048], source[TN_ENDPOINT] = {1};
	size_t length = 0;
	int size;
	while ((size = tn_bsd_receive(scene->sockets[TN_UDP_4], datagram, sizeof datagram)) > 0) {
		struct tn_wg_in in = {.kind = TN_WG_NOTHING};
		tn_wg_receive(&scene->wg, datagram, (size_t)size, source, sizeof source, scene->now, &in);
		if (in.reply_to != TN_WG_REPLY_NONE)
			say(scene, TN_UDP_4, in.reply, in.reply_length);
		if (in.kind == TN_WG_DATA) {
			memcpy(packet, datagram + in.offset, in.length);
			length = in.length;
		}
	}
	return length;
}

static size_t seal(struct scene *scene, uint8_t buffer[BUFFER], size_t length)
{
	return tn_wg_seal(&scene->wg, 0, buffer + TN_WG_HEADER, length, scene->now);
}

static void ip4(uint8_t *out, const uint8_t source[16], uint8_t protocol, size_t length)
{
	memset(out, 0, 20);
	out[0] = 0x45;
	tn_store16be(out + 2, (uint16_t)length);
	out[8] = 64;
	out[9] = protocol;
	memcpy(out + 12, source + 12, 4);
	memcpy(out + 16, own4 + 12, 4);
	tn_checksum_fill(out, length);
}

static size_t tcp(uint8_t *out, uint32_t sequence, uint32_t acknowledged, uint8_t flags, size_t payload)
{
	memset(out + 20, 0, 20);
	tn_store16be(out + 20, 1234);
	tn_store16be(out + 22, 7);
	tn_store32be(out + 24, sequence);
	tn_store32be(out + 28, acknowledged);
	out[32] = 0x50;
	out[33] = flags;
	tn_store16be(out + 34, 0xffff);
	memset(out + 40, 't', payload);
	ip4(out, peer4, TN_PROTOCOL_TCP, 40 + payload);
	return 40 + payload;
}

static void command(struct scene *scene, uint8_t *record, size_t length, uint8_t type, uint16_t argument)
{
	record[0] = type;
	tn_store16le(record + 2, argument);
	CHECK(tn_node_vm_send(scene->desktop.node, record, length));
}

static void open_filter(struct scene *scene)
{
	uint8_t record[4 + 48 + 48 + 16 + 32 + 8] = {0};
	uint8_t *block = record + 4, *at = block + 48;
	memcpy(block, "TNF1", 4);
	tn_store32le(block + 4, sizeof record - 4);
	tn_store32le(block + 8, 2);
	tn_store32le(block + 12, 1);
	tn_store32le(block + 20, 1);
	tn_store32le(block + 24, 1);
	tn_store32le(at + 4, 1);
	tn_store32le(at + 24, 1);
	at[46] = 1;
	at += 48;
	tn_store32le(at, 0x64400001u);
	tn_store32le(at + 4, 0x64400001u);
	tn_store16le(at + 10, 65535);
	at[12] = 1;
	at += 16;
	memset(at, 0xff, 32);
	tn_store32le(at + 32, 0x64400001u);
	tn_store32le(at + 36, 0x64400001u);
	command(scene, record, sizeof record, TN_COMMAND_FILTER, 0);
}

/** A node that listens on TCP 7 and UDP 9, and a peer that has a session with it. */
static struct scene *begin(void)
{
	struct scene *scene = calloc(1, sizeof *scene);
	const struct tn_wg_host host = {.context = scene, .has_staged = has_staged, .send = from_peer, .drop_staged = drop, .idle = drop};
	uint8_t identity[108] = {TN_COMMAND_IDENTITY}, peer[64 + 18] = {0}, path[36] = {0}, record[8] = {0}, packet[BUFFER], node_key[32], node_public[32];
	struct tn_udp own = {.sockets = {TN_BSD_NONE, TN_BSD_NONE}};
	CHECK(sodium_init() >= 0 && tn_bsd_begin());
	scene->now = 1000000;
	tn_x25519_generate(node_key, node_public);
	tn_x25519_generate(scene->private_key, scene->public_key);
	memcpy(identity + 4, node_key, 32);
	memcpy(identity + 68, own4 + 12, 4);
	tn_store64le(identity + 92, 1700000000000u);
	tn_store64le(identity + 100, 1900000000);
	tn_mutex_init(&scene->desktop.lock);
	scene->desktop.wake = nothing;
	CHECK(tn_udp_open(&scene->desktop.udp, 0) && tn_udp_open(&own, 0));
	memcpy(scene->sockets, own.sockets, sizeof own.sockets);
	scene->desktop.node = tn_node_create(identity, sizeof identity, &scene->desktop);
	CHECK(scene->desktop.node != NULL && tn_node_start(scene->desktop.node, scene->now));
	CHECK(allocate_buffers());
	open_filter(scene);
	tn_store32le(peer + 4, 1u << 16);
	memcpy(peer + 8, scene->public_key, 32);
	tn_store16le(peer + 62, 1);
	memcpy(peer + 64, peer4, 16);
	peer[80] = 128;
	peer[81] = 1;
	command(scene, peer, sizeof peer, TN_COMMAND_PEER, 0);
	tn_store32le(path + 4, 1u << 16);
	path[18] = path[19] = 0xff;
	path[20] = 127;
	path[23] = 1;
	tn_store16be(path + 24, own.port);
	tn_store64le(path + 28, UINT64_MAX);
	command(scene, path, sizeof path, TN_COMMAND_PATH, 0);
	scene->listener = tn_node_vm_open(scene->desktop.node);
	tn_store32le(record + 4, scene->listener);
	command(scene, record, sizeof record, TN_COMMAND_TCP_LISTEN, 7);
	scene->datagrams = tn_node_vm_open(scene->desktop.node);
	tn_store32le(record + 4, scene->datagrams);
	command(scene, record, sizeof record, TN_COMMAND_UDP_BIND, 9);
	play(scene);
	tn_wg_init(&scene->wg, scene->peers, 1, scene->indices, &host);
	tn_clock_init(&scene->wg.clock, 1700000000000u, 1900000000, scene->now);
	tn_wg_set_key(&scene->wg, scene->private_key, scene->now);
	CHECK(tn_wg_peer_add(&scene->wg, 0, node_public, scene->now) && tn_wg_initiate(&scene->wg, 0, scene->now));
	play(scene);
	hear(scene, packet);
	play(scene);
	CHECK(tn_wg_has_session(&scene->wg, 0, scene->now));
	return scene;
}

static void end(struct scene *scene)
{
	tn_node_stop(scene->desktop.node, scene->now);
	tn_node_destroy(scene->desktop.node);
	tn_udp_close(&scene->desktop.udp);
	for (size_t i = 0; i < TN_UDP_FAMILIES; i++)
		tn_bsd_close(scene->sockets[i]);
	tn_mutex_destroy(&scene->desktop.lock);
	free(scene);
	tn_bsd_end();
}

/** The n-th event of a type, or NULL. */
static const uint8_t *event_of(const struct scene *scene, uint8_t type)
{
	for (size_t i = 0; i < scene->event_count; i++) {
		if (scene->events[i][0] == type)
			return scene->events[i];
	}
	return NULL;
}

TN_TEST("what arrives by one family does not touch a packet of the other that was taken in the same turn")
{
	struct scene *scene = begin();
	uint8_t buffer[BUFFER] = {0}, packet[BUFFER] = {0}, forged[BUFFER] = {0}, got[PACKET];
	/* A connection from the peer. */
	say(scene, TN_UDP_4, buffer, seal(scene, buffer, tcp(buffer + TN_WG_HEADER, 999, 0, TN_TCP_SYN, 0)));
	play(scene);
	REQUIRE(hear(scene, packet) >= 40);
	uint32_t acknowledged = tn_load32be(packet + 24) + 1;
	say(scene, TN_UDP_4, buffer, seal(scene, buffer, tcp(buffer + TN_WG_HEADER, 1000, acknowledged, TN_TCP_ACK, 0)));
	play(scene);
	const uint8_t *accepted = event_of(scene, TN_EVENT_ACCEPTED);
	REQUIRE(accepted != NULL);
	uint32_t stream = tn_load32le(accepted + 8);
	/* A segment of it by IPv4, and by IPv6 a stranger's datagram that is a packet for our UDP socket where the segment lies decrypted. */
	say(scene, TN_UDP_4, buffer, seal(scene, buffer, tcp(buffer + TN_WG_HEADER, 1000, acknowledged, TN_TCP_ACK, PACKET - 40)));
	tn_store16be(forged + TN_WG_HEADER + 20, 1);
	tn_store16be(forged + TN_WG_HEADER + 22, 9);
	tn_store16be(forged + TN_WG_HEADER + 24, PACKET - 20);
	ip4(forged + TN_WG_HEADER, stranger4, TN_PROTOCOL_UDP, PACKET);
	say(scene, TN_UDP_6, forged, TN_WG_HEADER + PACKET + TN_TAG_SIZE);
	play(scene);
	CHECK(event_of(scene, TN_EVENT_UDP_RECEIVED) == NULL);
	CHECK_EQ(tn_node_vm_read(scene->desktop.node, stream, got, sizeof got), PACKET - 40);
	CHECK(got[0] == 't' && got[PACKET - 41] == 't');
	end(scene);
}

TN_TEST("a port that is taken for one family only is not used for the other alone")
{
	CHECK(tn_bsd_begin());
	for (unsigned family = 0; family < TN_UDP_FAMILIES; family++) {
		bool is_taken = false;
		tn_bsd other = open_socket((enum tn_udp_family)family, 0, &is_taken);
		struct tn_udp udp = {.sockets = {TN_BSD_NONE, TN_BSD_NONE}};
		REQUIRE(other != TN_BSD_NONE);
		uint16_t taken = port_of(other);
		CHECK(tn_udp_open(&udp, taken));
		CHECK(udp.sockets[TN_UDP_4] != TN_BSD_NONE && udp.sockets[TN_UDP_6] != TN_BSD_NONE);
		CHECK(udp.port != taken && port_of(udp.sockets[TN_UDP_4]) == udp.port && port_of(udp.sockets[TN_UDP_6]) == udp.port);
		tn_udp_close(&udp);
		tn_bsd_close(other);
	}
	tn_bsd_end();
}

/** Waits for the sockets of the network below as the thread does. */
static void wait_outside(struct scene *scene, struct tn_wait *wait)
{
	tn_wait_begin(wait);
	tn_outside_wait(&scene->desktop.outside, wait);
	tn_wait_for(wait, 5000);
	CHECK_EQ(tn_outside_waited(&scene->desktop.outside, wait, 0), scene->desktop.outside.count);
	CHECK(tn_outside_is_ready(&scene->desktop));
}

TN_TEST("a question goes out by the network below and its answer comes back, over both families; the socket ends with its handle")
{
	struct scene *scene = begin();
	struct tn_wait *wait = tn_wait_open();
	uint8_t record[64] = {0}, got[64];
	REQUIRE(wait != NULL);
	uint32_t handle = tn_node_vm_open(scene->desktop.node);
	tn_store32le(record + 4, handle);
	record[1] = 1;
	command(scene, record, 8, TN_COMMAND_UDP_BIND, 0);
	play(scene);
	CHECK_EQ(scene->desktop.outside.count, 2);
	for (unsigned family = 0; family < TN_UDP_FAMILIES; family++) {
		bool is_taken = false;
		tn_bsd server = open_socket((enum tn_udp_family)family, 0, &is_taken);
		struct sockaddr_storage from;
		uint8_t address[16];
		uint16_t port;
		memset(record, 0, sizeof record);
		tn_store32le(record + 4, handle);
		record[23] = 1;
		if (family == TN_UDP_4) {
			record[18] = record[19] = 0xff;
			record[20] = 127;
		}
		memcpy(record + 24, "who?", 4);
		command(scene, record, 28, TN_COMMAND_UDP_SEND, port_of(server));
		play(scene);
		REQUIRE(tn_bsd_receive_from(server, got, sizeof got, &from) == 4 && memcmp(got, "who?", 4) == 0);
		tn_sockaddr_from(&from, address, &port);
		socklen_t size = tn_sockaddr_to(&from, address, port, family == TN_UDP_6);
		CHECK_EQ(tn_bsd_send_to(server, "me", 2, &from, size), 2);
		scene->event_count = 0;
		wait_outside(scene, wait);
		play(scene);
		const uint8_t *event = event_of(scene, TN_EVENT_UDP_RECEIVED);
		REQUIRE(event != NULL);
		CHECK(tn_load16le(event + 2) == port_of(server) && memcmp(event + 8, record + 8, 16) == 0 && memcmp(event + 24, "me", 2) == 0);
		CHECK(!tn_outside_is_ready(&scene->desktop));
		tn_bsd_close(server);
	}
	memset(record, 0, sizeof record);
	tn_store32le(record + 4, handle);
	command(scene, record, 8, TN_COMMAND_SOCKET_CLOSE, 0);
	play(scene);
	CHECK_EQ(scene->desktop.outside.count, 0);
	tn_wait_close(wait);
	end(scene);
}

static void ignore_error(void *context, enum tn_udp_fault fault, const uint8_t endpoint[TN_ENDPOINT])
{
	(void)context;
	(void)fault;
	(void)endpoint;
}

TN_TEST("a socket whose buffer stays full is waited for once in a batch, and the rest is lost")
{
	static uint8_t bytes[TN_OUT_BYTES];
	static struct tn_out out;
	struct tn_udp udp = {.sockets = {TN_BSD_NONE, TN_BSD_NONE}};
	uint8_t endpoint[TN_ENDPOINT] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1, 0, 9};
	CHECK(tn_bsd_begin() && tn_udp_open(&udp, 0));
	for (unsigned can_segment = 0; can_segment < 2; can_segment++) {
		tn_out_init(&out, bytes, sizeof bytes);
		for (unsigned i = 0; tn_out_has_room(&out, 100); i++) {
			endpoint[17] = (uint8_t)(9 + i / 2);
			tn_out_add(&out, endpoint, 100);
		}
		udp.can_segment = can_segment;
		waits = 0;
		is_full = true;
		tn_udp_send(&udp, &out, ignore_error, NULL);
		is_full = false;
		CHECK_EQ(waits, 1);
	}
	tn_udp_close(&udp);
	tn_bsd_end();
}
