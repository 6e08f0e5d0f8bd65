/*
 * The tunnel task. There is one node a device.
 *
 *   turn: take the datagrams that wait -> the node's turn (commands, sockets, timers, sends) -> wait for a datagram, a kick or time
 *
 * It runs above the VM, so that packets do not wait for JavaScript, and below lwIP and the network drivers.
 */
#include "tn_host.h"

#include "esp_heap_caps.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include <sodium.h>
#include "tn_link_esp32.h"
#include "tn_lwip_call.h"
#include "tn_port.h"
#include "tn_task.h"
#include "tn_udp_lwip.h"

/** Bytes of the tunnel task's stack: tests/cross tells the deepest path, a handshake. */
#ifndef TN_TUNNEL_STACK
#define TN_TUNNEL_STACK 6144
#endif
#define TUNNEL_PRIORITY 6
#define PORT_AT 2
/** An unreachable destination is told at most this often. */
#define ERROR_MS 1000u

/**
 * External memory, where there is some, holds what may be slow: rings, queues and buffers, which have these sizes. What is smaller, and the node itself with its
 * keys and tables, is in internal memory as long as that lasts.
 */
#define EXTERNAL_LEAST 2048u
#define EXTERNAL_MOST 32768u

struct tn_host {
	struct tn_node *node;
	struct tn_udp udp;
	void (*wake)(void *context);
	void *context;
	SemaphoreHandle_t lock, gone;
	TaskHandle_t task;
	_Atomic uint32_t is_leaving, has_link_news;
	_Atomic uint16_t port;
	uint64_t told_error_at;
};

static _Atomic uint32_t is_taken;

uint64_t tn_host_now_us(void)
{
	return (uint64_t)esp_timer_get_time();
}

/* ---- tn_port.h ---- */

