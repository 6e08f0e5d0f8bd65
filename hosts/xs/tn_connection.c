/*
 * Streams outside the tailnet.
 */
#include "tn_connection.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "tn_config.h"
#include "tn_port.h"
#include "tn_ring.h"
#include "tn_tcp.h"

/** Bytes of each ring; powers of two. A device has one or two connections that count. */
#ifndef TN_CONNECTION_RING
#define TN_CONNECTION_RING TN_PROFILE(4096, 65536)
#endif
/** Bytes moved in one step, and steps a turn: one busy connection leaves room for others. */
#define PIECE 1460
#define STEPS_MAX TN_PROFILE(8, 64)
#define LINGER_MS 1000u
#define REASON_MAX 160
/** A board has memory for one TLS handshake; another one waits for its end, but no longer than this: a server that says nothing must not keep the others away. */
#define ONE_HANDSHAKE TN_PROFILE(true, false)
#define TURN_MS 5000u

enum state {
	CONNECTING,
	WAITING, /* connected, while another connection shakes hands */
	SHAKING_HANDS,
	OPEN,
	OVER, /* closed was told, or nobody listens any more */
};

struct tn_connection {
	struct tn_connection *next;
	/* Between the threads. */
	struct tn_client *client; /* under the lock; NULL: the VM has let go */
	_Atomic uint32_t flags;
	_Atomic uint32_t is_leaving;
	struct tn_ring send, receive;
	/* Written by the connection thread before the flag that tells of them. */
	uint8_t local[16];
	uint8_t end; /* enum tn_connection_end */
	char reason[REASON_MAX];
	/* Connection thread. */
	enum state state;
	struct tn_tcp *tcp;
	struct tn_tls *tls;
	bool is_fresh, wants_send, has_pending;
	uint64_t connect_until, until, linger_until, connected_at;
	struct tn_connection_options options;
	char *texts;
	uint8_t sha256[32];
};

static struct {
	struct tn_connection *added; /* under the lock */
	struct tn_connection *all;   /* the thread's own */
	bool is_running;             /* under the lock: the thread will look at added */
	_Atomic uint32_t is_ending;  /* nobody lingers any more */
} engine;

/* ---- VM thread ---- */

static size_t text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static const char *copy_text(char **place, const char *text)
{
	char *copy = *place;
	if (text == NULL)
		return NULL;
	strcpy(copy, text);
	*place += strlen(text) + 1;
	return copy;
}

static void destroy(struct tn_connection *connection)
{
	tn_tls_close(connection->tls);
	tn_tcp_close(connection->tcp);
	if (connection->send.bytes != NULL)
		sodium_memzero(connection->send.bytes, TN_CONNECTION_RING * 2);
	tn_port_free(connection->send.bytes);
	tn_port_free(connection->texts);
	tn_port_free(connection);
}

/** Copies the options with their texts. @return false when memory is short */
static bool keep_options(struct tn_connection *connection, const struct tn_connection_options *options)
{
	struct tn_tls_options *tls = &connection->options.tls;
	connection->options = *options;
	if (!options->has_tls)
		return true;
	char *place = tn_port_allocate(text_size(tls->server_name) + text_size(tls->expected) + text_size(tls->authorities) + 1);
	if (place == NULL)
		return false;
	connection->texts = place;
	tls->server_name = copy_text(&place, tls->server_name);
	tls->expected = copy_text(&place, tls->expected);
	tls->authorities = copy_text(&place, tls->authorities);
	if (tls->sha256 != NULL) {
		memcpy(connection->sha256, tls->sha256, sizeof connection->sha256);
		tls->sha256 = connection->sha256;
	}
	return true;
}

struct tn_connection *tn_connection_open(const struct tn_connection_options *options, struct tn_client *client)
{
	struct tn_connection *connection = tn_port_allocate(sizeof *connection);
	uint8_t *rings = tn_port_allocate(TN_CONNECTION_RING * 2);
	if (connection == NULL || rings == NULL || !keep_options(connection, options)) {
		tn_port_free(rings);
		tn_port_free(connection);
		return NULL;
	}
	tn_ring_init(&connection->send, rings, TN_CONNECTION_RING);
	tn_ring_init(&connection->receive, rings + TN_CONNECTION_RING, TN_CONNECTION_RING);
	connection->client = client;
	connection->is_fresh = true;
	tn_hub_at_end(tn_connections_end);
	tn_tcp_lock();
	bool is_running = engine.is_running;
	connection->next = engine.added;
	engine.added = connection;
	engine.is_running = true;
	tn_tcp_unlock();
	if (is_running) {
		tn_tcp_thread_kick();
		return connection;
	}
	if (tn_tcp_thread_start())
		return connection;
	tn_tcp_lock();
	struct tn_connection **link = &engine.added;
	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	engine.is_running = false;
	tn_tcp_unlock();
	destroy(connection);
	return NULL;
}

