/*
 * The network below, for tests: sockets that keep what was sent last, and say what a test gives them. Include once.
 */
#ifndef TN_OUTSIDE_FAKE_H
#define TN_OUTSIDE_FAKE_H

#include <stdlib.h>
#include <string.h>
#include "tn_outside.h"

#define OUTSIDE_WAITING 8

struct outside_datagram {
	uint8_t address[16], bytes[TN_OUTSIDE_DATAGRAM];
	uint16_t port;
	size_t length;
};

struct tn_outside {
	void *host, *context;
	tn_outside_ready ready;
	bool is_open, is_ip6, is_echo;
	struct outside_datagram sent, waiting[OUTSIDE_WAITING];
	unsigned sent_count, waiting_count;
#if TN_SUBNET
	/* A connection. */
	bool is_stream, is_answered, is_refused, is_connected_before, is_reset, has_ended, is_finished;
	uint8_t address[16];
	uint16_t port;
	unsigned wanted;
	size_t written, room;   /* bytes taken, and how many more it takes */
	size_t readable, taken; /* bytes that the host says, 0, 1, 2 ..., and how many of them were read */
	bool is_right;          /* what was written was 0, 1, 2 ... */
#endif
};

/** All that were ever opened, oldest first. */
static struct tn_outside outside_sockets[64];
static unsigned outside_count;
/** So many more can be opened. */
static unsigned outside_room = UINT32_MAX;

static inline struct tn_outside *outside_open(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	if (outside_room == 0 || outside_count == sizeof outside_sockets / sizeof *outside_sockets)
		return NULL;
	outside_room--;
	struct tn_outside *outside = &outside_sockets[outside_count++];
	*outside = (struct tn_outside){.host = host, .context = context, .ready = ready, .is_open = true, .is_ip6 = is_ip6};
	return outside;
}

struct tn_outside *tn_outside_udp(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	return outside_open(host, is_ip6, ready, context);
}

#if TN_SUBNET

struct tn_outside *tn_outside_echo(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	struct tn_outside *outside = outside_open(host, is_ip6, ready, context);
	if (outside != NULL)
		outside->is_echo = true;
	return outside;
}

struct tn_outside *tn_outside_tcp(void *host, const uint8_t address[16], uint16_t port, tn_outside_ready ready, void *context)
{
	struct tn_outside *outside = outside_open(host, false, ready, context);
	if (outside == NULL)
		return NULL;
	outside->is_stream = outside->is_right = true;
	outside->wanted = TN_OUTSIDE_WRITABLE;
	outside->room = SIZE_MAX;
	outside->port = port;
	memcpy(outside->address, address, 16);
	return outside;
}

int tn_outside_connected(struct tn_outside *outside)
{
	return !outside->is_answered ? TN_OUTSIDE_WAIT : outside->is_refused ? TN_OUTSIDE_FAILED : 0;
}

int tn_outside_write(struct tn_outside *outside, const uint8_t *bytes, size_t length)
{
	if (outside->is_reset)
		return TN_OUTSIDE_FAILED;
	if (outside->room == 0)
		return TN_OUTSIDE_WAIT;
	if (length > outside->room)
		length = outside->room;
	for (size_t i = 0; i < length; i++)
		outside->is_right &= bytes[i] == (uint8_t)(outside->written + i);
	outside->written += length;
	if (outside->room != SIZE_MAX)
		outside->room -= length;
	return (int)length;
}

int tn_outside_read(struct tn_outside *outside, uint8_t *bytes, size_t size)
{
	size_t length = outside->readable - outside->taken;
	if (outside->is_reset)
		return TN_OUTSIDE_FAILED;
	if (length == 0)
		return outside->has_ended ? 0 : TN_OUTSIDE_WAIT;
	if (length > size)
		length = size;
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(outside->taken + i);
	outside->taken += length;
	return (int)length;
}

void tn_outside_finish(struct tn_outside *outside)
{
	outside->is_finished = true;
}

void tn_outside_want(struct tn_outside *outside, unsigned wanted)
{
	outside->wanted = wanted;
}

/** Whether a connection has what is wanted of it, as poll would say. */
static inline bool outside_stream_is_ready(const struct tn_outside *outside)
{
	if (!outside->is_stream)
		return false;
	if (!outside->is_answered)
		return false;
	bool is_readable = outside->is_reset || outside->has_ended || outside->readable > outside->taken;
	return ((outside->wanted & TN_OUTSIDE_READABLE) != 0 && is_readable) ||
	       ((outside->wanted & TN_OUTSIDE_WRITABLE) != 0 && (outside->room > 0 || outside->is_reset));
}

#else

static inline bool outside_stream_is_ready(const struct tn_outside *outside)
{
	(void)outside;
	return false;
}

#endif

void tn_outside_send(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const uint8_t *bytes, size_t length)
{
	outside->sent.length = length;
	outside->sent.port = port;
	memcpy(outside->sent.address, address, 16);
	memcpy(outside->sent.bytes, bytes, length < TN_OUTSIDE_DATAGRAM ? length : TN_OUTSIDE_DATAGRAM);
	outside->sent_count++;
}

ptrdiff_t tn_outside_receive(struct tn_outside *outside, uint8_t address[16], uint16_t *port, uint8_t *bytes)
{
	if (outside->waiting_count == 0)
		return -1;
	struct outside_datagram *first = &outside->waiting[0];
	size_t length = first->length;
	memcpy(address, first->address, 16);
	if (bytes != NULL)
		memcpy(bytes, first->bytes, length);
	*port = first->port;
	memmove(first, first + 1, --outside->waiting_count * sizeof *first);
	return (ptrdiff_t)length;
}

void tn_outside_close(struct tn_outside *outside)
{
	if (outside != NULL)
		outside->is_open = false;
}

void tn_outside_serve(void *host)
{
	for (unsigned i = 0; i < outside_count; i++) {
		struct tn_outside *outside = &outside_sockets[i];
		if (outside->host == host && outside->is_open && (outside->waiting_count > 0 || outside_stream_is_ready(outside)))
			outside->ready(outside->context, outside);
	}
}

bool tn_outside_is_ready(void *host)
{
	for (unsigned i = 0; i < outside_count; i++) {
		const struct tn_outside *outside = &outside_sockets[i];
		if (outside->host == host && outside->is_open && (outside->waiting_count > 0 || outside_stream_is_ready(outside)))
			return true;
	}
	return false;
}

/** A datagram arrives at a socket. */
static inline void outside_say(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const void *bytes, size_t length)
{
	if (outside->waiting_count == OUTSIDE_WAITING)
		return;
	struct outside_datagram *place = &outside->waiting[outside->waiting_count++];
	memcpy(place->address, address, 16);
	memcpy(place->bytes, bytes, length);
	place->port = port;
	place->length = length;
}

#endif
