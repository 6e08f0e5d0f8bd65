/*
 * Memory that is refused: two nodes live a life in which everything asks for memory that ever does, again and again, and each time the next allocation fails,
 * a node's or lwIP's, until a life needs fewer. Whatever failed is named, by a counter, a return value or an event, or it did no harm; when memory is back the
 * same nodes carry everything; and all is given back in the end.
 */
#define NET_WIRE 512
#define NET_EVENTS 512
#define NET_STACK_MEMORY
#include "json_cases.h"
#include "lwip/init.h"
#include "tn_json.h"
#include "tn_net.h"

#define PORT 7
#define BYTES 3000u
/** So long lwIP keeps a fragment whose others do not come. */
#define FRAGMENTS_S 20u
/** More than the ring of commands takes: such a command travels by reference. */
#define SUBNET_RECORDS ((TN_COMMAND_RING / 2) / 18 + 1)

static const uint8_t subnet[18] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 73, 0, 120};

struct life {
	struct net *net;
	struct host *hosts[2];   /* b is a router for the subnet, a uses it */
	uint32_t handles[2][16]; /* sockets of each */
	unsigned handle_count[2];
	bool is_named;   /* what was refused */
	unsigned missed; /* of what was to be done */
};

static const char *const named[] = {"memoryRefused", "derpQueueDropped", "subnetRefusedFull", "streamsHalfOpenDropped"};

static double named_of(struct host *host)
{
	double sum = 0;
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		sum += net_counter(host, named[i]);
	return sum;
}

static void note(struct life *life, bool is_done)
{
	life->missed += !is_done;
}

static uint32_t keep(struct life *life, unsigned of, uint32_t handle)
{
	life->handles[of][life->handle_count[of]++] = handle;
	return handle;
}

/** Whether a socket was closed for want of memory. */
static bool is_told(struct host *host, uint32_t handle)
{
	const struct net_socket *socket = net_socket(host, handle);
	return socket->closed && socket->reason == TN_CLOSE_FULL;
}

/** lwIP where it is a board's own, which begins it; else the first node does. */
static void begin_stack(void)
{
	static bool has_begun = !TN_STACK_APART;
	if (!has_begun)
		lwip_init();
	has_begun = true;
}

/** Nodes that are not there yet. @return whether both are */
static bool create(struct life *life)
{
	for (unsigned i = 0; i < 2; i++) {
		if (life->hosts[i] == NULL)
			life->hosts[i] = net_host_if(life->net, i + 1, true);
		if (life->hosts[i] == NULL)
			life->is_named = true;
	}
	return life->hosts[0] != NULL && life->hosts[1] != NULL;
}

/** What a map message brings. */
static void configure(struct life *life)
{
	static const uint8_t all6[16] = {0};
	static uint8_t record[4 + 18 * SUBNET_RECORDS];
	struct host *a = life->hosts[0], *b = life->hosts[1];
	net_filter(a, 0, 65535, false);
	net_filter_for(b, 0, UINT32_MAX, all6, 0, 0, 65535, false);
	net_peers(a, b);
	net_peer(a, 0, b->public_key, b->address4, b->address6, subnet, 1, NET_REGION, 0);
	record[0] = TN_COMMAND_SUBNETS;
	for (size_t i = 0; i < SUBNET_RECORDS; i++)
		memcpy(record + 4 + 18 * i, subnet, 18);
	net_send(b, record, sizeof record);
	net_settle(life->net);
}

/** One datagram from a to b. */
static bool send_datagram(struct life *life, uint16_t port, const char *text)
{
	struct host *a = life->hosts[0], *b = life->hosts[1];
	uint32_t from = keep(life, 0, net_bind(a, 0)), to = keep(life, 1, net_bind(b, port));
	net_settle(life->net);
	net_forget(b);
	net_udp_send(a, from, b->address4, port, (const uint8_t *)text, strlen(text));
	net_run(life->net, 3000);
	const struct net_event *event = net_event(b, TN_EVENT_UDP_RECEIVED, 0);
	life->is_named |= is_told(a, from) || is_told(b, to);
	return event != NULL && event->length == 24 + strlen(text) && memcmp(event->bytes + 24, text, strlen(text)) == 0;
}

