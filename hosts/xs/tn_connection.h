/*
 * Byte streams outside the tailnet (control, relays), TCP or TLS, on a thread of their own: handshakes and ciphers take long and must not keep the VM nor the
 * tunnel. Between the threads: two rings a connection, and flags.
 *
 *   VM thread                              connection thread
 *   tn_connection_open                     tn_connections_turn: connects, shakes hands, moves bytes between rings and TLS
 *   tn_connection_write  == ring ==>       TLS, TCP
 *   tn_connection_read   <== ring ==
 *   flags, after its client was called <-- opened, readable, writable, closed
 *   tn_connection_close                    sends what is in the ring, says goodbye, frees it
 *
 * The thread runs while there are connections, and is joined by the next one or when the last hub ends.
 */
#ifndef TN_CONNECTION_H
#define TN_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tn_hub.h"
#include "tn_tls.h"

struct tn_connection;

enum tn_connection_flag {
	TN_CONNECTION_OPENED = 1,
	TN_CONNECTION_READABLE = 2,
	TN_CONNECTION_WRITABLE = 4, /* everything written has left */
	TN_CONNECTION_CLOSED = 8,
};

/** Why a connection was closed; names of HostErrorCode in modules/host-contract.ts are tn_connection_code. */
enum tn_connection_end {
	TN_END_ORDERLY = 0,
	TN_END_REFUSED,
	TN_END_UNREACHABLE,
	TN_END_TIMEOUT,
	TN_END_CERTIFICATE,
	TN_END_TLS,
	TN_END_CLOSED,
	TN_END_IO,
};

struct tn_connection_options {
	uint8_t address[16];
	uint16_t port;
	bool has_tls;
	struct tn_tls_options tls;   /* copied, with its texts */
	uint32_t connect_timeout_ms; /* TCP alone */
	uint32_t timeout_ms;         /* TCP and TLS */
};

/**
 * VM thread: begins a connection.
 * @param client signalled when there are flags; open until tn_connection_close
 * @return NULL when memory or threads are short
 */
struct tn_connection *tn_connection_open(const struct tn_connection_options *options, struct tn_client *client);

/** VM thread: what has happened since the last call, enum tn_connection_flag. */
uint32_t tn_connection_take_flags(struct tn_connection *connection);

/** VM thread. @return bytes taken */
size_t tn_connection_write(struct tn_connection *connection, const uint8_t *bytes, size_t length);

/** VM thread. @return bytes copied */
size_t tn_connection_read(struct tn_connection *connection, uint8_t *out, size_t size);

/** VM thread: bytes written that have not left. */
size_t tn_connection_pending(const struct tn_connection *connection);

/** VM thread, after TN_CONNECTION_OPENED: our address, 16 bytes. */
const uint8_t *tn_connection_local(const struct tn_connection *connection);

/** VM thread, after TN_CONNECTION_CLOSED. */
enum tn_connection_end tn_connection_end(const struct tn_connection *connection);
const char *tn_connection_code(enum tn_connection_end end);
const char *tn_connection_reason(const struct tn_connection *connection);

/** VM thread: lets go of it; the client is not signalled any more. What was written goes out first if it is open and that takes no longer than a second. */
void tn_connection_close(struct tn_connection *connection);

/** Connection thread, by the host: one turn of every connection. @return when the next turn is wanted (ms), UINT64_MAX = when something happens; 0 = nothing is left, end */
uint64_t tn_connections_turn(uint64_t now);

/** VM thread: every connection was closed; what has not left by now stays. Waits for the end of the thread. */
void tn_connections_end(void);

#endif
