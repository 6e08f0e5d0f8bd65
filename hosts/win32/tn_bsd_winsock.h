/*
 * hosts/desktop/tn_bsd.h on Winsock. Included by it, and by nobody else.
 */
#ifndef TN_BSD_WINSOCK_H
#define TN_BSD_WINSOCK_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <limits.h>
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>

typedef SOCKET tn_bsd;
#define TN_BSD_NONE INVALID_SOCKET

/* winioctl.h's SIO_UDP_NETRESET is not in every SDK. */
#ifndef SIO_UDP_CONNRESET
#define SIO_UDP_CONNRESET _WSAIOW(IOC_VENDOR, 12)
#endif
#ifndef SIO_UDP_NETRESET
#define SIO_UDP_NETRESET _WSAIOW(IOC_VENDOR, 15)
#endif

static inline bool tn_bsd_begin(void)
{
	WSADATA facts;
	return WSAStartup(MAKEWORD(2, 2), &facts) == 0;
}

static inline void tn_bsd_end(void)
{
	WSACleanup();
}

static inline enum tn_bsd_fault tn_bsd_fault_of(int error)
{
	switch (error) {
	case WSAEWOULDBLOCK:
	case WSAEINPROGRESS:
	case WSAEALREADY:
		return TN_BSD_WAIT;
	case WSAEINTR:
		return TN_BSD_INTERRUPTED;
	case WSAENOBUFS:
		return TN_BSD_QUEUE;
	case WSAEADDRINUSE:
	case WSAEACCES: /* of a port that another socket has for itself, or that the system keeps back */
		return TN_BSD_TAKEN;
	case WSAEMSGSIZE:
		return TN_BSD_TOO_LONG;
	case WSAEINVAL:
	case WSAEOPNOTSUPP:
		return TN_BSD_UNSUPPORTED;
	case WSAECONNREFUSED:
		return TN_BSD_REFUSED;
	case WSAEHOSTUNREACH:
	case WSAENETUNREACH:
	case WSAEADDRNOTAVAIL:
	case WSAENETDOWN:
		return TN_BSD_UNREACHABLE;
	case WSAETIMEDOUT:
		return TN_BSD_TIMEOUT;
	case WSAECONNRESET:
	case WSAECONNABORTED:
	case WSAENETRESET:
	case WSAESHUTDOWN:
		return TN_BSD_RESET;
	case WSAENOTCONN:
		return TN_BSD_UNCONNECTED;
	case WSAENOTSOCK:
	case WSANOTINITIALISED:
		return TN_BSD_DEAD;
	default:
		return TN_BSD_OTHER;
	}
}

static inline enum tn_bsd_fault tn_bsd_last_fault(void)
{
	return tn_bsd_fault_of(WSAGetLastError());
}

static inline bool tn_bsd_set(tn_bsd socket, int level, int name, int value)
{
	return setsockopt(socket, level, name, (const char *)&value, sizeof value) == 0;
}

/** An ICMP answer to a datagram that was sent is no error of the socket. */
static inline void tn_bsd_ignore_answers(tn_bsd socket)
{
	BOOL is_wanted = FALSE;
	DWORD length;
	WSAIoctl(socket, SIO_UDP_CONNRESET, &is_wanted, sizeof is_wanted, NULL, 0, &length, NULL, NULL);
	WSAIoctl(socket, SIO_UDP_NETRESET, &is_wanted, sizeof is_wanted, NULL, 0, &length, NULL, NULL);
}

static inline tn_bsd tn_bsd_open(int family, int type, int protocol)
{
	u_long on = 1;
	tn_bsd made = WSASocketW(family, type, protocol, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
	if (made == TN_BSD_NONE)
		return TN_BSD_NONE;
	if (ioctlsocket(made, (long)FIONBIO, &on) != 0) {
		closesocket(made);
		return TN_BSD_NONE;
	}
	if (type == SOCK_DGRAM) {
		tn_bsd_ignore_answers(made);
		/* Without it another program may take the port over. */
		tn_bsd_set(made, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
	}
	return made;
}

static inline void tn_bsd_close(tn_bsd socket)
{
	closesocket(socket);
}

static inline void tn_bsd_finish(tn_bsd socket)
{
	shutdown(socket, SD_SEND);
}

static inline bool tn_bsd_error(tn_bsd socket, int *error)
{
	int length = sizeof *error;
	return getsockopt(socket, SOL_SOCKET, SO_ERROR, (char *)error, &length) == 0;
}

static inline int tn_bsd_send(tn_bsd socket, const void *bytes, size_t length)
{
	return send(socket, bytes, length > INT_MAX ? INT_MAX : (int)length, 0);
}

static inline int tn_bsd_receive(tn_bsd socket, void *bytes, size_t length)
{
	return recv(socket, bytes, length > INT_MAX ? INT_MAX : (int)length, 0);
}

static inline int tn_bsd_send_to(tn_bsd socket, const void *bytes, size_t length, const struct sockaddr_storage *to, socklen_t to_length)
{
	return sendto(socket, bytes, (int)length, 0, (const struct sockaddr *)(const void *)to, to_length);
}

static inline int tn_bsd_receive_from(tn_bsd socket, void *bytes, size_t length, struct sockaddr_storage *from)
{
	socklen_t from_length = sizeof *from;
	return recvfrom(socket, bytes, (int)length, 0, (struct sockaddr *)(void *)from, &from_length);
}

static inline int tn_bsd_wait_for_room(tn_bsd socket, int timeout_ms)
{
	WSAPOLLFD wait = {.fd = socket, .events = POLLOUT};
	int ready = WSAPoll(&wait, 1, timeout_ms);
	return ready == 0 ? 0 : ready > 0 && (wait.revents & POLLOUT) != 0 ? 1 : -1;
}

#endif
