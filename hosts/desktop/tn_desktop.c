/*
 * The tunnel thread of a desktop process.
 *
 *   turn: take what has arrived on each node's sockets -> the node's turn (commands, sockets, timers, sends) -> wait for a datagram, a kick or time
 *
 * A node is added and removed by the VM thread through lists that the thread looks at when it was kicked; removal waits for it.
 */
#include "tn_host.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "tn_link.h"
#include "tn_outside_set.h"
#include "tn_port.h"
#include "tn_thread.h"
#include "tn_udp.h"
#include "tn_wait.h"

#define MAX_WAIT_MS 3600000u
#define PORT_AT 2
/** An unreachable destination is told at most this often. */
#define ERROR_MS 1000u

struct tn_host {
	struct tn_node *node;
	struct tn_udp udp;
	struct tn_outside_set outside;
	void (*wake)(void *context);
	void *context;
	tn_mutex lock;
	struct tn_host *next;
	bool is_started, is_leaving, is_gone;
	bool is_readable[TN_UDP_FAMILIES];
	uint64_t wanted_at, told_error_at;
	_Atomic uint16_t port;
};

static struct {
	tn_mutex lock;
	tn_condition changed;
	tn_thread thread;
	bool is_running, is_stopping;
	size_t node_count;
	struct tn_host *added; /* not seen by the thread yet */
	struct tn_host *nodes; /* the thread's own */
	struct tn_wait *wait;
	struct tn_link *link;
	_Atomic uint32_t has_changes;
	uint8_t *buffers[TN_UDP_FAMILIES]; /* what one family brought stays in place while the other is read */
} loop = {.lock = TN_MUTEX_OPEN, .changed = TN_CONDITION_OPEN};

/* ---- tn_port.h ---- */

void tn_port_random(void *out, size_t n)
{
	randombytes_buf(out, n);
}

void *tn_port_allocate(size_t size)
{
	return calloc(1, size);
}

void tn_port_free(void *memory)
{
	free(memory);
}

void tn_port_kick(void *host)
{
	(void)host;
	tn_wait_kick(loop.wait);
}

void tn_port_wake(void *host)
{
	struct tn_host *desktop = host;
	desktop->wake(desktop->context);
}

void tn_port_lock(void *host)
{
	tn_mutex_lock(&((struct tn_host *)host)->lock);
}

void tn_port_unlock(void *host)
{
	tn_mutex_unlock(&((struct tn_host *)host)->lock);
}

static void on_error(void *context, enum tn_udp_fault fault, const uint8_t endpoint[TN_ENDPOINT])
{
	struct tn_host *desktop = context;
	uint64_t now = tn_host_now_ms();
	if (fault != TN_UDP_DEAD && desktop->told_error_at != 0 && now - desktop->told_error_at < ERROR_MS)
		return;
	desktop->told_error_at = now;
	tn_node_udp_error(desktop->node, fault == TN_UDP_DEAD ? NULL : endpoint);
}

void tn_port_send(void *host, struct tn_out *out)
{
	struct tn_host *desktop = host;
	tn_udp_send(&desktop->udp, out, on_error, desktop);
}

bool tn_port_rebind(void *host, uint16_t port)
{
	struct tn_host *desktop = host;
	tn_udp_close(&desktop->udp);
	bool is_open = tn_udp_open(&desktop->udp, port);
	atomic_store(&desktop->port, desktop->udp.port);
	return is_open;
}

struct tn_outside_set *tn_host_outside(void *host)
{
	return &((struct tn_host *)host)->outside;
}

/* ---- The thread ---- */

static void on_datagram(void *context, const uint8_t endpoint[TN_ENDPOINT], uint8_t *datagram, size_t length)
{
	tn_node_receive(((struct tn_host *)context)->node, endpoint, datagram, length);
}

