/*
 * What the tunnel thread may do between two steps of the VM thread (tn_node_vm.c): the steps are made with the other thread's turn in between. And what
 * becomes of them when memory is short.
 */
#include "tn_net.h"

/** What happens meanwhile, once. */
static void (*meanwhile)(void);

static void let_happen(void)
{
	void (*happens)(void) = meanwhile;
	meanwhile = NULL;
	if (happens != NULL)
		happens();
}

static bool put_and_wait(struct tn_ring *ring, const void *record, uint32_t length)
{
	bool is_put = tn_ring_put(ring, record, length);
	let_happen();
	return is_put;
}

static uint32_t wait_and_read(struct tn_ring *ring, uint8_t *out, uint32_t length)
{
	let_happen();
	return tn_ring_read(ring, out, length);
}

static bool is_memory_short;

static void *allocate_or_not(size_t size)
{
	return is_memory_short ? NULL : tn_port_allocate(size);
}

#define tn_port_allocate allocate_or_not
#define tn_ring_put put_and_wait
#define tn_ring_read wait_and_read
#include "../../native/tn_node_vm.c"
#undef tn_port_allocate
#undef tn_ring_put
#undef tn_ring_read

static struct net *net;
static struct host *a, *b;
static uint32_t server;

static void turn_of_a(void)
{
	tn_node_begin(a->node, net->now);
	tn_node_turn(a->node);
}

static void turn_of_a_then_sleep(void)
{
	turn_of_a();
	CHECK(tn_node_may_sleep(a->node));
}

static void fill_commands(struct host *host)
{
	uint8_t record[20] = {TN_COMMAND_CLOCK};
	while (tn_ring_put(&host->node->commands, record, sizeof record)) {
	}
}

TN_TEST("a VM that finds the command ring full is woken when there is room, also if the tunnel emptied the ring at that very moment")
{
	for (unsigned is_asleep = 0; is_asleep < 2; is_asleep++) {
		uint8_t record[20] = {TN_COMMAND_CLOCK};
		net = net_new();
		a = net_host(net, 1);
		net_settle(net);
		CHECK(!a->is_woken);
		fill_commands(a);
		meanwhile = is_asleep ? turn_of_a_then_sleep : turn_of_a;
		CHECK(!tn_node_vm_send(a->node, record, sizeof record));
		/* The tunnel thread: as it would go on after a kick, or before it sleeps. */
		if (is_asleep)
			CHECK_EQ(atomic_load(&a->node->is_asleep), 0);
		if (is_asleep || CHECK(!tn_node_may_sleep(a->node)))
			turn_of_a();
		CHECK(a->is_woken);
		net_free(net);
	}
}

/** A connection from a to port 7 of b. @return the handle at a */
static uint32_t connect_both(void)
{
	net = net_new();
	a = net_host(net, 1);
	b = net_host(net, 2);
	net_peers(a, b);
	net_listen(b, 7);
	net_settle(net);
	uint32_t client = net_connect(a, b->address4, 7);
	net_run(net, 100);
	server = b->last_accepted;
	CHECK(net_socket(a, client)->connected && server != 0);
	return client;
}

static void run_without_a(void)
{
	for (unsigned i = 0; i < 10; i++)
		turn_of_a();
}

TN_TEST("what was left to tell of a socket is not told of the one that takes its place")
{
	uint32_t client = connect_both();
	uint8_t event[2304], record[8] = {TN_COMMAND_SOCKET_CLOSE, 1};
	/* Bytes and the end come at once: two events. */
	tn_node_vm_write(b->node, server, (const uint8_t *)"bytes", 5);
	net_handle_command(b, TN_COMMAND_SOCKET_CLOSE, server, 0, 0);
	atomic_store(&a->node->is_woken, 1); /* the VM of a is busy */
	net_settle(net);
	tn_node_vm_wake(a->node);
	while (tn_node_vm_receive(a->node, event, sizeof event) > 0 && event[0] != TN_EVENT_READABLE) {
	}
	REQUIRE(event[0] == TN_EVENT_READABLE && tn_load32le(event + 4) == client);
	/* The app closes it in the callback and opens another, while the tunnel closes at once. */
	tn_store32le(record + 4, client);
	meanwhile = run_without_a;
	CHECK(tn_node_vm_send(a->node, record, sizeof record));
	uint32_t other = tn_node_vm_open(a->node);
	CHECK_EQ(other & 0xffff, client & 0xffff);
	size_t length;
	while ((length = tn_node_vm_receive(a->node, event, sizeof event)) > 0)
		CHECK(event[0] < TN_EVENT_CONNECTED || tn_load32le(event + 4) != other);
	net_free(net);
}

static uint32_t writer;

static void send_a_window(void)
{
	static const uint8_t zeros[TN_STREAM_SEND];
	CHECK_EQ(tn_node_vm_write(a->node, writer, zeros, sizeof zeros), sizeof zeros);
	for (unsigned i = 0; i < 20; i++) {
		net_run(net, 10);
		tn_node_vm_write(a->node, writer, zeros, sizeof zeros);
	}
}

TN_TEST_DESKTOP("a read that takes more than there was when it began opens the window again")
{
	static uint8_t got[TN_STREAM_RECEIVE];
	writer = connect_both();
	CHECK_EQ(tn_node_vm_write(a->node, writer, got, 100000), 100000);
	net_run(net, 100);
	struct tn_ring *ring = &b->node->sockets.slots[server & 0xffff].receive;
	REQUIRE(tn_ring_used(ring) == 100000 && tn_node_may_sleep(b->node));
	meanwhile = send_a_window;
	size_t taken = tn_node_vm_read(b->node, server, got, sizeof got);
	CHECK(taken > 200000);
	net_run(net, 1000);
	CHECK(tn_ring_used(ring) > 100000);
	net_free(net);
}

TN_TEST("a filter for which there is no memory blocks everything, and other commands go on")
{
	static uint8_t record[4096] = {TN_COMMAND_FILTER};
	uint32_t client = connect_both();
	is_memory_short = true;
	CHECK(tn_node_vm_send(b->node, record, sizeof record));
	is_memory_short = false;
	net_settle(net);
	CHECK_EQ(b->node->tunnel.filter.state, TN_FILTER_BLOCKS_ALL);
	CHECK_EQ(net_counter(b, "memoryRefused"), 1);
	net_filter(b, 0, 65535, false);
	net_settle(net);
	CHECK_EQ(b->node->tunnel.filter.state, TN_FILTER_RULES);
	CHECK(!net_socket(a, client)->closed);
	net_free(net);
}
