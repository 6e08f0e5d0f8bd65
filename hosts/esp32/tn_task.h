/*
 * Waiting in FreeRTOS' ticks.
 */
#ifndef TN_TASK_H
#define TN_TASK_H

#include <stdint.h>
#include "freertos/FreeRTOS.h"

#define TN_TASK_MAX_WAIT_MS 3600000u

/** Ticks from now until a time, both in milliseconds; never less than that, for ever when it is UINT64_MAX. */
static inline TickType_t tn_task_ticks(uint64_t now, uint64_t until)
{
	if (until == UINT64_MAX)
		return portMAX_DELAY;
	uint64_t wait = until <= now ? 0 : until - now > TN_TASK_MAX_WAIT_MS ? TN_TASK_MAX_WAIT_MS : until - now;
	return (TickType_t)((wait * configTICK_RATE_HZ + 999) / 1000);
}

#endif
