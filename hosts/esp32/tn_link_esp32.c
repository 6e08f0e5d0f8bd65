/*
 * Wi-Fi, Ethernet and PPP tell of addresses as IP events.
 */
#include "tn_link_esp32.h"

#include <stddef.h>
#include "esp_event.h"
#include "esp_netif.h"

static struct {
	void (*changed)(void *context);
	void *context;
	esp_event_handler_instance_t handler;
} watch;

static void on_event(void *unused, esp_event_base_t base, int32_t id, void *data)
{
	(void)unused;
	(void)base;
	(void)id;
	(void)data;
	watch.changed(watch.context);
}

bool tn_link_watch(void (*changed)(void *context), void *context)
{
	watch.changed = changed;
	watch.context = context;
	if (esp_event_handler_instance_register(IP_EVENT, ESP_EVENT_ANY_ID, on_event, NULL, &watch.handler) == ESP_OK)
		return true;
	watch.handler = NULL;
	return false;
}

void tn_link_unwatch(void)
{
	if (watch.handler != NULL)
		esp_event_handler_instance_unregister(IP_EVENT, ESP_EVENT_ANY_ID, watch.handler);
	watch.handler = NULL;
}
