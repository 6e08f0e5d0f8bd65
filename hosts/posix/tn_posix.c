/*
 * The tunnel thread of a desktop process.
 *
 *   turn: take what has arrived on each node's sockets -> the node's turn (commands, sockets, timers, sends) -> wait for a datagram, a kick or time
 *
 * A node is added and removed by the VM thread through lists that the thread looks at when it was kicked; removal waits for it.
 */
#include "tn_host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif
#include "tn_link.h"
#include "tn_outside_set.h"
#include "tn_port.h"
#include "tn_thread_name.h"
#include "tn_udp.h"

#define US_PER_MS 1000u
#define MAX_WAIT_MS 3600000u
#define PORT_AT 2
/** Descriptors that are waited for before those of the nodes: the kick, news of the network. */
#define OWN_FDS 2
/** An unreachable destination is told at most this often. */
#define ERROR_MS 1000u

struct tn_host {
	struct tn_node *node;
	struct tn_udp udp;
	struct tn_outside_set outside;
	void (*wake)(void *context);
	void *context;
	pthread_mutex_t lock;
	struct tn_host *next;
	bool is_started, is_leaving, is_gone;
	bool is_readable[TN_UDP_FAMILIES];
	uint64_t wanted_at, told_error_at;
	_Atomic uint16_t port;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool is_running, is_stopping;
	size_t node_count;
	struct tn_host *added; /* not seen by the thread yet */
	struct tn_host *nodes; /* the thread's own */
	int wait_fd, kick_fd, link_fd;
	_Atomic uint32_t has_changes;
	uint8_t *buffers[TN_UDP_FAMILIES]; /* what one family brought stays in place while the other is read */
} loop = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .wait_fd = -1, .kick_fd = -1, .link_fd = -1};

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

static void kick(void)
{
	uint64_t one = 1;
	ssize_t written = write(loop.kick_fd, &one, sizeof one);
	(void)written;
}

void tn_port_kick(void *host)
{
	(void)host;
	kick();
}

void tn_port_wake(void *host)
{
	struct tn_host *posix = host;
	posix->wake(posix->context);
}

void tn_port_lock(void *host)
{
	pthread_mutex_lock(&((struct tn_host *)host)->lock);
}

void tn_port_unlock(void *host)
{
	pthread_mutex_unlock(&((struct tn_host *)host)->lock);
}

static void on_error(void *context, enum tn_udp_fault fault, const uint8_t endpoint[TN_ENDPOINT])
{
	struct tn_host *posix = context;
	uint64_t now = tn_host_now_us() / US_PER_MS;
	if (fault != TN_UDP_DEAD && posix->told_error_at != 0 && now - posix->told_error_at < ERROR_MS)
		return;
	posix->told_error_at = now;
	tn_node_udp_error(posix->node, fault == TN_UDP_DEAD ? NULL : endpoint);
}

void tn_port_send(void *host, struct tn_out *out)
{
	struct tn_host *posix = host;
	tn_udp_send(&posix->udp, out, on_error, posix);
}

bool tn_port_rebind(void *host, uint16_t port)
{
	struct tn_host *posix = host;
	tn_udp_close(&posix->udp);
	bool is_open = tn_udp_open(&posix->udp, port);
	atomic_store(&posix->port, posix->udp.port);
	return is_open;
}

struct tn_outside_set *tn_host_outside(void *host)
{
	return &((struct tn_host *)host)->outside;
}

/* ---- The thread ---- */

uint64_t tn_host_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void on_datagram(void *context, const uint8_t endpoint[TN_ENDPOINT], uint8_t *datagram, size_t length)
{
	tn_node_receive(((struct tn_host *)context)->node, endpoint, datagram, length);
}

/** Starts nodes that were added and stops those that leave. */
static void change_nodes(uint64_t now)
{
	pthread_mutex_lock(&loop.lock);
	atomic_store(&loop.has_changes, 0);
	while (loop.added != NULL) {
		struct tn_host *posix = loop.added;
		loop.added = posix->next;
		posix->next = loop.nodes;
		loop.nodes = posix;
	}
	for (struct tn_host **link = &loop.nodes; *link != NULL;) {
		struct tn_host *posix = *link;
		if (!posix->is_started && !posix->is_leaving) {
			posix->is_started = true;
			if (!tn_node_start(posix->node, now))
				tn_node_udp_error(posix->node, NULL);
		}
		if (posix->is_leaving) {
			*link = posix->next;
			if (posix->is_started)
				tn_node_stop(posix->node, now);
			posix->is_gone = true;
			pthread_cond_broadcast(&loop.changed);
		} else {
			link = &posix->next;
		}
	}
	pthread_mutex_unlock(&loop.lock);
}

