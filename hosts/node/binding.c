/*
 * The Node-API module build/tailnet.node: what native/ and hosts/desktop/ offer, under the names of modules/host-contract.ts.
 * This file holds what its parts share and the entry.
 */
#include "binding.h"

#include <sodium.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

struct arguments binding_arguments(napi_env env, napi_callback_info info)
{
	struct arguments arguments = {.env = env, .count = BINDING_MAX_ARGUMENTS};
	napi_get_cb_info(env, info, &arguments.count, arguments.values, &arguments.self, NULL);
	if (arguments.count > BINDING_MAX_ARGUMENTS)
		arguments.count = BINDING_MAX_ARGUMENTS;
	return arguments;
}

static bool throw_type(napi_env env, const char *name)
{
	napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", name);
	return false;
}

bool binding_bytes(napi_env env, napi_value value, const char *name, struct bytes *out)
{
	napi_typedarray_type type;
	void *data = NULL;
	out->data = NULL;
	out->length = 0;
	if (value == NULL || napi_get_typedarray_info(env, value, &type, &out->length, &data, NULL, NULL) != napi_ok || type != napi_uint8_array)
		return throw_type(env, name);
	out->data = data;
	return true;
}

bool binding_bytes_exact(napi_env env, napi_value value, const char *name, size_t length, struct bytes *out)
{
	if (!binding_bytes(env, value, name, out))
		return false;
	return out->length == length || throw_type(env, name);
}

bool binding_u32(napi_env env, napi_value value, const char *name, uint32_t *out)
{
	return (value != NULL && napi_get_value_uint32(env, value, out) == napi_ok) || throw_type(env, name);
}

napi_value binding_new_bytes(napi_env env, size_t length, uint8_t **data)
{
	napi_value buffer, array;
	void *memory = NULL;
	if (napi_create_arraybuffer(env, length, &memory, &buffer) != napi_ok ||
	    napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &array) != napi_ok) {
		napi_throw_error(env, NULL, "out of memory");
		return NULL;
	}
	*data = memory;
	return array;
}

napi_value binding_undefined(napi_env env)
{
	napi_value value;
	napi_get_undefined(env, &value);
	return value;
}

napi_value binding_number(napi_env env, double number)
{
	napi_value value;
	napi_create_double(env, number, &value);
	return value;
}

napi_value binding_boolean(napi_env env, bool boolean)
{
	napi_value value;
	napi_get_boolean(env, boolean, &value);
	return value;
}

void binding_throw(napi_env env, const char *code, const char *message)
{
	napi_throw_error(env, code, message);
}

void binding_function(napi_env env, napi_value exports, const char *name, napi_callback function)
{
	napi_value value;
	if (napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok)
		napi_set_named_property(env, exports, name, value);
}

/** Bytes of the process that malloc has given out, JavaScript's array buffers among them; undefined where the C library does not tell. */
static napi_value malloced_bytes(napi_env env, napi_callback_info info)
{
	(void)info;
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
	struct mallinfo2 total = mallinfo2();
	return binding_number(env, (double)(total.uordblks + total.hblkhd));
#else
	return binding_undefined(env);
#endif
}

NAPI_MODULE_INIT()
{
	if (sodium_init() < 0) {
		napi_throw_error(env, NULL, "libsodium could not be initialised");
		return NULL;
	}
	binding_function(env, exports, "mallocedBytes", malloced_bytes);
	binding_crypto(env, exports);
	binding_json(env, exports);
	binding_lock(env, exports);
	binding_tunnel(env, exports);
	return exports;
}
