/*
 * Memory of the board, as JSON.
 */
#include "esp_heap_caps.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include <stdio.h>
#include "xsmc.h"
#include "xsHost.h"

#define TEXT_MAX 640

/** Bytes of a task's stack that were never used, -1 when there is no such task. */
static int spare(const char *name)
{
	TaskHandle_t task = xTaskGetHandle(name);
	return task != NULL ? (int)(uxTaskGetStackHighWaterMark(task) * sizeof(StackType_t)) : -1;
}

void xs_tn_figures(xsMachine *the)
{
	char text[TEXT_MAX];
	snprintf(text, sizeof text,
	         "{\"total\":%u,\"free\":%u,\"leastFree\":%u,\"largestFree\":%u,\"spareTunnel\":%d,\"spareConnections\":%d,\"spareNetwork\":%d,\"spareVM\":%d}",
	         (unsigned)heap_caps_get_total_size(MALLOC_CAP_8BIT), (unsigned)heap_caps_get_free_size(MALLOC_CAP_8BIT),
	         (unsigned)heap_caps_get_minimum_free_size(MALLOC_CAP_8BIT), (unsigned)heap_caps_get_largest_free_block(MALLOC_CAP_8BIT), spare("tailnet"),
	         spare("tailnet tls"), spare("tiT"), spare("main"));
	xsmcSetString(xsResult, text);
}
