/*
 * What the tunnel thread may do between two steps of the VM thread (tn_node_vm.c): the steps are made with the other thread's turn in between.
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

#define tn_ring_put put_and_wait
#include "../../native/tn_node_vm.c"
#undef tn_ring_put

static struct net *net;
static struct host *a;

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
