/*
 * Sockets on the network below, of a desktop.
 */
#include "tn_outside_set.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_packet.h"
#include "tn_port.h"

/* Where there is none, SIGPIPE is the process's own business: hosts of the command ignore it. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

struct tn_outside {
	struct tn_outside_set *set;
	struct tn_outside *next;
	tn_outside_ready ready;
	void *context;
	int socket; /* -1: closed, and freed after the turn's round */
	bool is_ip6, is_ready;
	unsigned wanted;
#if TN_SUBNET
	bool is_stream, is_finished, has_host_ended;
	bool is_echo;
	bool is_raw; /* echo: the socket sees whole packets, and all replies */
	uint16_t echo_id;
#endif
};

union address {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};

/** @return length of the socket address */
static socklen_t to_socket(union address *out, const uint8_t address[16], uint16_t port, bool is_ip6)
{
	memset(out, 0, sizeof *out);
	if (is_ip6) {
		out->ip6.sin6_family = AF_INET6;
		out->ip6.sin6_port = htons(port);
		memcpy(&out->ip6.sin6_addr, address, 16);
		return sizeof out->ip6;
	}
	out->ip4.sin_family = AF_INET;
	out->ip4.sin_port = htons(port);
	memcpy(&out->ip4.sin_addr, address + 12, 4);
	return sizeof out->ip4;
}

static void from_socket(const union address *in, uint8_t address[16], uint16_t *port)
{
	if (in->any.sa_family == AF_INET6) {
		memcpy(address, &in->ip6.sin6_addr, 16);
		*port = ntohs(in->ip6.sin6_port);
	} else {
		tn_address_from_ip4(address, (const uint8_t *)&in->ip4.sin_addr);
		*port = ntohs(in->ip4.sin_port);
	}
}

static int make_socket(bool is_ip6, int type, int protocol)
{
	int one = 1;
	int made = socket(is_ip6 ? AF_INET6 : AF_INET, type, protocol);
	if (made < 0)
		return -1;
	fcntl(made, F_SETFD, FD_CLOEXEC);
	fcntl(made, F_SETFL, fcntl(made, F_GETFL) | O_NONBLOCK);
	if (is_ip6)
		setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	return made;
}

static struct tn_outside *add(void *host, int opened, bool is_ip6, tn_outside_ready ready, void *context)
{
	struct tn_outside_set *set = tn_host_outside(host);
	struct tn_outside *outside = opened < 0 ? NULL : calloc(1, sizeof *outside);
	if (outside == NULL) {
		if (opened >= 0)
			close(opened);
		return NULL;
	}
	*outside = (struct tn_outside){.set = set, .next = set->first, .ready = ready, .context = context, .socket = opened, .is_ip6 = is_ip6, .wanted = POLLIN};
	set->first = outside;
	set->count++;
	return outside;
}

struct tn_outside *tn_outside_udp(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	static const uint8_t any[16] = {0};
	union address address;
	int opened = make_socket(is_ip6, SOCK_DGRAM, 0);
	socklen_t length = to_socket(&address, any, 0, is_ip6);
	/* The system picks the port at random. */
	if (opened >= 0 && bind(opened, &address.any, length) != 0) {
		close(opened);
		return NULL;
	}
	return add(host, opened, is_ip6, ready, context);
}

#if TN_SUBNET

#define ECHO_HEADER 8
#define ECHO4 8
#define ECHO6 128
#define IP4_HEADER 20

/**
 * Linux lets some groups ask by sockets of this kind (net.ipv4.ping_group_range), and the id is then the system's; elsewhere a raw socket does, which wants
 * privileges.
 */
struct tn_outside *tn_outside_echo(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	int protocol = is_ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int opened = make_socket(is_ip6, SOCK_DGRAM, protocol);
	bool is_raw = opened < 0;
	if (is_raw)
		opened = make_socket(is_ip6, SOCK_RAW, protocol);
	struct tn_outside *outside = add(host, opened, is_ip6, ready, context);
	if (outside != NULL) {
		outside->is_echo = true;
		outside->is_raw = is_raw;
		tn_port_random(&outside->echo_id, sizeof outside->echo_id);
	}
	return outside;
}

