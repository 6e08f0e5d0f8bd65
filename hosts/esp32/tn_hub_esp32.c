/*
 * The hub of a VM on the device: a message to its task when something was posted, a timer of the SDK for the alarm.
 *
 * The queue of the VM's messages is short, and in release builds whoever finds it full waits. None of our tasks may: the VM waits for them when a node is closed.
 * So a post never waits; one that finds the queue full is tried again some milliseconds later.
 */
#include "esp_timer.h"
#include "xsmc.h"
#include "xsHost.h"
#include "modTimer.h"

#include <stdatomic.h>
#include "tn_host.h"
#include "tn_hub.h"
#include "tn_port.h"

#define AGAIN_US 3000
#define LONGEST_MS 86400000u

struct host {
	struct tn_hub *hub; /* NULL: closed */
	xsMachine *machine;
	modTimer alarm;
	esp_timer_handle_t again;
	portMUX_TYPE lock; /* of again, which runs on a task of its own */
	bool is_closed;
	_Atomic uint32_t messages; /* in the queue, or about to be: they keep this */
};

static void forget(struct host *host)
{
	if (atomic_fetch_sub(&host->messages, 1) == 1)
		tn_port_free(host);
}

/** VM task: the message has arrived. */
static void on_message(void *machine, void *refcon, uint8_t *message, uint16_t length)
{
	struct host *host = refcon;
	(void)machine;
	(void)message;
	(void)length;
	if (host->hub != NULL)
		tn_hub_deliver(host->hub);
	forget(host);
}

static void post(void *context)
{
	struct host *host = context;
	portENTER_CRITICAL(&host->lock);
	bool is_closed = host->is_closed;
	/* The way meant for interrupts, the only one that does not wait. */
	bool is_posted = !is_closed && modMessagePostToMachineFromISR(host->machine, on_message, host) == 0;
	if (!is_closed && !is_posted)
		esp_timer_start_once(host->again, AGAIN_US);
	portEXIT_CRITICAL(&host->lock);
	if (is_closed)
		forget(host);
	else if (is_posted)
		taskYIELD();
}

static void on_alarm(modTimer timer, void *refcon, int size)
{
	struct host *host = *(struct host **)refcon;
	(void)size;
	/* It stays, for the next alarm. */
	modTimerUnschedule(timer);
	tn_hub_deliver(host->hub);
}

void *tn_hub_host_open(struct tn_hub *hub, void *machine)
{
	struct host *host = tn_port_allocate(sizeof *host);
	if (host == NULL)
		return NULL;
	const esp_timer_create_args_t again = {.callback = post, .arg = host, .name = "tailnet post"};
	host->hub = hub;
	host->machine = machine;
	host->messages = 1;
	portMUX_INITIALIZE(&host->lock);
	host->alarm = modTimerAdd(LONGEST_MS, LONGEST_MS, on_alarm, &host, sizeof host);
	if (host->alarm == NULL || esp_timer_create(&again, &host->again) != ESP_OK) {
		if (host->alarm != NULL)
			modTimerRemove(host->alarm);
		tn_port_free(host);
		return NULL;
	}
	modTimerUnschedule(host->alarm);
	return host;
}

void tn_hub_host_post(void *context)
{
	struct host *host = context;
	atomic_fetch_add(&host->messages, 1);
	post(host);
}

void tn_hub_host_alarm(void *context, uint64_t at_ms)
{
	struct host *host = context;
	uint64_t now = tn_host_now_ms();
	if (at_ms == UINT64_MAX) {
		modTimerUnschedule(host->alarm);
		return;
	}
	uint64_t wait = at_ms <= now ? 0 : at_ms - now > LONGEST_MS ? LONGEST_MS : at_ms - now;
	modTimerReschedule(host->alarm, (int)wait, LONGEST_MS);
}

void tn_hub_host_close(void *context)
{
	struct host *host = context;
	host->hub = NULL;
	modTimerRemove(host->alarm);
	portENTER_CRITICAL(&host->lock);
	host->is_closed = true;
	bool was_waiting = esp_timer_stop(host->again) == ESP_OK;
	portEXIT_CRITICAL(&host->lock);
	if (was_waiting)
		forget(host);
	esp_timer_delete(host->again);
	forget(host);
}
