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
	bool is_open, is_ip6;
	struct outside_datagram sent, waiting[OUTSIDE_WAITING];
	unsigned sent_count, waiting_count;
};

/** All that were ever opened, oldest first. */
static struct tn_outside outside_sockets[64];
static unsigned outside_count;
/** So many more can be opened. */
static unsigned outside_room = UINT32_MAX;

struct tn_outside *tn_outside_udp(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	if (outside_room == 0 || outside_count == sizeof outside_sockets / sizeof *outside_sockets)
		return NULL;
	outside_room--;
	struct tn_outside *outside = &outside_sockets[outside_count++];
	*outside = (struct tn_outside){.host = host, .context = context, .ready = ready, .is_open = true, .is_ip6 = is_ip6};
	return outside;
}

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
		if (outside->host == host && outside->is_open && outside->waiting_count > 0)
			outside->ready(outside->context, outside);
	}
}

bool tn_outside_is_ready(void *host)
{
	for (unsigned i = 0; i < outside_count; i++) {
		if (outside_sockets[i].host == host && outside_sockets[i].is_open && outside_sockets[i].waiting_count > 0)
			return true;
	}
	return false;
}

/** A datagram arrives at a socket. */
static inline void outside_say(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const void *bytes, size_t length)
{
	struct outside_datagram *place = &outside->waiting[outside->waiting_count++];
	memcpy(place->address, address, 16);
	memcpy(place->bytes, bytes, length);
	place->port = port;
	place->length = length;
}

#endif
