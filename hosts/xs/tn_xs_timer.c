/*
 * class Alarm: a one-shot timer of the VM's hub. It is remembered while it runs.
 */
#include "tn_xs.h"

#include "tn_hub.h"
#include "tn_port.h"

struct alarm {
	struct tn_timer timer; /* first: a timer is its alarm */
	xsMachine *object_machine;
	xsSlot object;
	xsSlot *callback;
};

static void fire(struct tn_timer *timer)
{
	struct alarm *alarm = (struct alarm *)timer;
	xsMachine *the = alarm->object_machine;
	xsBeginHost(the);
	xsmcVars(1);
	xsVar(0) = xsReference(alarm->callback);
	alarm->callback = NULL;
	xsForget(alarm->object);
	tn_xs_call(the, &xsVar(0), 0, NULL, NULL);
	xsEndHost(the);
}

void xs_tn_alarm_destructor(void *data)
{
	struct alarm *alarm = data;
	if (alarm == NULL)
		return;
	tn_timer_stop(&alarm->timer);
	tn_port_free(alarm);
}

static void mark(xsMachine *the, void *data, xsMarkRoot mark_root)
{
	struct alarm *alarm = data;
	if (alarm->callback != NULL)
		(*mark_root)(the, alarm->callback);
}

static const xsHostHooks hooks = {xs_tn_alarm_destructor, mark, NULL};

void xs_tn_alarm(xsMachine *the)
{
	double delay = xsmcToNumber(xsArg(1));
	uint32_t delay_ms = delay > 0 ? (delay < UINT32_MAX ? (uint32_t)delay : UINT32_MAX) : 0;
	if (!xsmcIsCallable(xsArg(0)))
		xsTypeError("callback: function");
	struct alarm *alarm = tn_port_allocate(sizeof *alarm);
	if (alarm == NULL || !tn_timer_start(&alarm->timer, the, delay_ms, fire)) {
		tn_port_free(alarm);
		xsUnknownError("out of memory");
	}
	alarm->object_machine = the;
	xsmcSetHostData(xsThis, alarm);
	xsSetHostHooks(xsThis, (xsHostHooks *)&hooks);
	alarm->callback = xsmcToReference(xsArg(0));
	alarm->object = xsThis;
	xsRemember(alarm->object);
}

void xs_tn_alarm_stop(xsMachine *the)
{
	struct alarm *alarm = xsmcGetHostDataValidate(xsThis, (void *)&hooks);
	if (alarm->callback == NULL)
		return;
	tn_timer_stop(&alarm->timer);
	alarm->callback = NULL;
	xsForget(alarm->object);
}