/** Moves BYTES each way over a connection. @return whether they came as they were, in two minutes */
static bool transfer(struct life *life, uint32_t client, uint32_t server)
{
	uint32_t sent[2] = {0}, received[2] = {0};
	const uint32_t handles[2] = {client, server};
	bool is_right = true;
	for (unsigned i = 0; i < 120 && (received[0] < BYTES || received[1] < BYTES); i++) {
		for (unsigned k = 0; k < 2; k++) {
			uint8_t piece[BYTES];
			struct tn_node *node = life->hosts[k]->node;
			for (size_t n = sent[k]; n < BYTES; n++)
				piece[n - sent[k]] = (uint8_t)(n * 7 + k);
			sent[k] += (uint32_t)tn_node_vm_write(node, handles[k], piece, BYTES - sent[k]);
			uint32_t length = (uint32_t)tn_node_vm_read(node, handles[k], piece, sizeof piece);
			for (uint32_t n = 0; n < length; n++)
				is_right &= piece[n] == (uint8_t)((received[k] + n) * 7 + 1 - k);
			received[k] += length;
		}
		net_run(life->net, i < 10 ? 10 : 1000);
		if (net_socket(life->hosts[0], client)->closed || net_socket(life->hosts[1], server)->closed)
			break;
	}
	CHECK(is_right);
	return received[0] == BYTES && received[1] == BYTES;
}

/** A connection from a to b, its bytes and its end. */
static bool talk(struct life *life, uint16_t port, const uint8_t address[16])
{
	struct host *a = life->hosts[0], *b = life->hosts[1];
	uint32_t listener = keep(life, 1, net_listen(b, port));
	net_settle(life->net);
	b->last_accepted = 0;
	uint32_t client = keep(life, 0, net_connect(a, address, port));
	for (unsigned i = 0; i < 100 && b->last_accepted == 0 && !net_socket(a, client)->closed; i++)
		net_run(life->net, i < 10 ? 10 : 1000);
	bool is_done = b->last_accepted != 0 && transfer(life, client, keep(life, 1, b->last_accepted));
	if (is_done) {
		net_handle_command(a, TN_COMMAND_SOCKET_CLOSE, client, 0, 0);
		life->handle_count[0]--;
		for (unsigned i = 0; i < 60 && !net_socket(b, b->last_accepted)->closed; i++)
			net_run(life->net, i < 10 ? 10 : 1000);
		is_done = net_socket(b, b->last_accepted)->closed;
	}
	life->is_named |= is_told(a, client) || is_told(b, listener) || (b->last_accepted != 0 && is_told(b, b->last_accepted));
	return is_done;
}

#if TN_SUBNET
/** A connection, and a datagram, from a to a host below b. */
static bool forward(struct life *life)
{
	static const uint8_t below[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 73, 2};
	struct host *a = life->hosts[0];
	const uint8_t text[] = "0";
	uint8_t got[100];
	bool is_done = false;
	unsigned before = outside_count;
	uint32_t client = keep(life, 0, net_connect(a, below, 80));
	for (unsigned i = 0; i < 100 && !net_socket(a, client)->connected && !net_socket(a, client)->closed; i++) {
		net_run(life->net, i < 10 ? 10 : 1000);
		if (outside_count > before)
			outside_sockets[outside_count - 1].is_answered = true;
	}
	if (net_socket(a, client)->connected) {
		struct tn_outside *outside = &outside_sockets[outside_count - 1];
		outside->readable = sizeof got;
		tn_node_vm_write(a->node, client, (const uint8_t *)"\0\1\2", 3);
		size_t length = 0;
		for (unsigned i = 0; i < 100 && (length < sizeof got || outside->written < 3) && !net_socket(a, client)->closed; i++) {
			net_run(life->net, i < 10 ? 10 : 1000);
			length += tn_node_vm_read(a->node, client, got + length, sizeof got - length);
		}
		is_done = length == sizeof got && outside->written == 3 && outside->is_right;
	}
	life->is_named |= is_told(a, client);
	before = outside_count;
	uint32_t from = keep(life, 0, net_bind(a, 0));
	net_settle(life->net);
	net_udp_send(a, from, below, 53, text, sizeof text);
	net_run(life->net, 1000);
	life->is_named |= is_told(a, from);
	return is_done && outside_count == before + 1 && outside_sockets[before].sent_count == 1;
}
#endif

