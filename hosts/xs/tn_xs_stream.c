/*
 * class Stream: a connection outside the tailnet (tn_connection.h) behind an object, and class Lookup: a name outside the tailnet.
 * Both are remembered while they are open.
 */
#include "tn_xs.h"

#include <string.h>
#include "tn_certificate.h"
#include "tn_connection.h"
#include "tn_machine.h"
#include "tn_port.h"
#include "tn_resolve.h"

#define MS_PER_SECOND 1000u
#define HASH_BYTES 32

struct stream {
	struct tn_client client;          /* first: a client is its stream */
	struct tn_connection *connection; /* NULL: closed */
	xsSlot object;
	xsSlot *on_event;
};

/** Arguments of the constructor. */
enum {
	ON_EVENT,
	ADDRESS,
	PORT,
	CONNECT_TIMEOUT_MS,
	TIMEOUT_MS,
	HAS_TLS,
	SERVER_NAME,
	EXPECTED,
	SHA256,
	AUTHORITIES,
	IS_UNVERIFIED,
};

static void deliver(struct tn_client *client)
{
	struct stream *stream = (struct stream *)client;
	xsMachine *the = tn_hub_machine(client->hub);
	uint32_t flags = tn_connection_take_flags(stream->connection);
	if (flags == 0)
		return;
	xsBeginHost(the);
	xsmcVars(2);
	xsVar(0) = xsReference(stream->on_event);
	xsmcSetInteger(xsVar(1), (xsIntegerValue)flags);
	tn_xs_call(the, &xsVar(0), 1, &xsVar(1), NULL);
	xsEndHost(the);
}

static bool close_stream(struct stream *stream)
{
	if (stream->connection == NULL)
		return false;
	tn_connection_close(stream->connection);
	stream->connection = NULL;
	tn_client_close(&stream->client);
	return true;
}

void xs_tn_stream_destructor(void *data)
{
	struct stream *stream = data;
	if (stream == NULL)
		return;
	close_stream(stream);
	tn_port_free(stream);
}

static void mark_stream(xsMachine *the, void *data, xsMarkRoot mark_root)
{
	struct stream *stream = data;
	if (stream->on_event != NULL)
		(*mark_root)(the, stream->on_event);
}

static const xsHostHooks stream_hooks = {xs_tn_stream_destructor, mark_stream, NULL};

static struct stream *stream_of(xsMachine *the)
{
	return xsmcGetHostDataValidate(xsThis, (void *)&stream_hooks);
}

static bool parse_hash(const char *text, uint8_t out[HASH_BYTES])
{
	for (size_t i = 0; i < 2 * HASH_BYTES; i++) {
		char c = text[i];
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
		if (digit > 15)
			return false;
		out[i / 2] = (uint8_t)(out[i / 2] << 4 | digit);
	}
	return text[2 * HASH_BYTES] == '\0';
}

static void set_address(uint8_t out[16], const char *text)
{
	uint8_t address[16];
	unsigned length = tn_certificate_parse_ip(text, address);
	memset(out, 0, 16);
	if (length == 4) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, address, 4);
	} else if (length == 16) {
		memcpy(out, address, 16);
	}
}

void xs_tn_stream(xsMachine *the)
{
	struct tn_connection_options options = {0};
	uint8_t hash[HASH_BYTES] = {0};
	if (!xsmcIsCallable(xsArg(ON_EVENT)))
		xsTypeError("onEvent: function");
	options.port = (uint16_t)xsmcToUnsigned(xsArg(PORT));
	options.connect_timeout_ms = xsmcToUnsigned(xsArg(CONNECT_TIMEOUT_MS));
	options.timeout_ms = xsmcToUnsigned(xsArg(TIMEOUT_MS));
	options.has_tls = xsmcTest(xsArg(HAS_TLS));
	options.tls.is_unverified = xsmcTest(xsArg(IS_UNVERIFIED));
	options.tls.now = tn_machine_wall_ms() / MS_PER_SECOND;
	struct stream *stream = tn_port_allocate(sizeof *stream);
	char *texts[5] = {NULL};
	xsTry
	{
		static const unsigned arguments[5] = {ADDRESS, SERVER_NAME, EXPECTED, SHA256, AUTHORITIES};
		for (size_t i = 0; i < 5; i++)
			texts[i] = tn_xs_copy_text(the, arguments[i]);
		set_address(options.address, texts[0] != NULL ? texts[0] : "");
		options.tls.server_name = texts[1];
		options.tls.expected = texts[2];
		if (texts[3] != NULL) {
			if (!parse_hash(texts[3], hash))
				xsRangeError("certificateSHA256: 64 lower-case hex digits");
			options.tls.sha256 = hash;
		}
		options.tls.authorities = texts[4];
		if (stream == NULL || !tn_client_open(&stream->client, the, deliver))
			xsUnknownError("out of memory");
		stream->connection = tn_connection_open(&options, &stream->client);
		if (stream->connection == NULL) {
			tn_client_close(&stream->client);
			xsUnknownError("out of memory");
		}
	}
	xsCatch
	{
		for (size_t i = 0; i < 5; i++)
			tn_port_free(texts[i]);
		tn_port_free(stream);
		xsThrow(xsException);
	}
	for (size_t i = 0; i < 5; i++)
		tn_port_free(texts[i]);
	xsmcSetHostData(xsThis, stream);
	xsSetHostHooks(xsThis, (xsHostHooks *)&stream_hooks);
	stream->on_event = xsmcToReference(xsArg(ON_EVENT));
	stream->object = xsThis;
	xsRemember(stream->object);
}

