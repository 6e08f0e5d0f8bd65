/*
 * class Tunnel of modules/host-contract.ts: a node of hosts/desktop behind an object.
 *
 * The tunnel thread wakes the VM through a thread-safe function of its own, which keeps the process alive while the node is open. A Tunnel that is
 * forgotten is closed when it is collected, and all of them when their environment (process, worker) ends.
 */
#include "binding.h"

#include <stdlib.h>
#include "tn_config.h"
#include "tn_host.h"

#define COUNTERS_MAX 128

struct tunnel {
	struct tn_host *posix; /* NULL: closed */
	napi_env env;
	napi_threadsafe_function wake;
	uint16_t port;
};

static void close_tunnel(struct tunnel *tunnel)
{
	if (tunnel->posix == NULL)
		return;
	tn_host_close(tunnel->posix);
	tunnel->posix = NULL;
	napi_release_threadsafe_function(tunnel->wake, napi_tsfn_abort);
}

static void on_environment_end(void *data)
{
	close_tunnel(data);
}

static void finalize(napi_env env, void *data, void *hint)
{
	struct tunnel *tunnel = data;
	(void)hint;
	napi_remove_env_cleanup_hook(env, on_environment_end, tunnel);
	close_tunnel(tunnel);
	free(tunnel);
}

/** Tunnel thread. */
static void wake(void *context)
{
	napi_call_threadsafe_function(((struct tunnel *)context)->wake, NULL, napi_tsfn_nonblocking);
}

/** VM thread: the wake-up has arrived. */
static void on_wake(napi_env env, napi_value callback, void *context, void *data)
{
	struct tunnel *tunnel = context;
	napi_value self;
	(void)data;
	if (env == NULL || callback == NULL || tunnel->posix == NULL)
		return;
	tn_node_vm_wake(tn_host_node(tunnel->posix));
	napi_get_undefined(env, &self);
	if (napi_call_function(env, self, callback, 0, NULL, NULL) == napi_pending_exception) {
		napi_value error;
		napi_get_and_clear_last_exception(env, &error);
		napi_fatal_exception(env, error);
	}
}

static bool make_wake(struct tunnel *tunnel, napi_value callback)
{
	napi_value name;
	napi_create_string_utf8(tunnel->env, "tailnet", NAPI_AUTO_LENGTH, &name);
	return napi_create_threadsafe_function(tunnel->env, callback, NULL, name, 0, 1, NULL, NULL, tunnel, on_wake, &tunnel->wake) == napi_ok;
}

static napi_value construct(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct bytes configuration;
	napi_valuetype type = napi_undefined;
	const char *error = "out of memory";
	if (!binding_bytes(env, call.values[0], "configuration: Uint8Array", &configuration))
		return NULL;
	napi_typeof(env, call.values[1], &type);
	if (type != napi_function) {
		napi_throw_type_error(env, NULL, "onWake: function");
		return NULL;
	}
	struct tunnel *tunnel = calloc(1, sizeof *tunnel);
	if (tunnel != NULL)
		tunnel->env = env;
	if (tunnel == NULL || !make_wake(tunnel, call.values[1])) {
		free(tunnel);
		binding_throw(env, "io", error);
		return NULL;
	}
	tunnel->posix = tn_host_open(configuration.data, configuration.length, wake, tunnel, &error);
	if (tunnel->posix == NULL) {
		napi_release_threadsafe_function(tunnel->wake, napi_tsfn_abort);
		free(tunnel);
		binding_throw(env, "io", error);
		return NULL;
	}
	napi_add_env_cleanup_hook(env, on_environment_end, tunnel);
	if (napi_wrap(env, call.self, tunnel, finalize, NULL, NULL) != napi_ok)
		finalize(env, tunnel, NULL);
	return call.self;
}

static struct tunnel *tunnel_of(struct arguments *call)
{
	void *data = NULL;
	if (napi_unwrap(call->env, call->self, &data) != napi_ok || data == NULL)
		napi_throw_type_error(call->env, NULL, "expected a Tunnel");
	return data;
}

/** The node of a call; NULL when it is closed or an exception is pending. */
static struct tn_node *node_of(struct arguments *call)
{
	struct tunnel *tunnel = tunnel_of(call);
	return tunnel != NULL && tunnel->posix != NULL ? tn_host_node(tunnel->posix) : NULL;
}

static napi_value get_port(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tunnel *tunnel = tunnel_of(&call);
	return tunnel == NULL ? NULL : binding_number(env, tunnel->posix != NULL ? tn_host_port(tunnel->posix) : 0);
}

