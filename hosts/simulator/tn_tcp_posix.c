/*
 * TCP outside the tailnet on POSIX, and the connection thread: one poll for all streams.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tn_connection.h"
#include "tn_host.h"
#include "tn_port.h"
#include "tn_tcp.h"
#include "tn_thread_name.h"

#define US_PER_MS 1000u
#define STREAMS_MAX 64
#define MAX_WAIT_MS 3600000u
#ifdef MSG_NOSIGNAL
#define SEND_FLAGS MSG_NOSIGNAL
#else
#define SEND_FLAGS 0
#endif

struct tn_tcp {
	int fd;
	int error; /* of a connect that failed at once */
	short events;
	struct tn_tcp *next;
};

static struct {
	pthread_mutex_t lock;      /* tn_tcp_lock */
	pthread_mutex_t life_lock; /* start and join */
	pthread_t thread;
	bool is_joinable;
	int kick[2];
	struct tn_tcp *streams; /* the thread's own */
} loop = {.lock = PTHREAD_MUTEX_INITIALIZER, .life_lock = PTHREAD_MUTEX_INITIALIZER, .kick = {-1, -1}};

/* ---- Streams ---- */

static int result_of(int error)
{
	switch (error) {
	case EAGAIN:
#if EWOULDBLOCK != EAGAIN
	case EWOULDBLOCK:
#endif
	case EINTR:
	case EINPROGRESS:
		return TN_TCP_WAIT;
	case ECONNREFUSED:
		return TN_TCP_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case ENETDOWN:
		return TN_TCP_UNREACHABLE;
	case ETIMEDOUT:
		return TN_TCP_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return TN_TCP_CLOSED;
	default:
		return TN_TCP_ERROR;
	}
}

static bool is_ip4(const uint8_t address[16])
{
	static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	return memcmp(address, prefix, sizeof prefix) == 0;
}

