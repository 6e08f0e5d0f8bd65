/*
 * A mutex that needs no beginning: zeroed memory is an open one. It is made when it is taken first, and stays.
 */
#ifndef TN_MUTEX_H
#define TN_MUTEX_H

#include <stdatomic.h>
#include <stddef.h>
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"

typedef _Atomic(SemaphoreHandle_t) tn_mutex;

static inline SemaphoreHandle_t tn_mutex_handle(tn_mutex *mutex)
{
	SemaphoreHandle_t handle = atomic_load(mutex), none = NULL;
	while (handle == NULL) {
		SemaphoreHandle_t made = xSemaphoreCreateMutex();
		if (made == NULL) {
			vTaskDelay(1);
			handle = atomic_load(mutex);
		} else if (atomic_compare_exchange_strong(mutex, &none, made)) {
			handle = made;
		} else {
			vSemaphoreDelete(made);
			handle = none;
		}
	}
	return handle;
}

static inline void tn_mutex_lock(tn_mutex *mutex)
{
	xSemaphoreTake(tn_mutex_handle(mutex), portMAX_DELAY);
}

static inline void tn_mutex_unlock(tn_mutex *mutex)
{
	xSemaphoreGive(atomic_load(mutex));
}

#endif
