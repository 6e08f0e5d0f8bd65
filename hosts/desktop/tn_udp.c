/*
 * UDP in batches. Linux has recvmmsg, sendmmsg, UDP_GRO and UDP_SEGMENT; elsewhere each datagram is a call.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* recvmmsg, sendmmsg */
#endif
#include "tn_udp.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_sockaddr.h"
#ifdef __linux__
#include <netinet/udp.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#endif

#define SOCKET_BUFFER (4 * 1024 * 1024)
#define BIND_TRIES 8
#define FULL_WAIT_MS 5

/* A message of the kernel: one datagram, or a train of them. */
#ifdef __linux__
#define MESSAGES 16
#define MESSAGE_BYTES 65536
#else
#define MESSAGES 64
#define MESSAGE_BYTES 9216
#endif

static const int families[TN_UDP_FAMILIES] = {AF_INET, AF_INET6};

static socklen_t to_sockaddr(struct sockaddr_storage *out, const uint8_t endpoint[TN_ENDPOINT], enum tn_udp_family family)
{
	return tn_sockaddr_to(out, endpoint, tn_load16be(endpoint + 16), family == TN_UDP_6);
}

static void from_sockaddr(uint8_t endpoint[TN_ENDPOINT], const struct sockaddr_storage *address)
{
	uint16_t port;
	tn_sockaddr_from(address, endpoint, &port);
	tn_store16be(endpoint + 16, port);
}

static enum tn_udp_family family_of(const uint8_t endpoint[TN_ENDPOINT])
{
	return tn_address_is_ip4(endpoint) ? TN_UDP_4 : TN_UDP_6;
}

static void enlarge(tn_bsd socket)
{
	tn_bsd_set(socket, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	tn_bsd_set(socket, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
#ifdef __linux__
	/* Beyond the system's limit, where we may. */
	tn_bsd_set(socket, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER);
	tn_bsd_set(socket, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER);
	tn_bsd_set(socket, IPPROTO_UDP, UDP_GRO, 1);
#endif
}

/** @param is_taken set where the port is somebody else's */
static tn_bsd open_socket(enum tn_udp_family family, uint16_t port, bool *is_taken)
{
	struct sockaddr_storage address;
	uint8_t any[TN_ENDPOINT] = {0};
	tn_bsd socket = tn_bsd_open(families[family], SOCK_DGRAM, 0);
	if (socket == TN_BSD_NONE)
		return TN_BSD_NONE;
	if (family == TN_UDP_6)
		tn_bsd_set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	any[16] = (uint8_t)(port >> 8);
	any[17] = (uint8_t)port;
	socklen_t length = to_sockaddr(&address, any, family);
	if (bind(socket, (const struct sockaddr *)(const void *)&address, length) != 0) {
		*is_taken |= tn_bsd_last_fault() == TN_BSD_TAKEN;
		tn_bsd_close(socket);
		return TN_BSD_NONE;
	}
	enlarge(socket);
	return socket;
}

static uint16_t port_of(tn_bsd socket)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	uint8_t endpoint[TN_ENDPOINT];
	if (getsockname(socket, (struct sockaddr *)(void *)&address, &length) != 0)
		return 0;
	from_sockaddr(endpoint, &address);
	return (uint16_t)(endpoint[16] << 8 | endpoint[17]);
}

void tn_udp_close(struct tn_udp *udp)
{
	for (size_t i = 0; i < TN_UDP_FAMILIES; i++) {
		if (udp->sockets[i] != TN_BSD_NONE)
			tn_bsd_close(udp->sockets[i]);
		udp->sockets[i] = TN_BSD_NONE;
	}
	udp->port = 0;
}

bool tn_udp_open(struct tn_udp *udp, uint16_t port)
{
	udp->can_segment = true;
	udp->port = 0;
	for (unsigned i = 0; i < BIND_TRIES; i++) {
		uint16_t wanted = i == 0 ? port : 0;
		bool is_taken = false;
		udp->sockets[TN_UDP_4] = open_socket(TN_UDP_4, wanted, &is_taken);
		if (udp->sockets[TN_UDP_4] != TN_BSD_NONE)
			wanted = port_of(udp->sockets[TN_UDP_4]);
		udp->sockets[TN_UDP_6] = open_socket(TN_UDP_6, wanted, &is_taken);
		const bool has_6 = udp->sockets[TN_UDP_6] != TN_BSD_NONE;
		if (udp->sockets[TN_UDP_4] == TN_BSD_NONE && has_6)
			wanted = port_of(udp->sockets[TN_UDP_6]);
		if ((udp->sockets[TN_UDP_4] != TN_BSD_NONE || has_6) && (!is_taken || i == BIND_TRIES - 1)) {
			udp->port = wanted;
			return true;
		}
		tn_udp_close(udp);
	}
	return false;
}

size_t tn_udp_buffer_size(void)
{
	return (size_t)MESSAGES * MESSAGE_BYTES;
}

#ifdef __linux__

/** Length of the datagrams in a train, 0 when the message is one datagram. */
static size_t segment_of(struct msghdr *message)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL; control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
			int size;
			memcpy(&size, CMSG_DATA(control), sizeof size);
			return size > 0 ? (size_t)size : 0;
		}
	}
	return 0;
}

