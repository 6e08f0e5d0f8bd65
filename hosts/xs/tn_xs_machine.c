/*
 * The machine and its store, for hosts/xs/host.ts.
 */
#include "tn_xs.h"

#include "tn_crypto.h"
#include "tn_machine.h"
#include "tn_port.h"
#include "tn_host.h"
#include "tn_store.h"

#define US_PER_MS 1000.0
#define ADDRESSES_MAX 16

void xs_tn_monotonic(xsMachine *the)
{
	xsmcSetNumber(xsResult, (double)tn_host_now_us() / US_PER_MS);
}

void xs_tn_wall_clock(xsMachine *the)
{
	xsmcSetNumber(xsResult, (double)tn_machine_wall_ms());
}

void xs_tn_machine_fact(xsMachine *the)
{
	char text[TN_FACT_MAX];
	tn_machine_fact((enum tn_machine_fact)xsmcToInteger(xsArg(0)), text, sizeof text);
	xsmcSetString(xsResult, text);
}

void xs_tn_local_addresses(xsMachine *the)
{
	uint8_t addresses[ADDRESSES_MAX][16];
	size_t count = tn_machine_addresses(addresses, ADDRESSES_MAX);
	xsmcVars(1);
	xsmcSetNewArray(xsResult, (xsIntegerValue)count);
	for (size_t i = 0; i < count; i++) {
		tn_xs_set_address(the, &xsVar(0), addresses[i]);
		xsmcSetIndex(xsResult, (xsIndex)i, xsVar(0));
	}
}

/** [gateway, own address], or undefined. */
void xs_tn_default_gateway(xsMachine *the)
{
	uint8_t pair[2][16] = {[0] = {[10] = 0xff, [11] = 0xff}, [1] = {[10] = 0xff, [11] = 0xff}};
	if (!tn_machine_gateway(pair[0] + 12, pair[1] + 12))
		return;
	xsmcVars(1);
	xsmcSetNewArray(xsResult, 2);
	for (size_t i = 0; i < 2; i++) {
		tn_xs_set_address(the, &xsVar(0), pair[i]);
		xsmcSetIndex(xsResult, (xsIndex)i, xsVar(0));
	}
}

void xs_tn_log(xsMachine *the)
{
	tn_machine_log(xsmcToString(xsArg(0)));
}

void xs_tn_utf8_decode(xsMachine *the)
{
	struct tn_xs_bytes bytes = tn_xs_readable(the, 0);
	uint8_t *copy = tn_port_allocate(bytes.length + 1);
	if (copy == NULL)
		xsUnknownError("out of memory");
	for (size_t i = 0; i < bytes.length; i++)
		copy[i] = bytes.data[i];
	tn_xs_set_text(the, &xsResult, copy, bytes.length);
	tn_port_free(copy);
}

/* ---- Store ---- */

void xs_tn_store_destructor(void *data)
{
	if (data != NULL)
		tn_store_close(data);
}

static const xsHostHooks hooks = {xs_tn_store_destructor, NULL, NULL};

static struct tn_store *store_of(xsMachine *the)
{
	return xsmcGetHostDataValidate(xsThis, (void *)&hooks);
}

void xs_tn_store(xsMachine *the)
{
	struct tn_store *store = tn_store_open(xsmcToString(xsArg(0)));
	if (store == NULL)
		xsUnknownError("the store cannot be used");
	xsmcSetHostData(xsThis, store);
	xsSetHostHooks(xsThis, (xsHostHooks *)&hooks);
}

/** The value as an ArrayBuffer, undefined when there is none. */
void xs_tn_store_get(xsMachine *the)
{
	struct tn_store *store = store_of(the);
	uint8_t *value = tn_port_allocate(TN_STORE_VALUE_MAX);
	int length = value != NULL ? tn_store_get(store, xsmcToString(xsArg(0)), value, TN_STORE_VALUE_MAX) : -2;
	if (length >= 0)
		xsmcSetArrayBuffer(xsResult, value, length);
	if (value != NULL)
		tn_wipe(value, TN_STORE_VALUE_MAX);
	tn_port_free(value);
	if (length < -1)
		xsUnknownError("the state cannot be read");
}

void xs_tn_store_set(xsMachine *the)
{
	struct tn_store *store = store_of(the);
	const char *key = xsmcToString(xsArg(0));
	struct tn_xs_bytes value = tn_xs_readable(the, 1);
	if (!tn_store_set(store, key, value.data, value.length))
		xsUnknownError("the state cannot be written");
}

void xs_tn_store_delete(xsMachine *the)
{
	if (!tn_store_delete(store_of(the), xsmcToString(xsArg(0))))
		xsUnknownError("the state cannot be written");
}
