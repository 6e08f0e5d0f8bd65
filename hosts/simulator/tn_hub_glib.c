/*
 * Linux: a hub is a source of the event loop of its VM's thread. Ready at once when something was posted, else at the time of the alarm.
 *
 * It is a source of our own, destroyed with the hub: the SDK's job queue leaves one behind that is called after the library was unloaded.
 */
#include <glib.h>

#include "tn_hub.h"
#include "tn_host.h"

#define US_PER_MS 1000

struct host_source {
	GSource source;
	struct tn_hub *hub;
};

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
	struct host_source *own = (struct host_source *)source;
	(void)callback;
	(void)data;
	g_source_set_ready_time(source, -1);
	g_source_ref(source);
	tn_hub_deliver(own->hub);
	g_source_unref(source);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {.dispatch = dispatch};

void *tn_hub_host_open(struct tn_hub *hub, void *machine)
{
	GSource *source = g_source_new(&functions, sizeof(struct host_source));
	(void)machine;
	((struct host_source *)source)->hub = hub;
	g_source_set_ready_time(source, -1);
	g_source_attach(source, g_main_context_get_thread_default());
	return source;
}

void tn_hub_host_post(void *host)
{
	g_source_set_ready_time(host, 0);
}

void tn_hub_host_alarm(void *host, uint64_t at_ms)
{
	g_source_set_ready_time(host, at_ms > INT64_MAX / US_PER_MS ? -1 : (gint64)at_ms * US_PER_MS);
}

void tn_hub_host_close(void *host)
{
	g_source_destroy(host);
	g_source_unref(host);
}