/** One turn of a node. @return whether its sockets may have more */
static bool turn(struct tn_host *posix, uint64_t now)
{
	bool has_more = false;
	tn_node_begin(posix->node, now);
	for (unsigned family = 0; family < TN_UDP_FAMILIES; family++) {
		if (!posix->is_readable[family] || posix->udp.sockets[family] < 0)
			continue;
		posix->is_readable[family] = tn_udp_receive(&posix->udp, (enum tn_udp_family)family, loop.buffers[family], on_datagram, posix);
		has_more |= posix->is_readable[family];
	}
	posix->wanted_at = tn_node_turn(posix->node);
	return has_more;
}

/** How long the thread may wait, in milliseconds; -1: until something happens. */
static int wait_time(uint64_t now)
{
	uint64_t next = UINT64_MAX;
	for (struct tn_host *posix = loop.nodes; posix != NULL; posix = posix->next) {
		if (posix->wanted_at < next)
			next = posix->wanted_at;
	}
	if (next <= now)
		return 0;
	return next == UINT64_MAX ? -1 : next - now > MAX_WAIT_MS ? (int)MAX_WAIT_MS : (int)(next - now);
}

static void wait_for_something(struct pollfd *fds, bool has_more)
{
	size_t count = OWN_FDS;
	int timeout = has_more ? 0 : wait_time(tn_host_now_us() / US_PER_MS);
	fds[0] = (struct pollfd){.fd = loop.wait_fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = loop.link_fd, .events = POLLIN};
	for (struct tn_host *posix = loop.nodes; posix != NULL; posix = posix->next) {
		for (size_t i = 0; i < TN_UDP_FAMILIES; i++)
			fds[count++] = (struct pollfd){.fd = posix->udp.sockets[i], .events = POLLIN};
		tn_outside_poll(&posix->outside, fds + count);
		count += posix->outside.count;
	}
	for (struct tn_host *posix = loop.nodes; posix != NULL && timeout != 0; posix = posix->next) {
		if (!tn_node_may_sleep(posix->node))
			timeout = 0;
	}
	if (atomic_load(&loop.has_changes) != 0)
		timeout = 0;
	if (poll(fds, (nfds_t)count, timeout) > 0 && (fds[0].revents & POLLIN) != 0) {
		uint8_t drained[64];
		ssize_t size = read(loop.wait_fd, drained, sizeof drained);
		(void)size;
	}
	const bool has_news = (fds[1].revents & (POLLIN | POLLERR)) != 0 && tn_link_take(loop.link_fd);
	count = OWN_FDS;
	for (struct tn_host *posix = loop.nodes; posix != NULL; posix = posix->next) {
		tn_node_awake(posix->node);
		if (has_news)
			tn_node_link_changed(posix->node);
		for (size_t i = 0; i < TN_UDP_FAMILIES; i++, count++)
			posix->is_readable[i] = (fds[count].revents & (POLLIN | POLLERR)) != 0;
		tn_outside_polled(&posix->outside, fds + count);
		count += posix->outside.count;
	}
}

static void *run(void *unused)
{
	struct pollfd *fds = NULL;
	size_t fd_count = 0;
	(void)unused;
	tn_thread_name("tailnet");
	for (;;) {
		size_t nodes = 0, others = 0;
		bool has_more = false;
		uint64_t now = tn_host_now_us() / US_PER_MS;
		if (atomic_load(&loop.has_changes) != 0)
			change_nodes(now);
		for (struct tn_host *posix = loop.nodes; posix != NULL; posix = posix->next, nodes++) {
			has_more |= turn(posix, now);
			others += posix->outside.count;
		}
		if (nodes == 0) {
			pthread_mutex_lock(&loop.lock);
			bool is_over = loop.node_count == 0;
			pthread_mutex_unlock(&loop.lock);
			if (is_over)
				break;
		}
		if (fd_count < OWN_FDS + TN_UDP_FAMILIES * nodes + others) {
			size_t wanted = OWN_FDS + TN_UDP_FAMILIES * (nodes + 4) + 2 * others;
			struct pollfd *larger = realloc(fds, wanted * sizeof *fds);
			if (larger == NULL)
				continue;
			fds = larger;
			fd_count = wanted;
		}
		wait_for_something(fds, has_more);
	}
	free(fds);
	return NULL;
}