static void send_echo(struct tn_outside *outside, const uint8_t address[16], uint16_t sequence, const uint8_t *bytes, size_t length)
{
	uint8_t message[ECHO_HEADER + TN_OUTSIDE_DATAGRAM] = {outside->is_ip6 ? ECHO6 : ECHO4};
	union address to;
	socklen_t size = to_socket(&to, address, 0, outside->is_ip6);
	if (length > TN_OUTSIDE_DATAGRAM)
		return;
	tn_store16be(message + 4, outside->echo_id);
	tn_store16be(message + 6, sequence);
	memcpy(message + ECHO_HEADER, bytes, length);
	/* Of IPv6 the system makes it. */
	if (!outside->is_ip6)
		tn_store16be(message + 2, tn_checksum_finish(tn_checksum_add(0, message, ECHO_HEADER + length)));
	ssize_t sent = sendto(outside->socket, message, ECHO_HEADER + length, 0, &to.any, size);
	(void)sent;
}

/** Takes the next reply; other messages that a raw socket sees are passed over. */
static ptrdiff_t receive_echo(struct tn_outside *outside, uint8_t address[16], uint16_t *sequence, uint8_t *bytes)
{
	uint8_t packet[60 + ECHO_HEADER + TN_OUTSIDE_DATAGRAM];
	for (;;) {
		union address from;
		uint16_t port;
		socklen_t size = sizeof from;
		ssize_t received = recvfrom(outside->socket, packet, sizeof packet, 0, &from.any, &size);
		if (received < 0)
			return -1;
		size_t head = outside->is_raw && !outside->is_ip6 ? (packet[0] & 15) * 4u : 0, length = (size_t)received;
		if (length < head + ECHO_HEADER || length - head - ECHO_HEADER > TN_OUTSIDE_DATAGRAM)
			continue;
		const uint8_t *message = packet + head;
		if (message[0] != (outside->is_ip6 ? ECHO6 + 1 : 0) || (outside->is_raw && tn_load16be(message + 4) != outside->echo_id))
			continue;
		from_socket(&from, address, &port);
		*sequence = tn_load16be(message + 6);
		length -= head + ECHO_HEADER;
		if (bytes != NULL)
			memcpy(bytes, message + ECHO_HEADER, length);
		return (ptrdiff_t)length;
	}
}

