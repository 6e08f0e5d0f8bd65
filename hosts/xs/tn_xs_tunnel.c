/*
 * class Tunnel: a node of the tunnel thread behind an object. It is remembered while it is open, closed when the VM ends.
 */
#include "tn_xs.h"

#include <string.h>
#include "tn_hub.h"
#include "tn_node.h"
#include "tn_port.h"
#include "tn_host.h"

#define COUNTERS_MAX 128

struct tunnel {
	struct tn_client client; /* first: a client is its tunnel */
	struct tn_host *posix;   /* NULL: closed */
	xsSlot object;
	xsSlot *on_wake;
};

/** Off the VM's thread. */
static void wake(void *context)
{
	tn_client_signal(&((struct tunnel *)context)->client);
}

static void deliver(struct tn_client *client)
{
	struct tunnel *tunnel = (struct tunnel *)client;
	xsMachine *the = tn_hub_machine(client->hub);
	if (tunnel->posix == NULL)
		return;
	tn_node_vm_wake(tn_host_node(tunnel->posix));
	xsBeginHost(the);
	xsmcVars(1);
	xsVar(0) = xsReference(tunnel->on_wake);
	tn_xs_call(the, &xsVar(0), 0, NULL, NULL);
	xsEndHost(the);
}

/** @return whether it was open */
static bool close_tunnel(struct tunnel *tunnel)
{
	if (tunnel->posix == NULL)
		return false;
	tn_host_close(tunnel->posix);
	tunnel->posix = NULL;
	tn_client_close(&tunnel->client);
	return true;
}

void xs_tn_tunnel_destructor(void *data)
{
	struct tunnel *tunnel = data;
	if (tunnel == NULL)
		return;
	close_tunnel(tunnel);
	tn_port_free(tunnel);
}

static void mark(xsMachine *the, void *data, xsMarkRoot mark_root)
{
	struct tunnel *tunnel = data;
	if (tunnel->on_wake != NULL)
		(*mark_root)(the, tunnel->on_wake);
}

static const xsHostHooks hooks = {xs_tn_tunnel_destructor, mark, NULL};

static struct tunnel *tunnel_of(xsMachine *the)
{
	return xsmcGetHostDataValidate(xsThis, (void *)&hooks);
}

/** The node of a call; NULL when it is closed. */
static struct tn_node *node_of(xsMachine *the)
{
	struct tunnel *tunnel = tunnel_of(the);
	return tunnel->posix != NULL ? tn_host_node(tunnel->posix) : NULL;
}

void xs_tn_tunnel(xsMachine *the)
{
	const char *error = "out of memory";
	if (!xsmcIsCallable(xsArg(1)))
		xsTypeError("onWake: function");
	struct tunnel *tunnel = tn_port_allocate(sizeof *tunnel);
	if (tunnel == NULL || !tn_client_open(&tunnel->client, the, deliver)) {
		tn_port_free(tunnel);
		xsUnknownError("%s", (char *)(uintptr_t)error);
	}
	struct tn_xs_bytes identity = tn_xs_readable(the, 0);
	tunnel->posix = tn_host_open(identity.data, identity.length, wake, tunnel, &error);
	if (tunnel->posix == NULL) {
		tn_client_close(&tunnel->client);
		tn_port_free(tunnel);
		xsUnknownError("%s", (char *)(uintptr_t)error);
	}
	xsmcSetHostData(xsThis, tunnel);
	xsSetHostHooks(xsThis, (xsHostHooks *)&hooks);
	tunnel->on_wake = xsmcToReference(xsArg(1));
	tunnel->object = xsThis;
	xsRemember(tunnel->object);
}

void xs_tn_tunnel_port(xsMachine *the)
{
	struct tunnel *tunnel = tunnel_of(the);
	xsmcSetInteger(xsResult, tunnel->posix != NULL ? tn_host_port(tunnel->posix) : 0);
}

void xs_tn_tunnel_send(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	struct tn_xs_bytes record = tn_xs_readable(the, 0);
	xsmcSetBoolean(xsResult, node == NULL || tn_node_vm_send(node, record.data, record.length));
}

void xs_tn_tunnel_receive(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	struct tn_xs_bytes buffer = tn_xs_writable(the, 0);
	xsmcSetInteger(xsResult, node != NULL ? (xsIntegerValue)tn_node_vm_receive(node, buffer.data, buffer.length) : 0);
}

void xs_tn_tunnel_open_socket(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	xsmcSetUnsigned(xsResult, node != NULL ? tn_node_vm_open(node) : 0);
}

void xs_tn_tunnel_stream_write(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	uint32_t socket = xsmcToUnsigned(xsArg(0));
	struct tn_xs_bytes bytes = tn_xs_readable(the, 1);
	xsmcSetInteger(xsResult, node != NULL ? (xsIntegerValue)tn_node_vm_write(node, socket, bytes.data, bytes.length) : 0);
}

void xs_tn_tunnel_stream_read(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	uint32_t socket = xsmcToUnsigned(xsArg(0));
	struct tn_xs_bytes into = tn_xs_writable(the, 1);
	xsmcSetInteger(xsResult, node != NULL ? (xsIntegerValue)tn_node_vm_read(node, socket, into.data, into.length) : 0);
}

/** The other frames as an ArrayBuffer; undefined when there are none, -1 when the stream is broken. */
void xs_tn_tunnel_derp_receive(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	uint16_t region = (uint16_t)xsmcToUnsigned(xsArg(0));
	struct tn_xs_bytes bytes = tn_xs_readable(the, 1);
	const uint8_t *rest = NULL;
	if (node == NULL)
		return;
	ptrdiff_t length = tn_node_vm_derp_receive(node, region, bytes.data, bytes.length, tn_host_now_ms(), &rest);
	if (length < 0)
		xsmcSetInteger(xsResult, -1);
	else if (length > 0)
		xsmcSetArrayBuffer(xsResult, (void *)(uintptr_t)rest, (xsIntegerValue)length);
}

void xs_tn_tunnel_derp_reset(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	uint16_t region = (uint16_t)xsmcToUnsigned(xsArg(0));
	if (node != NULL)
		tn_node_vm_derp_reset(node, region);
}

void xs_tn_tunnel_derp_send(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	uint16_t region = (uint16_t)xsmcToUnsigned(xsArg(0));
	struct tn_xs_bytes buffer = tn_xs_writable(the, 1);
	xsmcSetInteger(xsResult, node != NULL ? (xsIntegerValue)tn_node_vm_derp_send(node, region, buffer.data, buffer.length) : 0);
}

/** Calls a function with the name and the value of every counter. */
void xs_tn_tunnel_counters(xsMachine *the)
{
	struct tn_node *node = node_of(the);
	struct tn_counter *values = node != NULL ? tn_port_allocate(COUNTERS_MAX * sizeof *values) : NULL;
	if (values == NULL)
		return;
	size_t count = tn_node_vm_counters(node, values, COUNTERS_MAX);
	xsmcVars(2);
	for (size_t i = 0; i < count; i++) {
		xsmcSetString(xsVar(0), (char *)(uintptr_t)values[i].name);
		xsmcSetNumber(xsVar(1), values[i].value);
		tn_xs_call(the, &xsArg(0), 2, &xsVar(0), &xsVar(1));
	}
	tn_port_free(values);
}

void xs_tn_tunnel_close(xsMachine *the)
{
	struct tunnel *tunnel = tunnel_of(the);
	if (close_tunnel(tunnel)) {
		tunnel->on_wake = NULL;
		xsForget(tunnel->object);
	}
}