/* ---- Life of nodes: VM threads ---- */

static bool open_kick(void)
{
#ifdef __linux__
	loop.wait_fd = loop.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return loop.wait_fd >= 0;
#else
	int ends[2];
	if (pipe(ends) != 0)
		return false;
	for (size_t i = 0; i < 2; i++) {
		fcntl(ends[i], F_SETFD, FD_CLOEXEC);
		fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
	}
	loop.wait_fd = ends[0];
	loop.kick_fd = ends[1];
	return true;
#endif
}

static void close_kick(void)
{
	if (loop.kick_fd >= 0 && loop.kick_fd != loop.wait_fd)
		close(loop.kick_fd);
	if (loop.wait_fd >= 0)
		close(loop.wait_fd);
	if (loop.link_fd >= 0)
		close(loop.link_fd);
	loop.wait_fd = loop.kick_fd = loop.link_fd = -1;
}

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

/** Starts the thread; it takes no signal. The lock is held. */
static bool start_thread(void)
{
	sigset_t all, before;
	if (!allocate_buffers() || !open_kick()) {
		free_buffers();
		return false;
	}
	loop.link_fd = tn_link_open();
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	loop.is_running = pthread_create(&loop.thread, NULL, run, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!loop.is_running) {
		close_kick();
		free_buffers();
	}
	return loop.is_running;
}

static void free_node(struct tn_host *posix)
{
	tn_udp_close(&posix->udp);
	tn_node_destroy(posix->node);
	pthread_mutex_destroy(&posix->lock);
	free(posix);
}

struct tn_host *tn_host_open(const uint8_t *identity, size_t length, void (*wake)(void *context), void *context, const char **error)
{
	if (sodium_init() < 0 || length < PORT_AT + 2) {
		*error = "expected an identity record";
		return NULL;
	}
	struct tn_host *posix = calloc(1, sizeof *posix);
	if (posix == NULL) {
		*error = "out of memory";
		return NULL;
	}
	pthread_mutex_init(&posix->lock, NULL);
	posix->wake = wake;
	posix->context = context;
	posix->udp = (struct tn_udp){.sockets = {-1, -1}};
	posix->node = tn_node_create(identity, length, posix);
	if (posix->node == NULL) {
		*error = "expected an identity record";
		free_node(posix);
		return NULL;
	}
	if (!tn_udp_open(&posix->udp, (uint16_t)(identity[PORT_AT] | identity[PORT_AT + 1] << 8))) {
		*error = "no UDP socket could be bound";
		free_node(posix);
		return NULL;
	}
	posix->port = posix->udp.port;
	pthread_mutex_lock(&loop.lock);
	while (loop.is_stopping)
		pthread_cond_wait(&loop.changed, &loop.lock);
	bool is_started = loop.is_running || start_thread();
	if (is_started) {
		posix->next = loop.added;
		loop.added = posix;
		loop.node_count++;
		atomic_store(&loop.has_changes, 1);
		kick();
	}
	pthread_mutex_unlock(&loop.lock);
	if (!is_started) {
		*error = "the tunnel thread could not be started";
		free_node(posix);
		return NULL;
	}
	return posix;
}

struct tn_node *tn_host_node(struct tn_host *posix)
{
	return posix->node;
}

uint16_t tn_host_port(const struct tn_host *posix)
{
	return (uint16_t)atomic_load(&posix->port);
}

void tn_host_close(struct tn_host *posix)
{
	pthread_mutex_lock(&loop.lock);
	posix->is_leaving = true;
	atomic_store(&loop.has_changes, 1);
	kick();
	while (!posix->is_gone)
		pthread_cond_wait(&loop.changed, &loop.lock);
	bool is_last = --loop.node_count == 0;
	if (is_last) {
		loop.is_stopping = true;
		kick();
	}
	pthread_mutex_unlock(&loop.lock);
	if (is_last) {
		pthread_join(loop.thread, NULL);
		pthread_mutex_lock(&loop.lock);
		close_kick();
		free_buffers();
		loop.is_running = loop.is_stopping = false;
		pthread_cond_broadcast(&loop.changed);
		pthread_mutex_unlock(&loop.lock);
	}
	free_node(posix);
}