struct tn_outside *tn_outside_tcp(void *host, const uint8_t address[16], uint16_t port, tn_outside_ready ready, void *context)
{
	int one = 1;
	bool is_ip6 = !tn_address_is_ip4(address);
	union address to;
	socklen_t size = to_socket(&to, address, port, is_ip6);
	int opened = make_socket(is_ip6, SOCK_STREAM, 0);
	if (opened >= 0 && connect(opened, &to.any, size) != 0 && errno != EINPROGRESS) {
		close(opened);
		return NULL;
	}
	struct tn_outside *outside = add(host, opened, is_ip6, ready, context);
	if (outside != NULL) {
		setsockopt(opened, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(opened, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
		outside->is_stream = true;
		outside->wanted = POLLOUT;
	}
	return outside;
}

int tn_outside_connected(struct tn_outside *outside)
{
	int error = 0;
	socklen_t size = sizeof error;
	struct pollfd fd = {.fd = outside->socket, .events = POLLOUT};
	if (poll(&fd, 1, 0) <= 0)
		return TN_OUTSIDE_WAIT;
	return getsockopt(outside->socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0 ? TN_OUTSIDE_FAILED : 0;
}

int tn_outside_write(struct tn_outside *outside, const uint8_t *bytes, size_t length)
{
	ssize_t sent = send(outside->socket, bytes, length > INT_MAX ? INT_MAX : length, MSG_NOSIGNAL);
	if (sent > 0)
		return (int)sent;
	return sent == 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? TN_OUTSIDE_WAIT : TN_OUTSIDE_FAILED;
}

int tn_outside_read(struct tn_outside *outside, uint8_t *bytes, size_t size)
{
	ssize_t received = recv(outside->socket, bytes, size > INT_MAX ? INT_MAX : size, 0);
	if (received >= 0) {
		outside->has_host_ended |= received == 0;
		return (int)received;
	}
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? TN_OUTSIDE_WAIT : TN_OUTSIDE_FAILED;
}

void tn_outside_finish(struct tn_outside *outside)
{
	outside->is_finished = true;
	shutdown(outside->socket, SHUT_WR);
}

void tn_outside_want(struct tn_outside *outside, unsigned wanted)
{
	outside->wanted = ((wanted & TN_OUTSIDE_READABLE) != 0 ? POLLIN : 0u) | ((wanted & TN_OUTSIDE_WRITABLE) != 0 ? POLLOUT : 0u);
}

#endif

void tn_outside_send(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const uint8_t *bytes, size_t length)
{
	union address to;
#if TN_SUBNET
	if (outside->is_echo) {
		send_echo(outside, address, port, bytes, length);
		return;
	}
#endif
	socklen_t size = to_socket(&to, address, port, outside->is_ip6);
	ssize_t sent = sendto(outside->socket, bytes, length, 0, &to.any, size);
	(void)sent;
}

ptrdiff_t tn_outside_receive(struct tn_outside *outside, uint8_t address[16], uint16_t *port, uint8_t *bytes)
{
	union address from;
	socklen_t size = sizeof from;
#if TN_SUBNET
	if (outside->is_echo)
		return receive_echo(outside, address, port, bytes);
#endif
	ssize_t received = recvfrom(outside->socket, bytes, bytes == NULL ? 0 : TN_OUTSIDE_DATAGRAM, 0, &from.any, &size);
	if (received < 0)
		return -1;
	from_socket(&from, address, port);
	return received;
}

/** Takes closed sockets out of the set. */
static void sweep(struct tn_outside_set *set)
{
	for (struct tn_outside **link = &set->first; *link != NULL;) {
		struct tn_outside *outside = *link;
		if (outside->socket >= 0) {
			link = &outside->next;
			continue;
		}
		*link = outside->next;
		set->count--;
		free(outside);
	}
	set->has_closed = false;
}

void tn_outside_close(struct tn_outside *outside)
{
	if (outside == NULL || outside->socket < 0)
		return;
	struct tn_outside_set *set = outside->set;
#if TN_SUBNET
	if (outside->is_stream && !(outside->is_finished && outside->has_host_ended)) {
		const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
		setsockopt(outside->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	}
#endif
	close(outside->socket);
	outside->socket = -1;
	set->has_closed = true;
	if (!set->is_serving)
		sweep(set);
}

void tn_outside_serve(void *host)
{
	struct tn_outside_set *set = tn_host_outside(host);
	set->is_serving = true;
	for (struct tn_outside *outside = set->first; outside != NULL; outside = outside->next) {
		if (outside->socket < 0 || !outside->is_ready)
			continue;
		outside->is_ready = false;
		outside->ready(outside->context, outside);
	}
	set->is_serving = false;
	if (set->has_closed)
		sweep(set);
}

bool tn_outside_is_ready(void *host)
{
	for (const struct tn_outside *outside = tn_host_outside(host)->first; outside != NULL; outside = outside->next) {
		if (outside->is_ready)
			return true;
	}
	return false;
}

void tn_outside_poll(const struct tn_outside_set *set, struct pollfd *fds)
{
	size_t i = 0;
	for (const struct tn_outside *outside = set->first; outside != NULL; outside = outside->next)
		/* With nothing wanted also an error is left for later, or it would be told again and again. */
		fds[i++] = (struct pollfd){.fd = outside->wanted == 0 ? -1 : outside->socket, .events = (short)outside->wanted};
}

void tn_outside_polled(struct tn_outside_set *set, const struct pollfd *fds)
{
	size_t i = 0;
	for (struct tn_outside *outside = set->first; outside != NULL; outside = outside->next)
		outside->is_ready = fds[i++].revents != 0;
}