uint32_t tn_connection_take_flags(struct tn_connection *connection)
{
	return atomic_exchange(&connection->flags, 0);
}

size_t tn_connection_write(struct tn_connection *connection, const uint8_t *bytes, size_t length)
{
	uint32_t taken = tn_ring_write(&connection->send, bytes, length > UINT32_MAX ? UINT32_MAX : (uint32_t)length);
	if (taken > 0)
		tn_tcp_thread_kick();
	return taken;
}

size_t tn_connection_read(struct tn_connection *connection, uint8_t *out, size_t size)
{
	bool was_full = tn_ring_free(&connection->receive) == 0;
	uint32_t taken = tn_ring_read(&connection->receive, out, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size);
	if (was_full && taken > 0)
		tn_tcp_thread_kick();
	return taken;
}

size_t tn_connection_pending(const struct tn_connection *connection)
{
	return tn_ring_used(&connection->send);
}

const uint8_t *tn_connection_local(const struct tn_connection *connection)
{
	return connection->local;
}

enum tn_connection_end tn_connection_end(const struct tn_connection *connection)
{
	return (enum tn_connection_end)connection->end;
}

const char *tn_connection_reason(const struct tn_connection *connection)
{
	return connection->reason;
}

const char *tn_connection_code(enum tn_connection_end end)
{
	static const char *const codes[] = {"", "refused", "unreachable", "timeout", "certificate", "tls", "closed", "io"};
	return codes[end];
}

void tn_connection_close(struct tn_connection *connection)
{
	tn_tcp_lock();
	connection->client = NULL;
	tn_tcp_unlock();
	atomic_store(&connection->is_leaving, 1);
	/* From here on it is the thread's. */
	tn_tcp_thread_kick();
}

void tn_connections_end(void)
{
	atomic_store(&engine.is_ending, 1);
	tn_tcp_thread_kick();
	tn_tcp_thread_join();
	atomic_store(&engine.is_ending, 0);
}

/* ---- Connection thread ---- */

static void raise(struct tn_connection *connection, uint32_t flags)
{
	atomic_fetch_or(&connection->flags, flags);
	tn_tcp_lock();
	if (connection->client != NULL)
		tn_client_signal(connection->client);
	tn_tcp_unlock();
}

static void finish(struct tn_connection *connection, enum tn_connection_end end, const char *reason)
{
	if (connection->state == OVER)
		return;
	connection->state = OVER;
	connection->end = (uint8_t)end;
	snprintf(connection->reason, sizeof connection->reason, "%s", reason);
	tn_tls_close(connection->tls);
	connection->tls = NULL;
	tn_tcp_close(connection->tcp);
	connection->tcp = NULL;
	raise(connection, TN_CONNECTION_CLOSED);
}

static void finish_tcp(struct tn_connection *connection, int result)
{
	switch (result) {
	case TN_TCP_CLOSED:
		if (connection->state == OPEN)
			finish(connection, TN_END_ORDERLY, "");
		else
			finish(connection, TN_END_CLOSED, "the stream ended before it was open");
		break;
	case TN_TCP_REFUSED:
		finish(connection, TN_END_REFUSED, "connection refused");
		break;
	case TN_TCP_UNREACHABLE:
		finish(connection, TN_END_UNREACHABLE, "no way to the address");
		break;
	case TN_TCP_TIMEOUT:
		finish(connection, TN_END_TIMEOUT, "no answer");
		break;
	default:
		finish(connection, TN_END_IO, "the connection failed");
		break;
	}
}

static void finish_tls(struct tn_connection *connection, int result)
{
	char reason[REASON_MAX];
	snprintf(reason, sizeof reason, "%s", tn_tls_reason(connection->tls));
	if (result == TN_TLS_CLOSED && connection->state == OPEN)
		finish(connection, TN_END_ORDERLY, "");
	else
		finish(connection, result == TN_TLS_REFUSED ? TN_END_CERTIFICATE : result == TN_TLS_CLOSED ? TN_END_CLOSED : TN_END_TLS, reason);
}

