/*
 * class JSONScanner: native/tn_json behind an object.
 *
 * Bytes are scanned in pieces that are copied first: a value that is told is JavaScript, which may move the buffer they came in.
 */
#include "tn_xs.h"

#include <string.h>
#include "tn_config.h"
#include "tn_json.h"
#include "tn_port.h"

#define PIECE 512

struct scanner {
	struct tn_json json;
	uint8_t *schema;
	uint8_t *buffer;
	bool is_busy;
};

/** One push: where values go, and whether a callback threw. */
struct push {
	xsMachine *the;
	bool has_thrown;
};

void xs_tn_json_destructor(void *data)
{
	struct scanner *scanner = data;
	if (scanner == NULL)
		return;
	tn_port_free(scanner->schema);
	tn_port_free(scanner->buffer);
	tn_port_free(scanner);
}

static const xsHostHooks hooks = {xs_tn_json_destructor, NULL, NULL};

static struct scanner *scanner_of(xsMachine *the)
{
	return xsmcGetHostDataValidate(xsThis, (void *)&hooks);
}

void xs_tn_json(xsMachine *the)
{
	size_t size = xsmcToUnsigned(xsArg(1));
	if (size > TN_MAP_BUFFER)
		size = TN_MAP_BUFFER;
	struct tn_xs_bytes schema = tn_xs_readable(the, 0);
	struct scanner *scanner = tn_port_allocate(sizeof *scanner);
	if (scanner != NULL) {
		scanner->schema = tn_port_allocate(schema.length + 1);
		scanner->buffer = tn_port_allocate(size + 1);
	}
	if (scanner == NULL || scanner->schema == NULL || scanner->buffer == NULL) {
		xs_tn_json_destructor(scanner);
		xsUnknownError("out of memory");
	}
	memcpy(scanner->schema, schema.data, schema.length);
	if (tn_json_init(&scanner->json, scanner->schema, schema.length, scanner->buffer, size) != 0) {
		xs_tn_json_destructor(scanner);
		xsRangeError("expected a compiled schema and a buffer of at least 16 bytes");
	}
	xsmcSetHostData(xsThis, scanner);
	xsSetHostHooks(xsThis, (xsHostHooks *)&hooks);
}

static void on_value(void *context, uint16_t path, const char *key, size_t key_length, const char *text, size_t text_length)
{
	struct push *push = context;
	xsMachine *the = push->the;
	if (push->has_thrown)
		return;
	xsTry
	{
		xsmcSetInteger(xsVar(0), path);
		tn_xs_set_text(the, &xsVar(1), (const uint8_t *)key, key_length);
		tn_xs_set_text(the, &xsVar(2), (const uint8_t *)text, text_length);
		(void)xsCallFunction3(xsArg(1), xsUndefined, xsVar(0), xsVar(1), xsVar(2));
	}
	xsCatch
	{
		push->has_thrown = true;
		xsVar(3) = xsException;
	}
}

void xs_tn_json_push(xsMachine *the)
{
	struct scanner *scanner = scanner_of(the);
	struct push push = {.the = the};
	uint8_t piece[PIECE];
	int result = TN_JSON_MORE;
	xsmcVars(4);
	if (!xsmcIsCallable(xsArg(1)))
		xsTypeError("onValue: function");
	if (scanner->is_busy)
		xsUnknownError("push was called from inside onValue");
	size_t length = tn_xs_readable(the, 0).length;
	scanner->is_busy = true;
	for (size_t at = 0; at < length || at == 0; at += PIECE) {
		struct tn_xs_bytes bytes = tn_xs_readable(the, 0);
		/* A callback may have made it shorter. */
		size_t left = bytes.length > at ? bytes.length - at : 0, size = left < PIECE ? left : PIECE;
		memcpy(piece, bytes.data + at, size);
		result = tn_json_push(&scanner->json, piece, size, on_value, &push);
		if (push.has_thrown || result == TN_JSON_MALFORMED)
			break;
	}
	scanner->is_busy = false;
	if (push.has_thrown)
		xsThrow(xsVar(3));
	xsmcSetInteger(xsResult, result);
}

void xs_tn_json_reset(xsMachine *the)
{
	struct scanner *scanner = scanner_of(the);
	if (!scanner->is_busy)
		tn_json_reset(&scanner->json);
}

void xs_tn_json_peak(xsMachine *the)
{
	xsmcSetInteger(xsResult, (xsIntegerValue)tn_json_peak(&scanner_of(the)->json));
}
