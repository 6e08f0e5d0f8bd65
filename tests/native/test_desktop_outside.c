/*
 * Connections on the network below of a desktop (hosts/desktop/tn_outside_bsd.c), over the loopback, with what the tunnel thread waits with.
 */
#include "tn_test.h"

#include "../../hosts/desktop/tn_outside_bsd.c"
#ifdef _WIN32
#include "../../hosts/win32/tn_wait_win32.c"
#else
#include "../../hosts/posix/tn_wait_posix.c"
#endif

#define TRIES 100
#define WAIT_MS 5000

static struct tn_outside_set set;
static struct tn_wait *loop;
static unsigned told;

struct tn_outside_set *tn_host_outside(void *host)
{
	return host;
}

static void count(void *context, struct tn_outside *outside)
{
	(void)context;
	(void)outside;
	told++;
}

/** A turn of the thread: it waits, and tells what is ready. */
static void play(void)
{
	tn_wait_begin(loop);
	tn_outside_wait(&set, loop);
	tn_wait_for(loop, WAIT_MS);
	tn_outside_waited(&set, loop, 0);
	tn_outside_serve(&set);
}

/** Plays until something has happened. A system may tell of a socket too often, so that a turn may have been for nothing. */
#define UNTIL(condition)                                                                                                                                       \
	for (unsigned tries = 0; !(condition); tries++) {                                                                                                          \
		REQUIRE(tries < TRIES);                                                                                                                                \
		play();                                                                                                                                                \
	}

/** The host's end reads, waiting for what is on its way. */
static int hear(tn_bsd host, uint8_t *bytes, size_t size)
{
	for (unsigned tries = 0; tries < TRIES; tries++) {
		int received = tn_bsd_receive(host, bytes, size);
		if (received >= 0 || tn_bsd_last_fault() != TN_BSD_WAIT)
			return received;
		tn_wait_begin(loop);
		tn_wait_add(loop, host, TN_WAIT_READABLE);
		tn_wait_for(loop, WAIT_MS);
	}
	return -1;
}

static void loopback(uint8_t address[16], bool is_ip6)
{
	static const uint8_t ip4[4] = {127, 0, 0, 1};
	memset(address, 0, 16);
	address[15] = 1;
	if (!is_ip6)
		tn_address_from_ip4(address, ip4);
}

/** @return a socket that listens on the loopback */
static tn_bsd listen_on(bool is_ip6, uint8_t address[16], uint16_t *port)
{
	struct sockaddr_storage own;
	tn_bsd listener = open_socket_of(is_ip6, SOCK_STREAM, 0);
	loopback(address, is_ip6);
	socklen_t size = tn_sockaddr_to(&own, address, 0, is_ip6), length = sizeof own;
	bool is_listening = listener != TN_BSD_NONE && bind(listener, (const struct sockaddr *)(const void *)&own, size) == 0 && listen(listener, 1) == 0 &&
	                    getsockname(listener, (struct sockaddr *)(void *)&own, &length) == 0;
	CHECK(is_listening);
	uint8_t same[16];
	tn_sockaddr_from(&own, same, port);
	CHECK_MEM(same, address, 16);
	return listener;
}

static void begin(void)
{
	CHECK(tn_bsd_begin());
	loop = tn_wait_open();
	CHECK(loop != NULL);
	set = (struct tn_outside_set){0};
}

static void end(void)
{
	CHECK_EQ(set.count, 0);
	CHECK(set.first == NULL);
	tn_wait_close(loop);
	tn_bsd_end();
}

TN_TEST("a connection is made, carries bytes both ways, and each side ends its own")
{
	begin();
	for (unsigned is_ip6 = 0; is_ip6 < 2; is_ip6++) {
		uint8_t address[16], got[16];
		uint16_t port;
		int result = TN_OUTSIDE_WAIT;
		tn_bsd listener = listen_on(is_ip6 != 0, address, &port);
		struct tn_outside *outside = tn_outside_tcp(&set, address, port, count, NULL);
		REQUIRE(outside != NULL);
		told = 0;
		UNTIL(told > 0 && (result = tn_outside_connected(outside)) != TN_OUTSIDE_WAIT)
		CHECK_EQ(result, 0);
		tn_bsd host = accept(listener, NULL, NULL);
		REQUIRE(host != TN_BSD_NONE);
		CHECK_EQ(tn_outside_write(outside, (const uint8_t *)"ask", 3), 3);
		CHECK_EQ(hear(host, got, sizeof got), 3);
		CHECK_MEM(got, "ask", 3);
		CHECK_EQ(tn_outside_read(outside, got, sizeof got), TN_OUTSIDE_WAIT);
		tn_outside_finish(outside);
		CHECK_EQ(hear(host, got, sizeof got), 0);
		CHECK_EQ(tn_bsd_send(host, "answer", 6), 6);
		/* Nothing is told of a connection that waits for nothing. */
		tn_outside_want(outside, 0);
		told = 0;
		tn_wait_kick(loop);
		play();
		CHECK_EQ(told, 0);
		tn_outside_want(outside, TN_OUTSIDE_READABLE);
		UNTIL(told > 0 && (result = tn_outside_read(outside, got, sizeof got)) != TN_OUTSIDE_WAIT)
		CHECK_EQ(result, 6);
		CHECK_MEM(got, "answer", 6);
		tn_bsd_finish(host);
		UNTIL((result = tn_outside_read(outside, got, sizeof got)) != TN_OUTSIDE_WAIT)
		CHECK_EQ(result, 0);
		tn_outside_close(outside);
		tn_bsd_close(host);
		tn_bsd_close(listener);
	}
	end();
}

TN_TEST("a connection that nobody takes is told as failed")
{
	uint8_t address[16];
	uint16_t port;
	int result;
	begin();
	tn_bsd_close(listen_on(false, address, &port));
	struct tn_outside *outside = tn_outside_tcp(&set, address, port, count, NULL);
	/* Some systems say so at once. */
	if (outside != NULL) {
		UNTIL((result = tn_outside_connected(outside)) != TN_OUTSIDE_WAIT)
		CHECK_EQ(result, TN_OUTSIDE_FAILED);
		tn_outside_close(outside);
	}
	end();
}

/* Wine shuts a connection down before it closes it, whatever was asked. */
#ifndef _WIN32
TN_TEST("a connection that is closed before its end is reset")
{
	uint8_t address[16], got[16];
	uint16_t port;
	int result;
	begin();
	tn_bsd listener = listen_on(false, address, &port);
	struct tn_outside *outside = tn_outside_tcp(&set, address, port, count, NULL);
	REQUIRE(outside != NULL);
	UNTIL((result = tn_outside_connected(outside)) != TN_OUTSIDE_WAIT)
	CHECK_EQ(result, 0);
	tn_bsd host = accept(listener, NULL, NULL);
	REQUIRE(host != TN_BSD_NONE);
	tn_outside_close(outside);
	CHECK_EQ(hear(host, got, sizeof got), -1);
	CHECK_EQ(tn_bsd_last_fault(), TN_BSD_RESET);
	tn_bsd_close(host);
	tn_bsd_close(listener);
	end();
}
#endif