/** Takes bytes from an offset on. @return how many */
void xs_tn_stream_write(xsMachine *the)
{
	struct stream *stream = stream_of(the);
	size_t offset = xsmcToUnsigned(xsArg(1));
	struct tn_xs_bytes bytes = tn_xs_readable(the, 0);
	bool is_taken = stream->connection != NULL && offset < bytes.length;
	xsmcSetInteger(xsResult, is_taken ? (xsIntegerValue)tn_connection_write(stream->connection, bytes.data + offset, bytes.length - offset) : 0);
}

void xs_tn_stream_read(xsMachine *the)
{
	struct stream *stream = stream_of(the);
	struct tn_xs_bytes into = tn_xs_writable(the, 0);
	xsmcSetInteger(xsResult, stream->connection != NULL ? (xsIntegerValue)tn_connection_read(stream->connection, into.data, into.length) : 0);
}

void xs_tn_stream_pending(xsMachine *the)
{
	struct stream *stream = stream_of(the);
	xsmcSetInteger(xsResult, stream->connection != NULL ? (xsIntegerValue)tn_connection_pending(stream->connection) : 0);
}

void xs_tn_stream_local(xsMachine *the)
{
	struct stream *stream = stream_of(the);
	if (stream->connection != NULL)
		tn_xs_set_address(the, &xsResult, tn_connection_local(stream->connection));
	else
		xsmcSetStringX(xsResult, "");
}

/** Why it was closed: a HostErrorCode, "" for an orderly end. */
void xs_tn_stream_code(xsMachine *the)
{
	struct stream *stream = stream_of(the);
	enum tn_connection_end end = stream->connection != NULL ? tn_connection_end(stream->connection) : TN_END_ORDERLY;
	xsmcSetString(xsResult, (char *)(uintptr_t)tn_connection_code(end));
}

void xs_tn_stream_reason(xsMachine *the)
{
	struct stream *stream = stream_of(the);
	xsmcSetString(xsResult, (char *)(uintptr_t)(stream->connection != NULL ? tn_connection_reason(stream->connection) : ""));
}

void xs_tn_stream_close(xsMachine *the)
{
	struct stream *stream = stream_of(the);
	if (close_stream(stream)) {
		stream->on_event = NULL;
		xsForget(stream->object);
	}
}

/* ---- Names ---- */

struct lookup {
	struct tn_client client;    /* first: a client is its look-up */
	struct tn_resolve *resolve; /* NULL: done */
	xsSlot object;
	xsSlot *on_done;
};

static bool close_lookup(struct lookup *lookup)
{
	if (lookup->resolve == NULL)
		return false;
	tn_resolve_close(lookup->resolve);
	lookup->resolve = NULL;
	tn_client_close(&lookup->client);
	return true;
}

void xs_tn_lookup_destructor(void *data)
{
	struct lookup *lookup = data;
	if (lookup == NULL)
		return;
	close_lookup(lookup);
	tn_port_free(lookup);
}

static void mark_lookup(xsMachine *the, void *data, xsMarkRoot mark_root)
{
	struct lookup *lookup = data;
	if (lookup->on_done != NULL)
		(*mark_root)(the, lookup->on_done);
}

static const xsHostHooks lookup_hooks = {xs_tn_lookup_destructor, mark_lookup, NULL};

/** Tells an array of texts, or a HostErrorCode. */
static void deliver_lookup(struct tn_client *client)
{
	struct lookup *lookup = (struct lookup *)client;
	xsMachine *the = tn_hub_machine(client->hub);
	uint8_t addresses[TN_RESOLVE_MAX][16];
	int count = tn_resolve_take(lookup->resolve, addresses);
	if (count == TN_RESOLVE_WAIT)
		return;
	xsBeginHost(the);
	xsmcVars(3);
	xsVar(0) = xsReference(lookup->on_done);
	close_lookup(lookup);
	lookup->on_done = NULL;
	xsForget(lookup->object);
	if (count > 0) {
		xsmcSetNewArray(xsVar(1), count);
		for (int i = 0; i < count; i++) {
			tn_xs_set_address(the, &xsVar(2), addresses[i]);
			xsmcSetIndex(xsVar(1), (xsIndex)i, xsVar(2));
		}
	} else {
		xsmcSetString(xsVar(1), (char *)(uintptr_t)(count == TN_RESOLVE_NOT_FOUND ? "not-found" : "io"));
	}
	tn_xs_call(the, &xsVar(0), 1, &xsVar(1), NULL);
	xsEndHost(the);
}

void xs_tn_lookup(xsMachine *the)
{
	if (!xsmcIsCallable(xsArg(1)))
		xsTypeError("onDone: function");
	char *host = tn_xs_copy_text(the, 0);
	struct lookup *lookup = host != NULL ? tn_port_allocate(sizeof *lookup) : NULL;
	if (lookup != NULL && tn_client_open(&lookup->client, the, deliver_lookup)) {
		lookup->resolve = tn_resolve_open(host, &lookup->client);
		if (lookup->resolve == NULL)
			tn_client_close(&lookup->client);
	}
	tn_port_free(host);
	if (lookup == NULL || lookup->resolve == NULL) {
		tn_port_free(lookup);
		xsUnknownError("out of memory");
	}
	xsmcSetHostData(xsThis, lookup);
	xsSetHostHooks(xsThis, (xsHostHooks *)&lookup_hooks);
	lookup->on_done = xsmcToReference(xsArg(1));
	lookup->object = xsThis;
	xsRemember(lookup->object);
}