/** The relay: its connections are made anew, as after one that broke, and carry a datagram. */
static bool relay(struct life *life, uint16_t port)
{
	bool is_done;
	for (unsigned i = 0; i < 2; i++) {
		net_derp(life->hosts[i], false);
		net_settle(life->net);
		life->hosts[i]->is_derp_broken = false;
		net_derp(life->hosts[i], true);
		net_path(life->hosts[i], 0, NULL, 0, NET_REGION);
	}
	net_settle(life->net);
	is_done = send_datagram(life, port, "over the relay");
	for (unsigned i = 0; i < 2; i++) {
		life->is_named |= life->hosts[i]->is_derp_broken;
		net_path(life->hosts[i], 0, life->hosts[1 - i]->endpoint, UINT64_MAX, NET_REGION);
	}
	return is_done;
}

/** What lwIP drops without a word when it has no memory: a fragment to put together, an answer to an echo. */
static void send_what_may_be_lost(struct life *life)
{
	static const uint8_t payload[1900];
	struct host *a = life->hosts[0], *b = life->hosts[1];
	uint8_t echo[64], request[16] = {8};
	uint32_t from = keep(life, 0, net_bind(a, 0));
	net_settle(life->net);
	net_udp_send(a, from, b->address4, 5, payload, sizeof payload);
	tn_store16be(request + 2, tn_checksum_ip4(request, sizeof request));
	net_inject(a, echo, net_ip(echo, a->address4, b->address4, TN_PROTOCOL_ICMP4, request, sizeof request));
	net_run(life->net, 1000);
	if (!net_has_refused)
		CHECK(net_count(a, TN_EVENT_ECHO_REPLY) > 0 &&
		      net_event(b, TN_EVENT_UDP_RECEIVED, net_count(b, TN_EVENT_UDP_RECEIVED) - 1)->length == 24 + sizeof payload);
	life->is_named |= is_told(a, from);
}

static bool open_below(struct life *life)
{
	struct host *a = life->hosts[0];
	uint32_t handle = keep(life, 0, net_open(a));
	net_handle_command(a, TN_COMMAND_UDP_BIND, handle, 1, 0);
	net_settle(life->net);
	life->is_named |= is_told(a, handle);
	return net_socket(a, handle)->connected;
}

static void ignore(void *context, uint16_t path, const char *key, size_t key_length, const char *text, size_t text_length)
{
	(void)context, (void)path, (void)key, (void)key_length, (void)text, (void)text_length;
}

/** A netmap is read in the memory that was there before. */
static void scan(void)
{
	static struct tn_json json;
	static uint8_t buffer[TN_MAP_BUFFER];
	const long blocks = net_blocks + net_stack_blocks;
	const unsigned left = net_refused_in;
	for (size_t i = 0; i < sizeof json_cases / sizeof *json_cases; i++) {
		CHECK_EQ(tn_json_init(&json, json_schema, sizeof json_schema, buffer, json_cases[i].buffer), 0);
		CHECK_EQ(tn_json_push(&json, json_cases[i].text, json_cases[i].text_length, ignore, NULL), json_cases[i].result);
	}
	CHECK(net_blocks + net_stack_blocks == blocks && net_refused_in == left);
}

/** What sockets there are is closed, as an app does that was told of an error. */
static void let_go(struct life *life)
{
	for (unsigned i = 0; i < 2; i++) {
		while (life->handle_count[i] > 0)
			net_handle_command(life->hosts[i], TN_COMMAND_SOCKET_CLOSE, life->handles[i][--life->handle_count[i]], 0, 0);
	}
	net_run(life->net, 1000);
}

static void live(struct life *life)
{
	if (!create(life))
		return;
	configure(life);
	note(life, send_datagram(life, 5, "direct"));
	note(life, talk(life, PORT, life->hosts[1]->address4));
	note(life, talk(life, PORT + 1, life->hosts[1]->address6));
#if TN_SUBNET
	note(life, forward(life));
#endif
	send_what_may_be_lost(life);
	note(life, relay(life, 6));
	note(life, open_below(life));
	for (unsigned i = 0; i < 2; i++)
		life->is_named |= named_of(life->hosts[i]) > 0;
}