static int tls_send(void *context, const uint8_t *bytes, size_t length)
{
	struct tn_connection *connection = context;
	int result = tn_tcp_send(connection->tcp, bytes, length);
	if (result == TN_TCP_WAIT)
		connection->wants_send = true;
	return result > 0 ? result : result == TN_TCP_WAIT ? TN_TLS_WAIT : TN_TLS_CLOSED;
}

static int tls_receive(void *context, uint8_t *bytes, size_t length)
{
	int result = tn_tcp_receive(((struct tn_connection *)context)->tcp, bytes, length);
	return result > 0 ? result : result == TN_TCP_WAIT ? TN_TLS_WAIT : TN_TLS_CLOSED;
}

static void become_open(struct tn_connection *connection)
{
	connection->state = OPEN;
	tn_tcp_local(connection->tcp, connection->local);
	raise(connection, TN_CONNECTION_OPENED);
}

static void connect_further(struct tn_connection *connection, uint64_t now)
{
	if (connection->is_fresh) {
		connection->is_fresh = false;
		connection->tcp = tn_tcp_open(connection->options.address, connection->options.port);
		if (connection->tcp == NULL) {
			finish(connection, TN_END_IO, "no socket");
			return;
		}
	}
	int result = tn_tcp_connected(connection->tcp);
	if (result == TN_TCP_WAIT) {
		connection->wants_send = true;
		return;
	}
	if (result != 0) {
		finish_tcp(connection, result);
		return;
	}
	if (!connection->options.has_tls) {
		become_open(connection);
		return;
	}
	connection->state = WAITING;
	connection->connected_at = now;
}

static bool is_shaking_hands(void)
{
	for (const struct tn_connection *connection = engine.all; connection != NULL; connection = connection->next) {
		if (connection->state == SHAKING_HANDS)
			return true;
	}
	return false;
}

static void begin_handshake(struct tn_connection *connection, uint64_t now)
{
	const char *reason;
	const uint64_t waited = now - connection->connected_at;
	if (ONE_HANDSHAKE && waited < TURN_MS && is_shaking_hands())
		return;
	connection->until += waited;
	connection->tls = tn_tls_open(&connection->options.tls, tls_send, tls_receive, connection, &reason);
	if (connection->tls == NULL)
		finish(connection, TN_END_TLS, reason);
	else
		connection->state = SHAKING_HANDS;
}

static void shake_hands(struct tn_connection *connection)
{
	int result = tn_tls_handshake(connection->tls);
	if (result == TN_TLS_DONE)
		become_open(connection);
	else if (result != TN_TLS_WAIT)
		finish_tls(connection, result);
}

/** @return bytes moved, or the result of the layer below */
static int send_piece(struct tn_connection *connection, const uint8_t *bytes, size_t length)
{
	return connection->tls != NULL ? tn_tls_write(connection->tls, bytes, length) : tn_tcp_send(connection->tcp, bytes, length);
}

static int receive_piece(struct tn_connection *connection, uint8_t *bytes, size_t size)
{
	return connection->tls != NULL ? tn_tls_read(connection->tls, bytes, size) : tn_tcp_receive(connection->tcp, bytes, size);
}

/** What is negative and no wait ends the connection. */
static void finish_layer(struct tn_connection *connection, int result)
{
	if (connection->tls != NULL)
		finish_tls(connection, result);
	else
		finish_tcp(connection, result);
}

/** From the ring to the peer. @return whether there may be more */
static bool send_ring(struct tn_connection *connection)
{
	for (unsigned i = 0; i < STEPS_MAX; i++) {
		const uint8_t *bytes;
		uint32_t length = tn_ring_peek(&connection->send, 0, &bytes);
		if (length == 0) {
			if (connection->has_pending) {
				connection->has_pending = false;
				raise(connection, TN_CONNECTION_WRITABLE);
			}
			return false;
		}
		connection->has_pending = true;
		int result = send_piece(connection, bytes, length > PIECE ? PIECE : length);
		if (result == TN_TLS_WAIT || result == TN_TCP_WAIT) {
			connection->wants_send = true;
			return false;
		}
		if (result < 0) {
			finish_layer(connection, result);
			return false;
		}
		tn_ring_drop(&connection->send, (uint32_t)result);
	}
	return true;
}