bool tn_udp_receive(struct tn_udp *udp, enum tn_udp_family family, uint8_t *buffer, tn_udp_datagram callback, void *context)
{
	struct mmsghdr messages[MESSAGES];
	struct iovec parts[MESSAGES];
	struct sockaddr_storage addresses[MESSAGES];
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} controls[MESSAGES];
	for (size_t i = 0; i < MESSAGES; i++) {
		parts[i] = (struct iovec){.iov_base = buffer + i * MESSAGE_BYTES, .iov_len = MESSAGE_BYTES};
		messages[i].msg_hdr = (struct msghdr){
		    .msg_name = &addresses[i],
		    .msg_namelen = sizeof addresses[i],
		    .msg_iov = &parts[i],
		    .msg_iovlen = 1,
		    .msg_control = &controls[i],
		    .msg_controllen = sizeof controls[i],
		};
	}
	int count = recvmmsg(udp->sockets[family], messages, MESSAGES, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		uint8_t endpoint[TN_ENDPOINT];
		size_t left = messages[i].msg_len;
		size_t segment = segment_of(&messages[i].msg_hdr);
		uint8_t *at = buffer + (size_t)i * MESSAGE_BYTES;
		if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
			continue;
		from_sockaddr(endpoint, &addresses[i]);
		if (segment == 0 || segment > left)
			segment = left;
		do {
			size_t length = left < segment ? left : segment;
			callback(context, endpoint, at, length);
			at += length;
			left -= length;
		} while (left > 0);
	}
	return count == MESSAGES;
}

#else

/** Whether a fault is that of one datagram, behind which others may be: one too long, or an answer to one that was sent. */
static bool is_of_one(enum tn_bsd_fault fault)
{
	return fault == TN_BSD_TOO_LONG || fault == TN_BSD_INTERRUPTED || fault == TN_BSD_RESET || fault == TN_BSD_REFUSED;
}

bool tn_udp_receive(struct tn_udp *udp, enum tn_udp_family family, uint8_t *buffer, tn_udp_datagram callback, void *context)
{
	for (size_t i = 0; i < MESSAGES; i++) {
		struct sockaddr_storage address;
		uint8_t endpoint[TN_ENDPOINT];
		uint8_t *at = buffer + i * MESSAGE_BYTES;
		int size = tn_bsd_receive_from(udp->sockets[family], at, MESSAGE_BYTES, &address);
		if (size < 0 && is_of_one(tn_bsd_last_fault()))
			continue;
		if (size < 0)
			return false;
		from_sockaddr(endpoint, &address);
		callback(context, endpoint, at, (size_t)size);
	}
	return true;
}

#endif

/** What the caller shall do about the fault of a send. */
enum reaction { GIVE_UP, AGAIN, ONE_BY_ONE };

static enum reaction react(struct tn_udp *udp, enum tn_bsd_fault fault, const struct tn_out_run *run, tn_udp_error callback, void *context)
{
	enum tn_udp_family family = family_of(run->endpoint);
	switch (fault) {
	case TN_BSD_INTERRUPTED:
		return AGAIN;
	case TN_BSD_WAIT:
	case TN_BSD_QUEUE: {
		int room = tn_bsd_wait_for_room(udp->sockets[family], FULL_WAIT_MS);
		udp->is_full[family] = room == 0;
		return room > 0 && fault != TN_BSD_QUEUE ? AGAIN : GIVE_UP;
	}
	case TN_BSD_UNSUPPORTED:
		if (run->segments > 1 && udp->can_segment) {
			udp->can_segment = false;
			return ONE_BY_ONE;
		}
		return GIVE_UP;
	case TN_BSD_TOO_LONG:
		return GIVE_UP;
	case TN_BSD_DEAD:
		callback(context, TN_UDP_DEAD, run->endpoint);
		return GIVE_UP;
	default:
		callback(context, TN_UDP_UNREACHABLE, run->endpoint);
		return GIVE_UP;
	}
}

