/*
 * What the files of the Node-API binding share: reading arguments, making results, and the parts of the module.
 *
 * The binding only translates; every decision lies in native/ or in modules/. An argument of the wrong type throws a TypeError and
 * the function returns undefined at once.
 */
#ifndef TN_BINDING_H
#define TN_BINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <node_api.h>

/** Bytes of a Uint8Array; they belong to JavaScript and are valid during the call. */
struct bytes {
	uint8_t *data;
	size_t length;
};

#define BINDING_MAX_ARGUMENTS 8

/** Arguments of one call; missing ones are undefined. */
struct arguments {
	napi_env env;
	napi_value self;
	size_t count;
	napi_value values[BINDING_MAX_ARGUMENTS];
};

/** Reads the arguments of a call. */
struct arguments binding_arguments(napi_env env, napi_callback_info info);

/** Reads a Uint8Array. @return false after throwing a TypeError that names the argument */
bool binding_bytes(napi_env env, napi_value value, const char *name, struct bytes *out);

/** As binding_bytes, and the length must be exactly length. */
bool binding_bytes_exact(napi_env env, napi_value value, const char *name, size_t length, struct bytes *out);

/** Reads an unsigned number. @return false after throwing a TypeError that names the argument */
bool binding_u32(napi_env env, napi_value value, const char *name, uint32_t *out);

/** A new Uint8Array of length bytes; *data is its memory. @return NULL after throwing when memory is short */
napi_value binding_new_bytes(napi_env env, size_t length, uint8_t **data);

napi_value binding_undefined(napi_env env);
napi_value binding_number(napi_env env, double value);
napi_value binding_boolean(napi_env env, bool value);

/** Throws an Error whose property "code" is code (HostErrorCode of modules/host-contract.ts). */
void binding_throw(napi_env env, const char *code, const char *message);

/** Adds a function to the module's exports. */
void binding_function(napi_env env, napi_value exports, const char *name, napi_callback function);

/* The parts of the module. */
void binding_crypto(napi_env env, napi_value exports);
void binding_json(napi_env env, napi_value exports);
void binding_lock(napi_env env, napi_value exports);
void binding_tunnel(napi_env env, napi_value exports);

#endif