/** Starts nodes that were added and stops those that leave. */
static void change_nodes(uint64_t now)
{
	tn_mutex_lock(&loop.lock);
	atomic_store(&loop.has_changes, 0);
	while (loop.added != NULL) {
		struct tn_host *desktop = loop.added;
		loop.added = desktop->next;
		desktop->next = loop.nodes;
		loop.nodes = desktop;
	}
	for (struct tn_host **link = &loop.nodes; *link != NULL;) {
		struct tn_host *desktop = *link;
		if (!desktop->is_started && !desktop->is_leaving) {
			desktop->is_started = true;
			if (!tn_node_start(desktop->node, now))
				tn_node_udp_error(desktop->node, NULL);
		}
		if (desktop->is_leaving) {
			*link = desktop->next;
			if (desktop->is_started)
				tn_node_stop(desktop->node, now);
			desktop->is_gone = true;
			tn_condition_broadcast(&loop.changed);
		} else {
			link = &desktop->next;
		}
	}
	tn_mutex_unlock(&loop.lock);
}

/** One turn of a node. @return whether its sockets may have more */
static bool turn(struct tn_host *desktop, uint64_t now)
{
	bool has_more = false;
	tn_node_begin(desktop->node, now);
	for (unsigned family = 0; family < TN_UDP_FAMILIES; family++) {
		if (!desktop->is_readable[family] || desktop->udp.sockets[family] == TN_BSD_NONE)
			continue;
		desktop->is_readable[family] = tn_udp_receive(&desktop->udp, (enum tn_udp_family)family, loop.buffers[family], on_datagram, desktop);
		has_more |= desktop->is_readable[family];
	}
	desktop->wanted_at = tn_node_turn(desktop->node);
	return has_more;
}

/** How long the thread may wait, in milliseconds; -1: until something happens. */
static int wait_time(uint64_t now)
{
	uint64_t next = UINT64_MAX;
	for (struct tn_host *desktop = loop.nodes; desktop != NULL; desktop = desktop->next) {
		if (desktop->wanted_at < next)
			next = desktop->wanted_at;
	}
	if (next <= now)
		return 0;
	return next == UINT64_MAX ? -1 : next - now > MAX_WAIT_MS ? (int)MAX_WAIT_MS : (int)(next - now);
}

static void wait_for_something(bool has_more)
{
	size_t count = 1;
	int timeout = has_more ? 0 : wait_time(tn_host_now_ms());
	tn_wait_begin(loop.wait);
	tn_wait_add(loop.wait, tn_link_socket(loop.link), TN_WAIT_READABLE);
	for (struct tn_host *desktop = loop.nodes; desktop != NULL; desktop = desktop->next) {
		for (size_t i = 0; i < TN_UDP_FAMILIES; i++)
			tn_wait_add(loop.wait, desktop->udp.sockets[i], TN_WAIT_READABLE);
		tn_outside_wait(&desktop->outside, loop.wait);
	}
	for (struct tn_host *desktop = loop.nodes; desktop != NULL && timeout != 0; desktop = desktop->next) {
		if (!tn_node_may_sleep(desktop->node))
			timeout = 0;
	}
	if (atomic_load(&loop.has_changes) != 0)
		timeout = 0;
	tn_wait_for(loop.wait, timeout);
	const bool has_news = tn_wait_is_ready(loop.wait, 0) && tn_link_take(loop.link);
	for (struct tn_host *desktop = loop.nodes; desktop != NULL; desktop = desktop->next) {
		tn_node_awake(desktop->node);
		if (has_news)
			tn_node_link_changed(desktop->node);
		for (size_t i = 0; i < TN_UDP_FAMILIES; i++)
			desktop->is_readable[i] = tn_wait_is_ready(loop.wait, count++);
		count = tn_outside_waited(&desktop->outside, loop.wait, count);
	}
}

static TN_THREAD_MAIN(run, unused)
{
	(void)unused;
	tn_thread_name("tailnet");
	for (;;) {
		bool has_more = false;
		uint64_t now = tn_host_now_ms();
		if (atomic_load(&loop.has_changes) != 0)
			change_nodes(now);
		for (struct tn_host *desktop = loop.nodes; desktop != NULL; desktop = desktop->next)
			has_more |= turn(desktop, now);
		if (loop.nodes == NULL) {
			tn_mutex_lock(&loop.lock);
			bool is_over = loop.node_count == 0;
			tn_mutex_unlock(&loop.lock);
			if (is_over)
				break;
		}
		wait_for_something(has_more);
	}
	return TN_THREAD_END;
}

/* ---- Life of nodes: VM threads ---- */

