/*
 * Sockets on the network below, of a desktop.
 */
#include "tn_outside_set.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tn_packet.h"

struct tn_outside {
	struct tn_outside_set *set;
	struct tn_outside *next;
	tn_outside_ready ready;
	void *context;
	int socket; /* -1: closed, and freed after the turn's round */
	bool is_ip6, is_readable;
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
	*outside = (struct tn_outside){.set = set, .next = set->first, .ready = ready, .context = context, .socket = opened, .is_ip6 = is_ip6};
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

void tn_outside_send(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const uint8_t *bytes, size_t length)
{
	union address to;
	socklen_t size = to_socket(&to, address, port, outside->is_ip6);
	ssize_t sent = sendto(outside->socket, bytes, length, 0, &to.any, size);
	(void)sent;
}

ptrdiff_t tn_outside_receive(struct tn_outside *outside, uint8_t address[16], uint16_t *port, uint8_t *bytes)
{
	union address from;
	socklen_t size = sizeof from;
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
		if (outside->socket < 0 || !outside->is_readable)
			continue;
		outside->is_readable = false;
		outside->ready(outside->context, outside);
	}
	set->is_serving = false;
	if (set->has_closed)
		sweep(set);
}

bool tn_outside_is_ready(void *host)
{
	for (const struct tn_outside *outside = tn_host_outside(host)->first; outside != NULL; outside = outside->next) {
		if (outside->is_readable)
			return true;
	}
	return false;
}

void tn_outside_poll(const struct tn_outside_set *set, struct pollfd *fds)
{
	size_t i = 0;
	for (const struct tn_outside *outside = set->first; outside != NULL; outside = outside->next)
		fds[i++] = (struct pollfd){.fd = outside->socket, .events = POLLIN};
}

void tn_outside_polled(struct tn_outside_set *set, const struct pollfd *fds)
{
	size_t i = 0;
	for (struct tn_outside *outside = set->first; outside != NULL; outside = outside->next)
		outside->is_readable = (fds[i++].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
}