struct tn_tcp *tn_tcp_open(const uint8_t address[16], uint16_t port)
{
	struct sockaddr_storage to = {0};
	socklen_t length;
	int on = 1;
	struct tn_tcp *tcp = tn_port_allocate(sizeof *tcp);
	if (tcp == NULL)
		return NULL;
	if (is_ip4(address)) {
		struct sockaddr_in *in = (struct sockaddr_in *)&to;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, address + 12, 4);
		length = sizeof *in;
	} else {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)&to;
		in->sin6_family = AF_INET6;
		in->sin6_port = htons(port);
		memcpy(&in->sin6_addr, address, 16);
		length = sizeof *in;
	}
	tcp->fd = socket(to.ss_family, SOCK_STREAM, 0);
	if (tcp->fd < 0) {
		tn_port_free(tcp);
		return NULL;
	}
	fcntl(tcp->fd, F_SETFD, FD_CLOEXEC);
	fcntl(tcp->fd, F_SETFL, fcntl(tcp->fd, F_GETFL) | O_NONBLOCK);
	setsockopt(tcp->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef SO_NOSIGPIPE
	setsockopt(tcp->fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
	if (connect(tcp->fd, (struct sockaddr *)&to, length) != 0 && result_of(errno) != TN_TCP_WAIT)
		tcp->error = errno;
	tcp->next = loop.streams;
	loop.streams = tcp;
	return tcp;
}

int tn_tcp_connected(struct tn_tcp *tcp)
{
	int error = tcp->error;
	socklen_t length = sizeof error;
	struct sockaddr_storage peer;
	socklen_t peer_length = sizeof peer;
	if (error == 0 && getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		return TN_TCP_ERROR;
	if (error != 0)
		return result_of(error);
	if (getpeername(tcp->fd, (struct sockaddr *)&peer, &peer_length) == 0)
		return 0;
	return errno == ENOTCONN ? TN_TCP_WAIT : TN_TCP_ERROR;
}

int tn_tcp_send(struct tn_tcp *tcp, const uint8_t *bytes, size_t length)
{
	ssize_t sent = send(tcp->fd, bytes, length, SEND_FLAGS);
	return sent >= 0 ? (int)sent : result_of(errno);
}

int tn_tcp_receive(struct tn_tcp *tcp, uint8_t *bytes, size_t length)
{
	ssize_t received = recv(tcp->fd, bytes, length, 0);
	return received > 0 ? (int)received : received == 0 ? TN_TCP_CLOSED : result_of(errno);
}

void tn_tcp_want(struct tn_tcp *tcp, unsigned interest)
{
	tcp->events = (short)(((interest & TN_TCP_READABLE) != 0 ? POLLIN : 0) | ((interest & TN_TCP_WRITABLE) != 0 ? POLLOUT : 0));
}

void tn_tcp_local(struct tn_tcp *tcp, uint8_t address[16])
{
	struct sockaddr_storage own;
	socklen_t length = sizeof own;
	memset(address, 0, 16);
	if (getsockname(tcp->fd, (struct sockaddr *)&own, &length) != 0)
		return;
	if (own.ss_family == AF_INET) {
		address[10] = address[11] = 0xff;
		memcpy(address + 12, &((struct sockaddr_in *)&own)->sin_addr, 4);
	} else if (own.ss_family == AF_INET6) {
		memcpy(address, &((struct sockaddr_in6 *)&own)->sin6_addr, 16);
	}
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
	close(tcp->fd);
	tn_port_free(tcp);
}

/* ---- The thread ---- */

static void wait_until(uint64_t at)
{
	struct pollfd fds[1 + STREAMS_MAX] = {{.fd = loop.kick[0], .events = POLLIN}};
	nfds_t count = 1;
	uint64_t now = tn_host_now_us() / US_PER_MS;
	int timeout = at == UINT64_MAX ? -1 : at <= now ? 0 : at - now > MAX_WAIT_MS ? (int)MAX_WAIT_MS : (int)(at - now);
	for (struct tn_tcp *tcp = loop.streams; tcp != NULL && count <= STREAMS_MAX; tcp = tcp->next)
		fds[count++] = (struct pollfd){.fd = tcp->fd, .events = tcp->events};
	if (poll(fds, count, timeout) > 0 && (fds[0].revents & POLLIN) != 0) {
		uint8_t drained[64];
		ssize_t size = read(loop.kick[0], drained, sizeof drained);
		(void)size;
	}
}

static void *run(void *unused)
{
	uint64_t next;
	(void)unused;
	tn_thread_name("tailnet streams");
	while ((next = tn_connections_turn(tn_host_now_us() / US_PER_MS)) != 0)
		wait_until(next);
	return NULL;
}

static void close_kick(void)
{
	for (size_t i = 0; i < 2; i++) {
		if (loop.kick[i] >= 0)
			close(loop.kick[i]);
		loop.kick[i] = -1;
	}
}

static bool open_kick(void)
{
	if (pipe(loop.kick) != 0)
		return false;
	for (size_t i = 0; i < 2; i++) {
		fcntl(loop.kick[i], F_SETFD, FD_CLOEXEC);
		fcntl(loop.kick[i], F_SETFL, fcntl(loop.kick[i], F_GETFL) | O_NONBLOCK);
	}
	return true;
}

/** The life lock is held. */
static void join(void)
{
	if (!loop.is_joinable)
		return;
	pthread_join(loop.thread, NULL);
	loop.is_joinable = false;
	tn_tcp_lock();
	close_kick();
	tn_tcp_unlock();
}

bool tn_tcp_thread_start(void)
{
	sigset_t all, before;
	pthread_mutex_lock(&loop.life_lock);
	join();
	tn_tcp_lock();
	bool has_kick = open_kick();
	tn_tcp_unlock();
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	loop.is_joinable = has_kick && pthread_create(&loop.thread, NULL, run, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	bool is_started = loop.is_joinable;
	pthread_mutex_unlock(&loop.life_lock);
	return is_started;
}

void tn_tcp_thread_join(void)
{
	pthread_mutex_lock(&loop.life_lock);
	join();
	pthread_mutex_unlock(&loop.life_lock);
}

void tn_tcp_thread_kick(void)
{
	tn_tcp_lock();
	if (loop.kick[1] >= 0) {
		ssize_t written = write(loop.kick[1], "", 1);
		(void)written;
	}
	tn_tcp_unlock();
}

void tn_tcp_lock(void)
{
	pthread_mutex_lock(&loop.lock);
}

void tn_tcp_unlock(void)
{
	pthread_mutex_unlock(&loop.lock);
}
