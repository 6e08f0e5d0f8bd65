/*
 * How often a node wakes its VM, for tests: the library is linked so that its own calls come here first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <glib.h>

#include "tn_wakes.h"

static uint32_t wakes;

uint32_t tn_wakes(void)
{
	return wakes;
}

/** tn_hub_glib.c takes back the ready time of its source whenever that is dispatched, and when there is no alarm left. */
void g_source_set_ready_time(GSource *source, gint64 ready_time)
{
	static void (*next)(GSource * source, gint64 ready_time);
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "g_source_set_ready_time");
	if (ready_time < 0)
		__atomic_fetch_add(&wakes, 1, __ATOMIC_RELAXED);
	next(source, ready_time);
}
