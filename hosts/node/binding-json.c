/*
 * class JSONScanner of modules/host-contract.ts: native/tn_json behind an object.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>
#include "tn_json.h"

struct scanner {
	struct tn_json json;
	uint8_t *schema;
	uint8_t *buffer;
	bool is_busy;
};

/** One push: where values go, and whether a callback threw. */
struct push {
	napi_env env;
	napi_value callback;
	napi_value self;
	bool has_thrown;
};

static void finalize(napi_env env, void *data, void *hint)
{
	struct scanner *scanner = data;
	(void)env;
	(void)hint;
	free(scanner->schema);
	free(scanner->buffer);
	free(scanner);
}

static napi_value construct(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes schema;
	uint32_t size;
	if (!binding_bytes(env, call.values[0], "schema: Uint8Array", &schema) || !binding_u32(env, call.values[1], "bufferBytes: number", &size))
		return NULL;
	struct scanner *scanner = calloc(1, sizeof *scanner);
	if (scanner != NULL) {
		scanner->schema = malloc(schema.length + 1);
		scanner->buffer = malloc((size_t)size + 1);
	}
	if (scanner == NULL || scanner->schema == NULL || scanner->buffer == NULL) {
		if (scanner != NULL)
			finalize(env, scanner, NULL);
		napi_throw_error(env, NULL, "out of memory");
		return NULL;
	}
	memcpy(scanner->schema, schema.data, schema.length);
	if (tn_json_init(&scanner->json, scanner->schema, schema.length, scanner->buffer, size) != 0) {
		finalize(env, scanner, NULL);
		napi_throw_range_error(env, NULL, "expected a compiled schema and a buffer of at least 16 bytes");
		return NULL;
	}
	if (napi_wrap(env, call.self, scanner, finalize, NULL, NULL) != napi_ok)
		finalize(env, scanner, NULL);
	return call.self;
}

static void on_value(void *context, uint16_t path, const char *key, size_t key_length, const char *text, size_t text_length)
{
	struct push *push = context;
	napi_handle_scope scope;
	napi_value arguments[3];
	if (push->has_thrown || napi_open_handle_scope(push->env, &scope) != napi_ok)
		return;
	if (napi_create_uint32(push->env, path, &arguments[0]) != napi_ok || napi_create_string_utf8(push->env, key, key_length, &arguments[1]) != napi_ok ||
	    napi_create_string_utf8(push->env, text, text_length, &arguments[2]) != napi_ok ||
	    napi_call_function(push->env, push->self, push->callback, 3, arguments, NULL) != napi_ok)
		push->has_thrown = true;
	napi_close_handle_scope(push->env, scope);
}

static struct scanner *scanner_of(struct arguments *call)
{
	void *data = NULL;
	if (napi_unwrap(call->env, call->self, &data) != napi_ok || data == NULL)
		napi_throw_type_error(call->env, NULL, "expected a JSONScanner");
	return data;
}

static napi_value push(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct scanner *scanner = scanner_of(&call);
	struct bytes bytes;
	napi_valuetype type = napi_undefined;
	if (scanner == NULL || !binding_bytes(env, call.values[0], "bytes: Uint8Array", &bytes))
		return NULL;
	napi_typeof(env, call.values[1], &type);
	if (type != napi_function) {
		napi_throw_type_error(env, NULL, "onValue: function");
		return NULL;
	}
	if (scanner->is_busy) {
		napi_throw_error(env, NULL, "push was called from inside onValue");
		return NULL;
	}
	struct push context = {.env = env, .callback = call.values[1], .self = call.self};
	scanner->is_busy = true;
	int result = tn_json_push(&scanner->json, bytes.data, bytes.length, on_value, &context);
	scanner->is_busy = false;
	return context.has_thrown ? NULL : binding_number(env, result);
}

static napi_value reset(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct scanner *scanner = scanner_of(&call);
	if (scanner != NULL && !scanner->is_busy)
		tn_json_reset(&scanner->json);
	return NULL;
}

static napi_value peak_bytes(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct scanner *scanner = scanner_of(&call);
	return scanner != NULL ? binding_number(env, (double)tn_json_peak(&scanner->json)) : NULL;
}

void binding_json(napi_env env, napi_value exports)
{
	const napi_property_descriptor properties[] = {
	    {.utf8name = "push", .method = push, .attributes = napi_default_method},
	    {.utf8name = "reset", .method = reset, .attributes = napi_default_method},
	    {.utf8name = "peakBytes", .getter = peak_bytes, .attributes = napi_default},
	};
	napi_value class;
	if (napi_define_class(env, "JSONScanner", NAPI_AUTO_LENGTH, construct, NULL, sizeof properties / sizeof properties[0], properties, &class) == napi_ok)
		napi_set_named_property(env, exports, "JSONScanner", class);
}
