/*
 * macOS: a hub is a source and a timer of the run loop of its VM's thread (Core Foundation). Posting signals the source; the alarm is the timer's next date.
 *
 * It is a source of our own, invalidated with the hub: what is still queued at the SDK's may be called after the library was unloaded.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <stdlib.h>

#include "tn_hub.h"
#include "tn_host.h"

#define US_PER_SECOND 1e6
#define MS_PER_SECOND 1e3
/** Of a timer that is not set: years. Core Foundation ends one that does not repeat. */
#define FOR_EVER 1e9

struct host_source {
	CFRunLoopRef loop;
	CFRunLoopSourceRef source;
	CFRunLoopTimerRef timer;
	struct tn_hub *hub; /* NULL: closed */
	unsigned calls;     /* of deliver that have not returned */
};

static void deliver(void *info)
{
	struct host_source *own = info;
	own->calls++;
	if (own->hub != NULL)
		tn_hub_deliver(own->hub);
	if (--own->calls == 0 && own->hub == NULL)
		free(own);
}

static void fire(CFRunLoopTimerRef timer, void *info)
{
	(void)timer;
	deliver(info);
}

static void release(struct host_source *own)
{
	if (own->source != NULL) {
		CFRunLoopSourceInvalidate(own->source);
		CFRelease(own->source);
	}
	if (own->timer != NULL) {
		CFRunLoopTimerInvalidate(own->timer);
		CFRelease(own->timer);
	}
	own->hub = NULL;
	if (own->calls == 0)
		free(own);
}

void *tn_hub_host_open(struct tn_hub *hub, void *machine)
{
	struct host_source *own = calloc(1, sizeof *own);
	(void)machine;
	if (own == NULL)
		return NULL;
	CFRunLoopSourceContext source = {.info = own, .perform = deliver};
	CFRunLoopTimerContext timer = {.info = own};
	own->hub = hub;
	own->loop = CFRunLoopGetCurrent();
	own->source = CFRunLoopSourceCreate(NULL, 0, &source);
	own->timer = CFRunLoopTimerCreate(NULL, CFAbsoluteTimeGetCurrent() + FOR_EVER, FOR_EVER, 0, 0, fire, &timer);
	if (own->source == NULL || own->timer == NULL) {
		release(own);
		return NULL;
	}
	CFRunLoopAddSource(own->loop, own->source, kCFRunLoopCommonModes);
	CFRunLoopAddTimer(own->loop, own->timer, kCFRunLoopCommonModes);
	return own;
}

void tn_hub_host_post(void *host)
{
	struct host_source *own = host;
	CFRunLoopSourceSignal(own->source);
	CFRunLoopWakeUp(own->loop);
}

void tn_hub_host_alarm(void *host, uint64_t at_ms)
{
	struct host_source *own = host;
	const double left = (double)at_ms / MS_PER_SECOND - (double)tn_host_now_us() / US_PER_SECOND;
	CFRunLoopTimerSetNextFireDate(own->timer, CFAbsoluteTimeGetCurrent() + (left > FOR_EVER ? FOR_EVER : left < 0 ? 0 : left));
}

void tn_hub_host_close(void *host)
{
	release(host);
}
