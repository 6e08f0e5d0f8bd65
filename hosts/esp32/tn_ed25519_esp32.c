/*
 * A signature verified on the stack of a task of its own, which is there for nothing else.
 */
#include "tn_ed25519.h"

#include <sodium.h>
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"

/** What libsodium takes, and as much as FreeRTOS and, on Xtensa, register windows may. */
#define STACK 4608

struct question {
	const uint8_t *key, *message, *signature;
	size_t length;
	int answer;
	SemaphoreHandle_t done;
};

static void run(void *context)
{
	struct question *question = context;
	question->answer = crypto_sign_verify_detached(question->signature, question->message, question->length, question->key) == 0;
	xSemaphoreGive(question->done);
	/* Who asked deletes it: a task that deletes itself keeps its stack until the system is idle. */
	for (;;)
		vTaskSuspend(NULL);
}

int tn_ed25519_verify(const uint8_t key[32], const uint8_t *message, size_t length, const uint8_t signature[64])
{
	struct question question = {key, message, signature, length, -1, xSemaphoreCreateBinary()};
	TaskHandle_t task;
	if (question.done == NULL)
		return -1;
	if (xTaskCreate(run, "tailnet lock", STACK / sizeof(StackType_t), &question, uxTaskPriorityGet(NULL), &task) == pdPASS) {
		xSemaphoreTake(question.done, portMAX_DELAY);
		vTaskDelete(task);
	}
	vSemaphoreDelete(question.done);
	return question.answer;
}