/** From the peer to the ring. @return whether there may be more */
static bool receive_ring(struct tn_connection *connection)
{
	uint8_t piece[PIECE];
	bool has_some = false, has_more = true;
	for (unsigned i = 0; i < STEPS_MAX && connection->state == OPEN; i++) {
		uint32_t room = tn_ring_free(&connection->receive);
		if (room == 0) {
			has_more = false;
			break;
		}
		int result = receive_piece(connection, piece, room < sizeof piece ? room : sizeof piece);
		if (result > 0) {
			tn_ring_write(&connection->receive, piece, (uint32_t)result);
			has_some = true;
			continue;
		}
		has_more = false;
		if (result != TN_TLS_WAIT && result != TN_TCP_WAIT) {
			/* What came before the end is read before the end is seen. */
			if (has_some)
				raise(connection, TN_CONNECTION_READABLE);
			finish_layer(connection, result);
			return false;
		}
		break;
	}
	if (has_some)
		raise(connection, TN_CONNECTION_READABLE);
	return has_more && connection->state == OPEN;
}

/** One turn of a connection. @return when the next is wanted */
static uint64_t turn(struct tn_connection *connection, uint64_t now)
{
	bool is_leaving = atomic_load(&connection->is_leaving) != 0, has_more = false;
	connection->wants_send = false;
	if (connection->state != WAITING && connection->state < OPEN && now >= connection->until)
		finish(connection, TN_END_TIMEOUT, "no connection in time");
	if (connection->state == CONNECTING && !connection->is_fresh && now >= connection->connect_until)
		finish(connection, TN_END_TIMEOUT, "no connection in time");
	if (connection->state == CONNECTING)
		connect_further(connection, now);
	if (connection->state == WAITING)
		begin_handshake(connection, now);
	if (connection->state == SHAKING_HANDS)
		shake_hands(connection);
	if (connection->state == OPEN && !is_leaving)
		has_more = receive_ring(connection);
	if (connection->state == OPEN)
		has_more |= send_ring(connection);
	if (connection->state == OVER)
		return UINT64_MAX;
	bool has_room = tn_ring_free(&connection->receive) > 0;
	tn_tcp_want(connection->tcp, (connection->state == SHAKING_HANDS || has_room ? TN_TCP_READABLE : 0u) | (connection->wants_send ? TN_TCP_WRITABLE : 0u));
	if (has_more)
		return now;
	if (connection->state == CONNECTING)
		return connection->connect_until < connection->until ? connection->connect_until : connection->until;
	if (connection->state == WAITING)
		return connection->connected_at + TURN_MS;
	return connection->state == SHAKING_HANDS ? connection->until : UINT64_MAX;
}

/** Whether the thread is done with a connection that the VM has let go of. */
static bool is_done(struct tn_connection *connection, uint64_t now)
{
	if (atomic_load(&connection->is_leaving) == 0)
		return false;
	if (connection->state != OPEN)
		return true;
	if (connection->linger_until == 0)
		connection->linger_until = now + LINGER_MS;
	return tn_ring_used(&connection->send) == 0 || now >= connection->linger_until || atomic_load(&engine.is_ending) != 0;
}

static void take_added(uint64_t now)
{
	tn_tcp_lock();
	while (engine.added != NULL) {
		struct tn_connection *connection = engine.added;
		engine.added = connection->next;
		connection->next = engine.all;
		engine.all = connection;
		connection->until = now + connection->options.timeout_ms;
		connection->connect_until = now + connection->options.connect_timeout_ms;
	}
	tn_tcp_unlock();
}

uint64_t tn_connections_turn(uint64_t now)
{
	uint64_t next = UINT64_MAX;
	bool has_waiting = false;
	take_added(now);
	for (struct tn_connection **link = &engine.all; *link != NULL;) {
		struct tn_connection *connection = *link;
		uint64_t wanted = turn(connection, now);
		if (is_done(connection, now)) {
			*link = connection->next;
			if (connection->tls != NULL)
				tn_tls_goodbye(connection->tls);
			destroy(connection);
			continue;
		}
		if (connection->linger_until != 0 && connection->linger_until < wanted)
			wanted = connection->linger_until;
		if (wanted < next)
			next = wanted;
		has_waiting |= connection->state == WAITING;
		link = &connection->next;
	}
	if (has_waiting && !is_shaking_hands())
		return now;
	if (engine.all != NULL)
		return next;
	tn_tcp_lock();
	bool is_over = engine.added == NULL;
	engine.is_running = !is_over;
	tn_tcp_unlock();
	return is_over ? 0 : now;
}
