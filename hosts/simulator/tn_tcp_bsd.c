/*
 * TCP outside the tailnet by BSD sockets, and the connection thread: one wait for all streams.
 */
#include <string.h>

#include "tn_connection.h"
#include "tn_host.h"
#include "tn_port.h"
#include "tn_sockaddr.h"
#include "tn_tcp.h"
#include "tn_thread.h"
#include "tn_wait.h"

#define MAX_WAIT_MS 3600000u

struct tn_tcp {
	tn_bsd socket;
	bool has_failed; /* connect did, at once */
	enum tn_bsd_fault fault;
	unsigned interest;
	struct tn_tcp *next;
};

static struct {
	tn_mutex lock;      /* tn_tcp_lock */
	tn_mutex life_lock; /* start and join */
	tn_thread thread;
	bool is_joinable;
	struct tn_wait *wait;
	struct tn_tcp *streams; /* the thread's own */
} loop = {.lock = TN_MUTEX_OPEN, .life_lock = TN_MUTEX_OPEN};

/* ---- Streams ---- */

static int result_of(enum tn_bsd_fault fault)
{
	switch (fault) {
	case TN_BSD_WAIT:
	case TN_BSD_INTERRUPTED:
		return TN_TCP_WAIT;
	case TN_BSD_REFUSED:
		return TN_TCP_REFUSED;
	case TN_BSD_UNREACHABLE:
		return TN_TCP_UNREACHABLE;
	case TN_BSD_TIMEOUT:
		return TN_TCP_TIMEOUT;
	case TN_BSD_RESET:
		return TN_TCP_CLOSED;
	default:
		return TN_TCP_ERROR;
	}
}

struct tn_tcp *tn_tcp_open(const uint8_t address[16], uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t length = tn_sockaddr_to(&to, address, port, !tn_address_is_ip4(address));
	struct tn_tcp *tcp = tn_port_allocate(sizeof *tcp);
	if (tcp == NULL)
		return NULL;
	tcp->socket = tn_bsd_open(to.ss_family, SOCK_STREAM, 0);
	if (tcp->socket == TN_BSD_NONE) {
		tn_port_free(tcp);
		return NULL;
	}
	tn_bsd_set(tcp->socket, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(tcp->socket, (struct sockaddr *)&to, length) != 0) {
		tcp->fault = tn_bsd_last_fault();
		tcp->has_failed = result_of(tcp->fault) != TN_TCP_WAIT;
	}
	tcp->next = loop.streams;
	loop.streams = tcp;
	return tcp;
}

int tn_tcp_connected(struct tn_tcp *tcp)
{
	enum tn_bsd_fault fault;
	if (tcp->has_failed)
		return result_of(tcp->fault);
	return tn_bsd_is_connected(tcp->socket, &fault) ? 0 : result_of(fault);
}

int tn_tcp_send(struct tn_tcp *tcp, const uint8_t *bytes, size_t length)
{
	int sent = tn_bsd_send(tcp->socket, bytes, length);
	return sent >= 0 ? sent : result_of(tn_bsd_last_fault());
}

int tn_tcp_receive(struct tn_tcp *tcp, uint8_t *bytes, size_t length)
{
	int received = tn_bsd_receive(tcp->socket, bytes, length);
	return received > 0 ? received : received == 0 ? TN_TCP_CLOSED : result_of(tn_bsd_last_fault());
}

void tn_tcp_want(struct tn_tcp *tcp, unsigned interest)
{
	tcp->interest = ((interest & TN_TCP_READABLE) != 0 ? TN_WAIT_READABLE : 0u) | ((interest & TN_TCP_WRITABLE) != 0 ? TN_WAIT_WRITABLE : 0u);
}

void tn_tcp_local(struct tn_tcp *tcp, uint8_t address[16])
{
	struct sockaddr_storage own;
	socklen_t length = sizeof own;
	uint16_t port;
	memset(address, 0, 16);
	if (getsockname(tcp->socket, (struct sockaddr *)&own, &length) == 0)
		tn_sockaddr_from(&own, address, &port);
}

void tn_tcp_close(struct tn_tcp *tcp)
{
	if (tcp == NULL)
		return;
	struct tn_tcp **link = &loop.streams;
	while (*link != NULL && *link != tcp)
		link = &(*link)->next;
	if (*link != NULL)
		*link = tcp->next;
	tn_bsd_close(tcp->socket);
	tn_port_free(tcp);
}

/* ---- The thread ---- */

static void wait_until(uint64_t at)
{
	uint64_t now = tn_host_now_ms();
	int timeout = at == UINT64_MAX ? -1 : at <= now ? 0 : at - now > MAX_WAIT_MS ? (int)MAX_WAIT_MS : (int)(at - now);
	tn_wait_begin(loop.wait);
	for (struct tn_tcp *tcp = loop.streams; tcp != NULL; tcp = tcp->next)
		tn_wait_add(loop.wait, tcp->socket, tcp->interest);
	tn_wait_for(loop.wait, timeout);
}

static TN_THREAD_MAIN(run, unused)
{
	uint64_t next;
	(void)unused;
	tn_thread_name("tailnet streams");
	while ((next = tn_connections_turn(tn_host_now_ms())) != 0)
		wait_until(next);
	return TN_THREAD_END;
}

/** From the start of the thread on. @return false when there is none */
static bool open_wait(void)
{
	if (!tn_bsd_begin())
		return false;
	struct tn_wait *wait = tn_wait_open();
	if (wait == NULL)
		tn_bsd_end();
	tn_tcp_lock();
	loop.wait = wait;
	tn_tcp_unlock();
	return wait != NULL;
}

static void close_wait(void)
{
	tn_tcp_lock();
	tn_wait_close(loop.wait);
	loop.wait = NULL;
	tn_tcp_unlock();
	tn_bsd_end();
}

/** The life lock is held. */
static void join(void)
{
	if (!loop.is_joinable)
		return;
	tn_thread_join(loop.thread);
	loop.is_joinable = false;
	close_wait();
}

bool tn_tcp_thread_start(void)
{
	tn_mutex_lock(&loop.life_lock);
	join();
	if (open_wait()) {
		loop.is_joinable = tn_thread_start(&loop.thread, run, NULL);
		if (!loop.is_joinable)
			close_wait();
	}
	bool is_started = loop.is_joinable;
	tn_mutex_unlock(&loop.life_lock);
	return is_started;
}

void tn_tcp_thread_join(void)
{
	tn_mutex_lock(&loop.life_lock);
	join();
	tn_mutex_unlock(&loop.life_lock);
}

void tn_tcp_thread_kick(void)
{
	tn_tcp_lock();
	if (loop.wait != NULL)
		tn_wait_kick(loop.wait);
	tn_tcp_unlock();
}

void tn_tcp_lock(void)
{
	tn_mutex_lock(&loop.lock);
}

void tn_tcp_unlock(void)
{
	tn_mutex_unlock(&loop.lock);
}