void *tn_port_allocate(size_t size)
{
#if CONFIG_SPIRAM
	void *memory = NULL;
	if (size >= EXTERNAL_LEAST && size <= EXTERNAL_MOST)
		memory = heap_caps_calloc(1, size, MALLOC_CAP_SPIRAM | MALLOC_CAP_8BIT);
	if (memory == NULL)
		memory = heap_caps_calloc(1, size, MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
	if (memory != NULL)
		return memory;
#endif
	return heap_caps_calloc(1, size, MALLOC_CAP_DEFAULT);
}

void tn_port_free(void *memory)
{
	heap_caps_free(memory);
}

void tn_port_kick(void *host)
{
	xTaskNotifyGive(((struct tn_host *)host)->task);
}

void tn_port_wake(void *context)
{
	struct tn_host *host = context;
	host->wake(host->context);
}

void tn_port_lock(void *host)
{
	xSemaphoreTake(((struct tn_host *)host)->lock, portMAX_DELAY);
}

void tn_port_unlock(void *host)
{
	xSemaphoreGive(((struct tn_host *)host)->lock);
}

void tn_port_stack(void *host, void (*work)(void *context), void *context)
{
	(void)host;
	tn_lwip_call(work, context);
}

static void tell_unreachable(struct tn_host *host, const uint8_t endpoint[TN_ENDPOINT])
{
	uint64_t now = tn_host_now_ms();
	if (host->told_error_at != 0 && now - host->told_error_at < ERROR_MS)
		return;
	host->told_error_at = now;
	tn_node_udp_error(host->node, endpoint);
}

void tn_port_send(void *context, struct tn_out *out)
{
	struct tn_host *host = context;
	uint32_t unreachable = tn_udp_send(&host->udp, out);
	for (uint32_t i = 0; i < out->run_count; i++) {
		if ((unreachable & 1u << i) != 0)
			tell_unreachable(host, out->runs[i].endpoint);
	}
	tn_out_clear(out);
}

bool tn_port_rebind(void *context, uint16_t port)
{
	struct tn_host *host = context;
	tn_udp_close(&host->udp);
	bool is_open = tn_udp_open(&host->udp, port);
	atomic_store(&host->port, host->udp.port);
	return is_open;
}

/* ---- The task ---- */

/** lwIP's thread. What comes before there is a task is found in its first turn. */
static void on_arrival(void *context)
{
	TaskHandle_t task = ((struct tn_host *)context)->task;
	if (task != NULL)
		xTaskNotifyGive(task);
}

/** The system's event task. */
static void on_link_news(void *context)
{
	struct tn_host *host = context;
	atomic_store(&host->has_link_news, 1);
	xTaskNotifyGive(host->task);
}

/** One turn. @return when the next is wanted */
static uint64_t turn(struct tn_host *host)
{
	const uint8_t *endpoint;
	uint8_t *datagram;
	size_t length;
	unsigned count = 0;
	tn_node_begin(host->node, tn_host_now_ms());
	if (atomic_exchange(&host->has_link_news, 0) != 0)
		tn_node_link_changed(host->node);
	for (; count < TN_UDP_WAITING && (datagram = tn_udp_peek(&host->udp, count, &endpoint, &length)) != NULL; count++)
		tn_node_receive(host->node, endpoint, datagram, length);
	uint64_t wanted = tn_node_turn(host->node);
	tn_udp_release(&host->udp, count);
	return wanted;
}

static void run(void *context)
{
	struct tn_host *host = context;
	if (!tn_node_start(host->node, tn_host_now_ms()))
		tn_node_udp_error(host->node, NULL);
	while (atomic_load(&host->is_leaving) == 0) {
		uint64_t wanted = turn(host);
		if (tn_node_may_sleep(host->node))
			ulTaskNotifyTake(pdTRUE, tn_task_ticks(tn_host_now_ms(), wanted));
		tn_node_awake(host->node);
	}
	tn_node_stop(host->node, tn_host_now_ms());
	xSemaphoreGive(host->gone);
	vTaskDelete(NULL);
}

/* ---- Life of the node: VM task ---- */

static void free_node(struct tn_host *host)
{
	tn_udp_close(&host->udp);
	tn_node_destroy(host->node);
	if (host->lock != NULL)
		vSemaphoreDelete(host->lock);
	if (host->gone != NULL)
		vSemaphoreDelete(host->gone);
	tn_port_free(host);
	atomic_store(&is_taken, 0);
}

/** @return what is wrong, NULL = nothing */
static const char *open_node(struct tn_host *host, const uint8_t *identity, size_t length)
{
	host->lock = xSemaphoreCreateMutex();
	host->gone = xSemaphoreCreateBinary();
	if (host->lock == NULL || host->gone == NULL)
		return "out of memory";
	host->node = tn_node_create(identity, length, host);
	if (host->node == NULL)
		return "out of memory for the node, or no identity record";
	host->udp.arrived = on_arrival;
	host->udp.context = host;
	if (!tn_udp_open(&host->udp, (uint16_t)(identity[PORT_AT] | identity[PORT_AT + 1] << 8)))
		return "no UDP socket could be bound";
	host->port = host->udp.port;
	if (xTaskCreate(run, "tailnet", TN_TUNNEL_STACK / sizeof(StackType_t), host, TUNNEL_PRIORITY, &host->task) != pdPASS)
		return "out of memory for the tunnel task";
	tn_link_watch(on_link_news, host); /* without it the app tells */
	return NULL;
}

struct tn_host *tn_host_open(const uint8_t *identity, size_t length, void (*wake)(void *context), void *context, const char **error)
{
	if (sodium_init() < 0 || length < PORT_AT + 2) {
		*error = "expected an identity record";
		return NULL;
	}
	if (atomic_exchange(&is_taken, 1) != 0) {
		*error = "there is one node a device: close the other one first";
		return NULL;
	}
	struct tn_host *host = tn_port_allocate(sizeof *host);
	if (host == NULL) {
		atomic_store(&is_taken, 0);
		*error = "out of memory";
		return NULL;
	}
	host->wake = wake;
	host->context = context;
	*error = open_node(host, identity, length);
	if (*error != NULL) {
		free_node(host);
		return NULL;
	}
	return host;
}

struct tn_node *tn_host_node(struct tn_host *host)
{
	return host->node;
}

uint16_t tn_host_port(const struct tn_host *host)
{
	return (uint16_t)atomic_load(&host->port);
}

void tn_host_close(struct tn_host *host)
{
	tn_link_unwatch();
	atomic_store(&host->is_leaving, 1);
	tn_port_kick(host);
	xSemaphoreTake(host->gone, portMAX_DELAY);
	free_node(host);
}
