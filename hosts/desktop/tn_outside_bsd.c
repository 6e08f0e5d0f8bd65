/*
 * Sockets on the network below, of a desktop.
 */
#include "tn_outside_set.h"

#include <stdlib.h>
#include <string.h>
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_packet.h"
#include "tn_port.h"
#include "tn_sockaddr.h"

struct tn_outside {
	struct tn_outside_set *set;
	struct tn_outside *next;
	tn_outside_ready ready;
	void *context;
	tn_bsd socket; /* TN_BSD_NONE: closed, and freed after the turn's round */
	bool is_ip6, is_ready;
	unsigned wanted; /* enum tn_wait_interest */
#if TN_SUBNET
	bool is_stream, is_finished, has_host_ended;
	bool is_echo;
	uint16_t echo_id;
	bool is_id_replaced; /* by the system's, so that replies have that one; it gives the socket only those of its own */
#endif
};

static tn_bsd open_socket_of(bool is_ip6, int type, int protocol)
{
	tn_bsd opened = tn_bsd_open(is_ip6 ? AF_INET6 : AF_INET, type, protocol);
	if (opened != TN_BSD_NONE && is_ip6)
		tn_bsd_set(opened, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	return opened;
}

static struct tn_outside *add(void *host, tn_bsd opened, bool is_ip6, tn_outside_ready ready, void *context)
{
	struct tn_outside_set *set = tn_host_outside(host);
	struct tn_outside *outside = opened == TN_BSD_NONE ? NULL : calloc(1, sizeof *outside);
	if (outside == NULL) {
		if (opened != TN_BSD_NONE)
			tn_bsd_close(opened);
		return NULL;
	}
	*outside =
	    (struct tn_outside){.set = set, .next = set->first, .ready = ready, .context = context, .socket = opened, .is_ip6 = is_ip6, .wanted = TN_WAIT_READABLE};
	set->first = outside;
	set->count++;
	return outside;
}

struct tn_outside *tn_outside_udp(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	static const uint8_t any[16] = {0};
	struct sockaddr_storage address;
	tn_bsd opened = open_socket_of(is_ip6, SOCK_DGRAM, 0);
	socklen_t length = tn_sockaddr_to(&address, any, 0, is_ip6);
	/* The system picks the port at random. */
	if (opened != TN_BSD_NONE && bind(opened, (const struct sockaddr *)(const void *)&address, length) != 0) {
		tn_bsd_close(opened);
		return NULL;
	}
	return add(host, opened, is_ip6, ready, context);
}

#if TN_SUBNET

#define ECHO_HEADER 8
#define ECHO4 8
#define ECHO6 128

/**
 * By datagrams macOS lets everybody ask, Linux some groups (net.ipv4.ping_group_range), and with an id of its own. Else a raw socket does, which wants privileges:
 * those of an administrator on Windows.
 */
struct tn_outside *tn_outside_echo(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	int protocol = is_ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	tn_bsd opened = open_socket_of(is_ip6, SOCK_DGRAM, protocol);
	bool is_raw = opened == TN_BSD_NONE;
	if (is_raw)
		opened = open_socket_of(is_ip6, SOCK_RAW, protocol);
	struct tn_outside *outside = add(host, opened, is_ip6, ready, context);
	if (outside != NULL) {
		outside->is_echo = true;
#ifdef __linux__
		outside->is_id_replaced = !is_raw;
#endif
		tn_port_random(&outside->echo_id, sizeof outside->echo_id);
	}
	return outside;
}

static void send_echo(struct tn_outside *outside, const uint8_t address[16], uint16_t sequence, const uint8_t *bytes, size_t length)
{
	uint8_t message[ECHO_HEADER + TN_OUTSIDE_DATAGRAM] = {outside->is_ip6 ? ECHO6 : ECHO4};
	struct sockaddr_storage to;
	socklen_t size = tn_sockaddr_to(&to, address, 0, outside->is_ip6);
	if (length > TN_OUTSIDE_DATAGRAM)
		return;
	tn_store16be(message + 4, outside->echo_id);
	tn_store16be(message + 6, sequence);
	memcpy(message + ECHO_HEADER, bytes, length);
	/* Of IPv6 the system makes it. */
	if (!outside->is_ip6)
		tn_store16be(message + 2, tn_checksum_finish(tn_checksum_add(0, message, ECHO_HEADER + length)));
	tn_bsd_send_to(outside->socket, message, ECHO_HEADER + length, &to, size);
}

/**
 * Takes the next reply; other messages that a socket may see, raw ones above all, are passed over. Some systems give IPv4 packets with their header, which no reply
 * begins like.
 */
static ptrdiff_t receive_echo(struct tn_outside *outside, uint8_t address[16], uint16_t *sequence, uint8_t *bytes)
{
	uint8_t packet[60 + ECHO_HEADER + TN_OUTSIDE_DATAGRAM];
	for (;;) {
		struct sockaddr_storage from;
		uint16_t port;
		int received = tn_bsd_receive_from(outside->socket, packet, sizeof packet, &from);
		if (received < 0)
			return -1;
		size_t head = !outside->is_ip6 && packet[0] >> 4 == 4 ? (packet[0] & 15) * 4u : 0, length = (size_t)received;
		if (length < head + ECHO_HEADER || length - head - ECHO_HEADER > TN_OUTSIDE_DATAGRAM)
			continue;
		const uint8_t *message = packet + head;
		if (message[0] != (outside->is_ip6 ? ECHO6 + 1 : 0) || (!outside->is_id_replaced && tn_load16be(message + 4) != outside->echo_id))
			continue;
		tn_sockaddr_from(&from, address, &port);
		*sequence = tn_load16be(message + 6);
		length -= head + ECHO_HEADER;
		if (bytes != NULL)
			memcpy(bytes, message + ECHO_HEADER, length);
		return (ptrdiff_t)length;
	}
}

struct tn_outside *tn_outside_tcp(void *host, const uint8_t address[16], uint16_t port, tn_outside_ready ready, void *context)
{
	bool is_ip6 = !tn_address_is_ip4(address);
	struct sockaddr_storage to;
	socklen_t size = tn_sockaddr_to(&to, address, port, is_ip6);
	tn_bsd opened = open_socket_of(is_ip6, SOCK_STREAM, 0);
	if (opened != TN_BSD_NONE && connect(opened, (const struct sockaddr *)(const void *)&to, size) != 0 && tn_bsd_last_fault() != TN_BSD_WAIT) {
		tn_bsd_close(opened);
		return NULL;
	}
	struct tn_outside *outside = add(host, opened, is_ip6, ready, context);
	if (outside != NULL) {
		tn_bsd_set(opened, IPPROTO_TCP, TCP_NODELAY, 1);
		tn_bsd_set(opened, SOL_SOCKET, SO_KEEPALIVE, 1);
		outside->is_stream = true;
		outside->wanted = TN_WAIT_WRITABLE;
	}
	return outside;
}

int tn_outside_connected(struct tn_outside *outside)
{
	enum tn_bsd_fault fault;
	if (tn_bsd_is_connected(outside->socket, &fault))
		return 0;
	return fault == TN_BSD_WAIT ? TN_OUTSIDE_WAIT : TN_OUTSIDE_FAILED;
}

static int result_of_last(void)
{
	enum tn_bsd_fault fault = tn_bsd_last_fault();
	return fault == TN_BSD_WAIT || fault == TN_BSD_INTERRUPTED ? TN_OUTSIDE_WAIT : TN_OUTSIDE_FAILED;
}

int tn_outside_write(struct tn_outside *outside, const uint8_t *bytes, size_t length)
{
	int sent = tn_bsd_send(outside->socket, bytes, length);
	return sent > 0 ? sent : sent == 0 ? TN_OUTSIDE_WAIT : result_of_last();
}

int tn_outside_read(struct tn_outside *outside, uint8_t *bytes, size_t size)
{
	int received = tn_bsd_receive(outside->socket, bytes, size);
	if (received < 0)
		return result_of_last();
	outside->has_host_ended |= received == 0;
	return received;
}

void tn_outside_finish(struct tn_outside *outside)
{
	outside->is_finished = true;
	tn_bsd_finish(outside->socket);
}

void tn_outside_want(struct tn_outside *outside, unsigned wanted)
{
	outside->wanted = ((wanted & TN_OUTSIDE_READABLE) != 0 ? TN_WAIT_READABLE : 0u) | ((wanted & TN_OUTSIDE_WRITABLE) != 0 ? TN_WAIT_WRITABLE : 0u);
}

#endif

void tn_outside_send(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const uint8_t *bytes, size_t length)
{
	struct sockaddr_storage to;
#if TN_SUBNET
	if (outside->is_echo) {
		send_echo(outside, address, port, bytes, length);
		return;
	}
#endif
	socklen_t size = tn_sockaddr_to(&to, address, port, outside->is_ip6);
	tn_bsd_send_to(outside->socket, bytes, length, &to, size);
}

ptrdiff_t tn_outside_receive(struct tn_outside *outside, uint8_t address[16], uint16_t *port, uint8_t *bytes)
{
	struct sockaddr_storage from;
	uint8_t nothing[1];
#if TN_SUBNET
	if (outside->is_echo)
		return receive_echo(outside, address, port, bytes);
#endif
	size_t room = bytes == NULL ? sizeof nothing : TN_OUTSIDE_DATAGRAM;
	int received = tn_bsd_receive_from(outside->socket, bytes == NULL ? nothing : bytes, room, &from);
	/* Windows says so where others cut off in silence. */
	if (received < 0 && tn_bsd_last_fault() == TN_BSD_TOO_LONG)
		received = (int)room;
	if (received < 0)
		return -1;
	tn_sockaddr_from(&from, address, port);
	return received;
}

/** Takes closed sockets out of the set. */
static void sweep(struct tn_outside_set *set)
{
	for (struct tn_outside **link = &set->first; *link != NULL;) {
		struct tn_outside *outside = *link;
		if (outside->socket != TN_BSD_NONE) {
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
	if (outside == NULL || outside->socket == TN_BSD_NONE)
		return;
	struct tn_outside_set *set = outside->set;
#if TN_SUBNET
	if (outside->is_stream && !(outside->is_finished && outside->has_host_ended))
		tn_bsd_forsake(outside->socket);
#endif
	tn_bsd_close(outside->socket);
	outside->socket = TN_BSD_NONE;
	set->has_closed = true;
	if (!set->is_serving)
		sweep(set);
}

void tn_outside_serve(void *host)
{
	struct tn_outside_set *set = tn_host_outside(host);
	set->is_serving = true;
	for (struct tn_outside *outside = set->first; outside != NULL; outside = outside->next) {
		if (outside->socket == TN_BSD_NONE || !outside->is_ready)
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

void tn_outside_wait(const struct tn_outside_set *set, struct tn_wait *wait)
{
	for (const struct tn_outside *outside = set->first; outside != NULL; outside = outside->next)
		/* With nothing wanted also an error is left for later, or it would be told again and again. */
		tn_wait_add(wait, outside->wanted == 0 ? TN_BSD_NONE : outside->socket, outside->wanted);
}

size_t tn_outside_waited(struct tn_outside_set *set, const struct tn_wait *wait, size_t first)
{
	for (struct tn_outside *outside = set->first; outside != NULL; outside = outside->next, first++)
		outside->is_ready = outside->wanted != 0 && tn_wait_is_ready(wait, first);
	return first;
}
