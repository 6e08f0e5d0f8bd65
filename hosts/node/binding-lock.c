/*
 * hosts/posix/tn_lock.h for hosts/node/store.ts.
 */
#include "binding.h"

#include <limits.h>
#include "tn_lock.h"

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

static napi_value lock_file(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	char path[PATH_MAX];
	size_t length;
	if (napi_get_value_string_utf8(env, call.values[0], path, sizeof path, &length) != napi_ok || length + 1 == sizeof path) {
		napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "path: text");
		return NULL;
	}
	return binding_number(env, tn_lock_file(path));
}

void binding_lock(napi_env env, napi_value exports)
{
	binding_function(env, exports, "lockFile", lock_file);
}