static bool allocate_buffers(void)
{
	for (size_t i = 0; i < TN_UDP_FAMILIES; i++) {
		if (loop.buffers[i] == NULL)
			loop.buffers[i] = malloc(tn_udp_buffer_size());
		if (loop.buffers[i] == NULL)
			return false;
	}
	return true;
}

/** With the thread: a library that is unloaded would leave them behind. */
static void free_buffers(void)
{
	for (size_t i = 0; i < TN_UDP_FAMILIES; i++) {
		free(loop.buffers[i]);
		loop.buffers[i] = NULL;
	}
}

/** What the thread needs while it runs; the lock is held. */
static void free_loop(void)
{
	tn_link_close(loop.link);
	loop.link = NULL;
	if (loop.wait != NULL)
		tn_wait_close(loop.wait);
	loop.wait = NULL;
	free_buffers();
}

/** The lock is held. */
static bool start_thread(void)
{
	loop.wait = tn_wait_open();
	if (loop.wait != NULL)
		loop.link = tn_link_open(loop.wait);
	loop.is_running = loop.wait != NULL && allocate_buffers() && tn_thread_start(&loop.thread, run, NULL);
	if (!loop.is_running)
		free_loop();
	return loop.is_running;
}

static void free_node(struct tn_host *desktop)
{
	tn_udp_close(&desktop->udp);
	tn_node_destroy(desktop->node);
	tn_mutex_destroy(&desktop->lock);
	free(desktop);
	tn_bsd_end();
}

struct tn_host *tn_host_open(const uint8_t *identity, size_t length, void (*wake)(void *context), void *context, const char **error)
{
	if (sodium_init() < 0 || length < PORT_AT + 2) {
		*error = "expected an identity record";
		return NULL;
	}
	if (!tn_bsd_begin()) {
		*error = "the system has no sockets";
		return NULL;
	}
	struct tn_host *desktop = calloc(1, sizeof *desktop);
	if (desktop == NULL) {
		*error = "out of memory";
		tn_bsd_end();
		return NULL;
	}
	tn_mutex_init(&desktop->lock);
	desktop->wake = wake;
	desktop->context = context;
	desktop->udp = (struct tn_udp){.sockets = {TN_BSD_NONE, TN_BSD_NONE}};
	desktop->node = tn_node_create(identity, length, desktop);
	if (desktop->node == NULL) {
		*error = "expected an identity record";
		free_node(desktop);
		return NULL;
	}
	if (!tn_udp_open(&desktop->udp, (uint16_t)(identity[PORT_AT] | identity[PORT_AT + 1] << 8))) {
		*error = "no UDP socket could be bound";
		free_node(desktop);
		return NULL;
	}
	desktop->port = desktop->udp.port;
	tn_mutex_lock(&loop.lock);
	while (loop.is_stopping)
		tn_condition_wait(&loop.changed, &loop.lock);
	bool is_started = loop.is_running || start_thread();
	if (is_started) {
		desktop->next = loop.added;
		loop.added = desktop;
		loop.node_count++;
		atomic_store(&loop.has_changes, 1);
		tn_wait_kick(loop.wait);
	}
	tn_mutex_unlock(&loop.lock);
	if (!is_started) {
		*error = "the tunnel thread could not be started";
		free_node(desktop);
		return NULL;
	}
	return desktop;
}

struct tn_node *tn_host_node(struct tn_host *desktop)
{
	return desktop->node;
}

uint16_t tn_host_port(const struct tn_host *desktop)
{
	return (uint16_t)atomic_load(&desktop->port);
}

void tn_host_close(struct tn_host *desktop)
{
	tn_mutex_lock(&loop.lock);
	desktop->is_leaving = true;
	atomic_store(&loop.has_changes, 1);
	tn_wait_kick(loop.wait);
	while (!desktop->is_gone)
		tn_condition_wait(&loop.changed, &loop.lock);
	bool is_last = --loop.node_count == 0;
	if (is_last) {
		loop.is_stopping = true;
		tn_wait_kick(loop.wait);
	}
	tn_mutex_unlock(&loop.lock);
	if (is_last) {
		tn_thread_join(loop.thread);
		tn_mutex_lock(&loop.lock);
		free_loop();
		loop.is_running = loop.is_stopping = false;
		tn_condition_broadcast(&loop.changed);
		tn_mutex_unlock(&loop.lock);
	}
	free_node(desktop);
}