static napi_value send(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	struct bytes record;
	if (!binding_bytes(env, call.values[0], "record: Uint8Array", &record))
		return NULL;
	return binding_boolean(env, node == NULL || tn_node_vm_send(node, record.data, record.length));
}

static napi_value receive(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	struct bytes buffer;
	if (!binding_bytes(env, call.values[0], "buffer: Uint8Array", &buffer))
		return NULL;
	return binding_number(env, node != NULL ? (double)tn_node_vm_receive(node, buffer.data, buffer.length) : 0);
}

static napi_value open_socket(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	return binding_number(env, node != NULL ? tn_node_vm_open(node) : 0);
}

static napi_value stream_write(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	struct bytes bytes;
	uint32_t socket;
	if (!binding_u32(env, call.values[0], "socket: number", &socket) || !binding_bytes(env, call.values[1], "bytes: Uint8Array", &bytes))
		return NULL;
	return binding_number(env, node != NULL ? (double)tn_node_vm_write(node, socket, bytes.data, bytes.length) : 0);
}

static napi_value stream_read(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	struct bytes into;
	uint32_t socket;
	if (!binding_u32(env, call.values[0], "socket: number", &socket) || !binding_bytes(env, call.values[1], "into: Uint8Array", &into))
		return NULL;
	return binding_number(env, node != NULL ? (double)tn_node_vm_read(node, socket, into.data, into.length) : 0);
}

static napi_value derp_receive(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	struct bytes bytes;
	uint32_t region;
	const uint8_t *rest = NULL;
	uint8_t *copy;
	if (!binding_u32(env, call.values[0], "region: number", &region) || !binding_bytes(env, call.values[1], "bytes: Uint8Array", &bytes))
		return NULL;
	if (node == NULL)
		return binding_undefined(env);
	ptrdiff_t length = tn_node_vm_derp_receive(node, (uint16_t)region, bytes.data, bytes.length, tn_host_now_ms(), &rest);
	if (length <= 0)
		return length < 0 ? binding_number(env, -1) : binding_undefined(env);
	napi_value result = binding_new_bytes(env, (size_t)length, &copy);
	for (ptrdiff_t i = 0; result != NULL && i < length; i++)
		copy[i] = rest[i];
	return result;
}

static napi_value derp_reset(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	uint32_t region;
	if (binding_u32(env, call.values[0], "region: number", &region) && node != NULL)
		tn_node_vm_derp_reset(node, (uint16_t)region);
	return NULL;
}

static napi_value derp_send(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	struct bytes buffer;
	uint32_t region;
	if (!binding_u32(env, call.values[0], "region: number", &region) || !binding_bytes(env, call.values[1], "buffer: Uint8Array", &buffer))
		return NULL;
	return binding_number(env, node != NULL ? (double)tn_node_vm_derp_send(node, (uint16_t)region, buffer.data, buffer.length) : 0);
}

static napi_value counters(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tn_node *node = node_of(&call);
	struct tn_counter values[COUNTERS_MAX];
	napi_value result;
	napi_create_object(env, &result);
	size_t count = node != NULL ? tn_node_vm_counters(node, values, COUNTERS_MAX) : 0;
	for (size_t i = 0; i < count; i++)
		napi_set_named_property(env, result, values[i].name, binding_number(env, values[i].value));
	return result;
}

static napi_value close(napi_env env, napi_callback_info info)
{
	struct arguments call = binding_arguments(env, info);
	struct tunnel *tunnel = tunnel_of(&call);
	if (tunnel != NULL)
		close_tunnel(tunnel);
	return NULL;
}

#define METHOD(text, function)                                                                                                                                 \
	{                                                                                                                                                          \
		.utf8name = text, .method = function, .attributes = napi_default_method                                                                                \
	}

void binding_tunnel(napi_env env, napi_value exports)
{
	const napi_property_descriptor properties[] = {
	    {.utf8name = "port", .getter = get_port, .attributes = napi_default},
	    METHOD("send", send),
	    METHOD("receive", receive),
	    METHOD("openSocket", open_socket),
	    METHOD("streamWrite", stream_write),
	    METHOD("streamRead", stream_read),
	    METHOD("derpReceive", derp_receive),
	    METHOD("derpReset", derp_reset),
	    METHOD("derpSend", derp_send),
	    METHOD("counters", counters),
	    METHOD("close", close),
	};
	napi_value class;
	if (napi_define_class(env, "Tunnel", NAPI_AUTO_LENGTH, construct, NULL, sizeof properties / sizeof properties[0], properties, &class) == napi_ok)
		napi_set_named_property(env, exports, "Tunnel", class);
}