/** Whether the other datagrams of a run fare the same. */
static bool is_of_run(enum tn_bsd_fault fault)
{
	return fault != TN_BSD_WAIT && fault != TN_BSD_INTERRUPTED && fault != TN_BSD_QUEUE && fault != TN_BSD_TOO_LONG;
}

static void send_one_by_one(struct tn_udp *udp, const struct tn_out *out, const struct tn_out_run *run, tn_udp_error callback, void *context)
{
	struct sockaddr_storage address;
	enum tn_udp_family family = family_of(run->endpoint);
	socklen_t address_length = to_sockaddr(&address, run->endpoint, family);
	bool is_told = false;
	for (uint32_t at = 0; at < run->length && !is_told && !udp->is_full[family];) {
		uint32_t length = run->length - at < run->segment ? run->length - at : run->segment;
		if (tn_bsd_send_to(udp->sockets[family], out->bytes + run->offset + at, length, &address, address_length) >= 0) {
			at += length;
			continue;
		}
		enum tn_bsd_fault fault = tn_bsd_last_fault();
		if (react(udp, fault, run, callback, context) != AGAIN)
			at += length;
		is_told = is_of_run(fault);
	}
}

#ifdef __linux__

/** Sends neighbouring runs of one family in one call. @return runs dealt with */
static uint32_t send_runs(struct tn_udp *udp, const struct tn_out *out, uint32_t first, tn_udp_error callback, void *context)
{
	struct mmsghdr messages[TN_OUT_RUNS];
	struct iovec parts[TN_OUT_RUNS];
	struct sockaddr_storage addresses[TN_OUT_RUNS];
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
	} controls[TN_OUT_RUNS];
	enum tn_udp_family family = family_of(out->runs[first].endpoint);
	uint32_t count = 0;
	if (out->runs[first].segments > 1 && !udp->can_segment) {
		send_one_by_one(udp, out, &out->runs[first], callback, context);
		return 1;
	}
	for (uint32_t i = first; i < out->run_count && family_of(out->runs[i].endpoint) == family; i++, count++) {
		const struct tn_out_run *run = &out->runs[i];
		if (run->segments > 1 && !udp->can_segment)
			break;
		parts[count] = (struct iovec){.iov_base = out->bytes + run->offset, .iov_len = run->length};
		messages[count].msg_hdr = (struct msghdr){
		    .msg_name = &addresses[count],
		    .msg_namelen = to_sockaddr(&addresses[count], run->endpoint, family),
		    .msg_iov = &parts[count],
		    .msg_iovlen = 1,
		};
		if (run->segments > 1) {
			struct msghdr *message = &messages[count].msg_hdr;
			memset(&controls[count], 0, sizeof controls[count]);
			message->msg_control = &controls[count];
			message->msg_controllen = sizeof controls[count].bytes;
			struct cmsghdr *control = CMSG_FIRSTHDR(message);
			control->cmsg_level = IPPROTO_UDP;
			control->cmsg_type = UDP_SEGMENT;
			control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
			memcpy(CMSG_DATA(control), &run->segment, sizeof run->segment);
		}
	}
	int sent = sendmmsg(udp->sockets[family], messages, count, 0);
	if (sent > 0)
		return (uint32_t)sent;
	switch (react(udp, tn_bsd_last_fault(), &out->runs[first], callback, context)) {
	case AGAIN:
		return 0;
	case ONE_BY_ONE:
		send_one_by_one(udp, out, &out->runs[first], callback, context);
		return 1;
	default:
		return 1;
	}
}

#else

static uint32_t send_runs(struct tn_udp *udp, const struct tn_out *out, uint32_t first, tn_udp_error callback, void *context)
{
	send_one_by_one(udp, out, &out->runs[first], callback, context);
	return 1;
}

#endif

void tn_udp_send(struct tn_udp *udp, const struct tn_out *out, tn_udp_error callback, void *context)
{
	udp->is_full[TN_UDP_4] = udp->is_full[TN_UDP_6] = false;
	for (uint32_t i = 0; i < out->run_count;) {
		if (udp->is_full[family_of(out->runs[i].endpoint)]) {
			i++;
		} else if (udp->sockets[family_of(out->runs[i].endpoint)] == TN_BSD_NONE) {
			callback(context, TN_UDP_UNREACHABLE, out->runs[i].endpoint);
			i++;
		} else {
			i += send_runs(udp, out, i, callback, context);
		}
	}
}
