/*
 * The hubs of the process: wake-ups and timers of VMs.
 */
#include "tn_hub.h"

#include "tn_port.h"
#include "tn_host.h"

#define NO_ALARM UINT64_MAX

struct tn_hub {
	void *machine;
	void *host;
	uint32_t users;
	_Atomic uint32_t is_posted;
	bool is_delivering;
	uint32_t turn;
	uint64_t alarm;
	struct tn_client *clients;
	struct tn_timer *timers; /* the next one first */
	struct tn_hub *next;
};

/* Workers have VMs of their own, on threads of their own. */
static struct tn_hub *hubs;
static atomic_flag hubs_busy = ATOMIC_FLAG_INIT;
static void (*at_end)(void);

static void lock_hubs(void)
{
	while (atomic_flag_test_and_set_explicit(&hubs_busy, memory_order_acquire)) {
	}
}

static void unlock_hubs(void)
{
	atomic_flag_clear_explicit(&hubs_busy, memory_order_release);
}

/** The hub of a VM, which is this thread's; one user more. */
static struct tn_hub *join(void *machine)
{
	struct tn_hub *hub;
	lock_hubs();
	for (hub = hubs; hub != NULL && hub->machine != machine; hub = hub->next) {
	}
	unlock_hubs();
	if (hub == NULL) {
		hub = tn_port_allocate(sizeof *hub);
		if (hub == NULL)
			return NULL;
		hub->machine = machine;
		hub->alarm = NO_ALARM;
		hub->host = tn_hub_host_open(hub, machine);
		if (hub->host == NULL) {
			tn_port_free(hub);
			return NULL;
		}
		lock_hubs();
		hub->next = hubs;
		hubs = hub;
		unlock_hubs();
	}
	hub->users++;
	return hub;
}

/** One user less; the last one ends the hub. */
static void leave(struct tn_hub *hub)
{
	if (--hub->users > 0)
		return;
	lock_hubs();
	struct tn_hub **link = &hubs;
	while (*link != hub)
		link = &(*link)->next;
	*link = hub->next;
	void (*function)(void) = hubs == NULL ? at_end : NULL;
	if (function != NULL)
		at_end = NULL;
	unlock_hubs();
	tn_hub_host_close(hub->host);
	tn_port_free(hub);
	if (function != NULL)
		function();
}

void tn_hub_at_end(void (*function)(void))
{
	lock_hubs();
	at_end = function;
	unlock_hubs();
}

bool tn_client_open(struct tn_client *client, void *machine, void (*deliver)(struct tn_client *client))
{
	struct tn_hub *hub = join(machine);
	if (hub == NULL)
		return false;
	client->hub = hub;
	client->deliver = deliver;
	client->turn = hub->turn;
	atomic_store(&client->is_signalled, 0);
	client->next = hub->clients;
	hub->clients = client;
	return true;
}

void tn_client_signal(struct tn_client *client)
{
	struct tn_hub *hub = client->hub;
	if (atomic_exchange(&client->is_signalled, 1) == 0 && atomic_exchange(&hub->is_posted, 1) == 0)
		tn_hub_host_post(hub->host);
}

void tn_client_close(struct tn_client *client)
{
	struct tn_hub *hub = client->hub;
	if (hub == NULL)
		return;
	for (struct tn_client **link = &hub->clients; *link != NULL; link = &(*link)->next) {
		if (*link == client) {
			*link = client->next;
			break;
		}
	}
	client->hub = NULL;
	leave(hub);
}

/** Sets the alarm to the first timer. */
static void arm(struct tn_hub *hub)
{
	uint64_t at = hub->timers != NULL ? hub->timers->at : NO_ALARM;
	if (at == hub->alarm)
		return;
	hub->alarm = at;
	tn_hub_host_alarm(hub->host, at);
	/* A host may have one time for both: a post that came before the alarm was set must not be lost by it. */
	if (atomic_load(&hub->is_posted) != 0)
		tn_hub_host_post(hub->host);
}

bool tn_timer_start(struct tn_timer *timer, void *machine, uint32_t delay_ms, void (*fire)(struct tn_timer *timer))
{
	struct tn_hub *hub = join(machine);
	if (hub == NULL)
		return false;
	timer->hub = hub;
	timer->at = tn_host_now_ms() + delay_ms;
	timer->fire = fire;
	struct tn_timer **link = &hub->timers;
	while (*link != NULL && (*link)->at <= timer->at)
		link = &(*link)->next;
	timer->next = *link;
	*link = timer;
	if (!hub->is_delivering)
		arm(hub);
	return true;
}

void tn_timer_stop(struct tn_timer *timer)
{
	struct tn_hub *hub = timer->hub;
	if (hub == NULL)
		return;
	for (struct tn_timer **link = &hub->timers; *link != NULL; link = &(*link)->next) {
		if (*link == timer) {
			*link = timer->next;
			break;
		}
	}
	timer->hub = NULL;
	if (!hub->is_delivering)
		arm(hub);
	leave(hub);
}

/** Any client that has its flag set and was not called in this turn; the list may be another one after each call. */
static struct tn_client *take_signalled(struct tn_hub *hub)
{
	for (struct tn_client *client = hub->clients; client != NULL; client = client->next) {
		if (client->turn != hub->turn && atomic_exchange(&client->is_signalled, 0) != 0) {
			client->turn = hub->turn;
			return client;
		}
	}
	return NULL;
}

void tn_hub_deliver(struct tn_hub *hub)
{
	struct tn_client *client;
	uint64_t now = tn_host_now_ms();
	hub->users++;
	hub->is_delivering = true;
	hub->turn++;
	atomic_store(&hub->is_posted, 0);
	while ((client = take_signalled(hub)) != NULL)
		client->deliver(client);
	/* Timers started meanwhile wait for the next time, so that one that starts itself anew does not keep the VM. */
	while (hub->timers != NULL && hub->timers->at <= now) {
		struct tn_timer *timer = hub->timers;
		hub->timers = timer->next;
		timer->hub = NULL;
		hub->users--;
		timer->fire(timer);
	}
	hub->is_delivering = false;
	hub->alarm = NO_ALARM;
	arm(hub);
	leave(hub);
}

void *tn_hub_machine(const struct tn_hub *hub)
{
	return hub->machine;
}