/** With memory again, and told what it was told before, the node does everything. */
static void recover(struct life *life)
{
	CHECK(create(life));
	let_go(life);
	configure(life);
	CHECK(send_datagram(life, 15, "direct again"));
	CHECK(talk(life, 17, life->hosts[1]->address4));
#if TN_SUBNET
	CHECK(forward(life));
#endif
	CHECK(relay(life, 16));
	CHECK(open_below(life));
	let_go(life);
	/* lwIP's timers take one step, however late they are called. */
	for (unsigned i = 0; i < FRAGMENTS_S; i++)
		net_run(life->net, 1000);
}

/** Asleep, and gone: with no memory at all if need be. */
static void end(struct life *life)
{
	struct host *a = life->hosts[0];
	uint8_t record[4];
	net_forget(a);
	net_connect(a, life->hosts[1]->address4, PORT);
	net_settle(life->net);
	net_record(record, TN_COMMAND_SUSPEND, 0, 0);
	net_send(a, record, sizeof record);
	net_settle(life->net);
	CHECK_EQ(net_count(a, TN_EVENT_SUSPENDED), 2);
	net_free(life->net);
	for (unsigned i = 0; i < outside_count; i++)
		CHECK(!outside_sockets[i].is_open);
}

/** A life in which count allocations fail from the n-th on. @return whether there were as many as n */
static bool is_short_of(unsigned n, unsigned count)
{
	struct life life = {.net = net_new()};
	begin_stack();
	outside_count = 0;
	tn_test_seed = 1;
	net_refused_in = n;
	net_refused_count = count;
	net_has_refused = false;
	live(&life);
	scan();
	const bool was_named = life.is_named || !net_has_refused;
	if (!CHECK(life.missed == 0 || was_named))
		printf("# allocation %u of %u: %u things were not done, and nothing tells why\n", n, count, life.missed);
	const unsigned left = net_refused_in, more = net_refused_count;
	net_refused_in = 0;
	recover(&life);
	net_refused_in = left;
	net_refused_count = more;
	end(&life);
	if (!CHECK(net_blocks == 0 && net_stack_blocks == 0))
		printf("# allocation %u of %u: %ld blocks of nodes and %ld of lwIP are left\n", n, count, net_blocks, net_stack_blocks);
	net_blocks = net_stack_blocks = 0;
	net_refused_in = 0;
	return net_has_refused;
}

/** Lives until one needs fewer allocations, of which every step-th is the first to fail. @return how many that are */
static unsigned live_on(unsigned count, unsigned step)
{
	unsigned n = 1;
	while (is_short_of(n, count))
		n += step;
	return n - 1;
}

TN_TEST("a life with all memory that it asks for lacks nothing, names nothing and leaves nothing behind")
{
	begin_stack();
	struct life life = {.net = net_new()};
	live(&life);
	CHECK_EQ(life.missed, 0);
	CHECK(!life.is_named);
	recover(&life);
	end(&life);
	CHECK(net_blocks == 0 && net_stack_blocks == 0);
}

TN_TEST("every allocation of a life may fail: it is named or does no harm, and with memory again the same nodes carry everything")
{
	unsigned lives = live_on(1, 1);
	CHECK(lives > 100);
	printf("# %u allocations, each refused once\n", lives);
}

TN_TEST("several in a row may fail: what gives way to a first failure meets the next")
{
	CHECK(live_on(3, 5) > 100);
}

TN_TEST("memory may be gone for good from any allocation on, until it is back")
{
	CHECK(live_on(UINT32_MAX, 7) > 100);
}

TN_TEST("a relay connection that opened while there was no memory is known to be open")
{
	struct net *net = net_new();
	struct host *a = net_host(net, 1), *b = net_host(net, 2);
	struct life life = {.net = net, .hosts = {a, b}};
	net_peers(a, b);
	net_settle(net);
	net_refused_size = 1;
	net_derp(a, true);
	net_settle(net);
	CHECK(tn_relay_is_open(&a->node->tunnel.relay, NET_REGION, NULL));
	net_path(a, 0, NULL, 0, NET_REGION);
	net_settle(net);
	tn_tunnel_send_derp(&a->node->tunnel, NET_REGION, b->public_key, (const uint8_t *)"lost", 4, true);
	CHECK_EQ(net_counter(a, "derpQueueDropped"), 1);
	net_refused_size = SIZE_MAX;
	net_derp(b, true);
	CHECK(send_datagram(&life, 5, "over the relay"));
	net_free(net);
}
