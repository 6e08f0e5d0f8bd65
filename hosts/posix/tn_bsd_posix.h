/*
 * hosts/desktop/tn_bsd.h on POSIX. Included by it, and by nobody else.
 */
#ifndef TN_BSD_POSIX_H
#define TN_BSD_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int tn_bsd;
#define TN_BSD_NONE (-1)

#ifdef MSG_NOSIGNAL
#define TN_BSD_SEND_FLAGS MSG_NOSIGNAL
#else
#define TN_BSD_SEND_FLAGS 0
#endif

static inline bool tn_bsd_begin(void)
{
	return true;
}

static inline void tn_bsd_end(void)
{
}

static inline enum tn_bsd_fault tn_bsd_fault_of(int error)
{
	switch (error) {
	case EAGAIN:
#if EWOULDBLOCK != EAGAIN
	case EWOULDBLOCK:
#endif
	case EINPROGRESS:
		return TN_BSD_WAIT;
	case EINTR:
		return TN_BSD_INTERRUPTED;
	case ENOBUFS:
		return TN_BSD_QUEUE;
	case EADDRINUSE:
		return TN_BSD_TAKEN;
	case EMSGSIZE:
		return TN_BSD_TOO_LONG;
	case EIO:
	case EINVAL:
	case EOPNOTSUPP:
		return TN_BSD_UNSUPPORTED;
	case ECONNREFUSED:
		return TN_BSD_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case ENETDOWN:
		return TN_BSD_UNREACHABLE;
	case ETIMEDOUT:
		return TN_BSD_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return TN_BSD_RESET;
	case ENOTCONN:
		return TN_BSD_UNCONNECTED;
	case EBADF:
	case ENOTSOCK:
	case ENODEV:
	case ENXIO:
		return TN_BSD_DEAD;
	default:
		return TN_BSD_OTHER;
	}
}

static inline enum tn_bsd_fault tn_bsd_last_fault(void)
{
	return tn_bsd_fault_of(errno);
}

static inline bool tn_bsd_set(tn_bsd socket, int level, int name, int value)
{
	return setsockopt(socket, level, name, &value, sizeof value) == 0;
}

static inline tn_bsd tn_bsd_open(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);
	if (fd < 0)
		return TN_BSD_NONE;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
#ifdef SO_NOSIGPIPE
	tn_bsd_set(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
	return fd;
}

static inline void tn_bsd_close(tn_bsd socket)
{
	close(socket);
}

static inline void tn_bsd_finish(tn_bsd socket)
{
	shutdown(socket, SHUT_WR);
}

static inline bool tn_bsd_error(tn_bsd socket, int *error)
{
	socklen_t length = sizeof *error;
	return getsockopt(socket, SOL_SOCKET, SO_ERROR, error, &length) == 0;
}

static inline int tn_bsd_send(tn_bsd socket, const void *bytes, size_t length)
{
	return (int)send(socket, bytes, length, TN_BSD_SEND_FLAGS);
}

static inline int tn_bsd_receive(tn_bsd socket, void *bytes, size_t length)
{
	return (int)recv(socket, bytes, length, 0);
}

static inline int tn_bsd_send_to(tn_bsd socket, const void *bytes, size_t length, const struct sockaddr_storage *to, socklen_t to_length)
{
	return (int)sendto(socket, bytes, length, 0, (const struct sockaddr *)(const void *)to, to_length);
}

static inline int tn_bsd_receive_from(tn_bsd socket, void *bytes, size_t length, struct sockaddr_storage *from)
{
	socklen_t from_length = sizeof *from;
	return (int)recvfrom(socket, bytes, length, 0, (struct sockaddr *)(void *)from, &from_length);
}

static inline int tn_bsd_wait_for_room(tn_bsd socket, int timeout_ms)
{
	struct pollfd wait = {.fd = socket, .events = POLLOUT};
	int ready = poll(&wait, 1, timeout_ms);
	return ready == 0 ? 0 : ready > 0 && (wait.revents & POLLOUT) != 0 ? 1 : -1;
}

#endif
