/*
 * TCP outside the tailnet over raw lwIP, and the connection task. A stream is lwIP's: each function goes to its thread and comes back.
 */
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "tn_config.h"
#include "tn_connection.h"
#include "tn_host.h"
#include "tn_lwip.h"
#include "tn_lwip_call.h"
#include "tn_mutex.h"
#include "tn_port.h"
#include "tn_task.h"
#include "tn_tcp.h"

/** Bytes of the connection task's stack: a TLS handshake with its certificates. */
#ifdef MODDEF_TAILNET_CONNECTIONSTACK
#define TN_CONNECTION_STACK MODDEF_TAILNET_CONNECTIONSTACK
#else
#define TN_CONNECTION_STACK 8192
#endif
/** Below the VM (4): a handshake takes long. */
#define CONNECTION_PRIORITY 3

struct tn_tcp {
	struct tcp_pcb *pcb;   /* NULL: lwIP has dropped it */
	struct pbuf *received; /* and not read */
	int result;            /* what it came to, when it is over; TN_TCP_WAIT until then */
	bool is_connected;
	bool is_blocked; /* a send found no room */
};

static struct {
	tn_mutex lock;     /* tn_tcp_lock */
	TaskHandle_t task; /* under the lock; NULL: none, or it is about to end */
	SemaphoreHandle_t gone;
	bool is_joinable;
} loop;

/* ---- lwIP's thread ---- */

static err_t on_connected(void *context, struct tcp_pcb *pcb, err_t error)
{
	struct tn_tcp *tcp = context;
	(void)pcb;
	(void)error;
	tcp->is_connected = true;
	tn_tcp_thread_kick();
	return ERR_OK;
}

static err_t on_receive(void *context, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
	struct tn_tcp *tcp = context;
	(void)pcb;
	(void)error;
	bool was_empty = tcp->received == NULL;
	if (p == NULL)
		tcp->result = TN_TCP_CLOSED;
	else if (was_empty)
		tcp->received = p;
	else
		pbuf_cat(tcp->received, p);
	if (was_empty || p == NULL)
		tn_tcp_thread_kick();
	return ERR_OK;
}

static err_t on_sent(void *context, struct tcp_pcb *pcb, u16_t length)
{
	struct tn_tcp *tcp = context;
	(void)pcb;
	(void)length;
	if (tcp->is_blocked) {
		tcp->is_blocked = false;
		tn_tcp_thread_kick();
	}
	return ERR_OK;
}

static int result_of(err_t error)
{
	switch (error) {
	case ERR_OK:
	case ERR_INPROGRESS:
		return TN_TCP_WAIT;
	case ERR_RTE:
	case ERR_VAL:
		return TN_TCP_UNREACHABLE;
	case ERR_ABRT:
		return TN_TCP_TIMEOUT;
	case ERR_RST:
	case ERR_CLSD:
	case ERR_CONN:
		return TN_TCP_CLOSED;
	default:
		return TN_TCP_ERROR;
	}
}

static void on_error(void *context, err_t error)
{
	struct tn_tcp *tcp = context;
	tcp->pcb = NULL;
	tcp->result = error == ERR_RST && !tcp->is_connected ? TN_TCP_REFUSED : result_of(error);
	tn_tcp_thread_kick();
}

/** A call with what it is given and what comes back. */
struct call {
	struct tn_tcp *tcp;
	const uint8_t *bytes;
	uint8_t *into;
	size_t length;
	uint16_t port;
	int result;
};

static void connect_stream(void *context)
{
	struct call *call = context;
	struct tn_tcp *tcp = call->tcp;
	ip_addr_t address;
	if (!LWIP_IPV6 && !tn_address_is_ip4(call->bytes)) {
		tcp->result = TN_TCP_UNREACHABLE;
		call->result = 0;
		return;
	}
	tcp->pcb = tcp_new_ip_type(tn_address_is_ip4(call->bytes) ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
	if (tcp->pcb == NULL)
		return;
	tcp_arg(tcp->pcb, tcp);
	tcp_recv(tcp->pcb, on_receive);
	tcp_sent(tcp->pcb, on_sent);
	tcp_err(tcp->pcb, on_error);
	tcp_nagle_disable(tcp->pcb);
	tn_to_lwip(&address, call->bytes);
	tcp->result = result_of(tcp_connect(tcp->pcb, &address, call->port, on_connected));
	call->result = 0;
}

static void send_bytes(void *context)
{
	struct call *call = context;
	struct tn_tcp *tcp = call->tcp;
	if (tcp->pcb == NULL) {
		call->result = tcp->result;
		return;
	}
	size_t length = call->length < tcp_sndbuf(tcp->pcb) ? call->length : tcp_sndbuf(tcp->pcb);
	err_t error = length == 0 ? ERR_MEM : tcp_write(tcp->pcb, call->bytes, (u16_t)length, TCP_WRITE_FLAG_COPY);
	if (error == ERR_OK)
		tcp_output(tcp->pcb);
	tcp->is_blocked = error == ERR_MEM;
	call->result = error == ERR_OK ? (int)length : error == ERR_MEM ? TN_TCP_WAIT : TN_TCP_ERROR;
}

static void receive_bytes(void *context)
{
	struct call *call = context;
	struct tn_tcp *tcp = call->tcp;
	if (tcp->received == NULL) {
		call->result = tcp->result;
		return;
	}
	u16_t length = pbuf_copy_partial(tcp->received, call->into, call->length < UINT16_MAX ? (u16_t)call->length : UINT16_MAX, 0);
	tcp->received = pbuf_free_header(tcp->received, length);
	if (tcp->pcb != NULL)
		tcp_recved(tcp->pcb, length);
	call->result = length;
}

static void copy_address(void *context)
{
	struct call *call = context;
	if (call->tcp->pcb != NULL)
		tn_from_lwip(call->into, &call->tcp->pcb->local_ip);
}

static void close_stream(void *context)
{
	struct tn_tcp *tcp = context;
	struct tcp_pcb *pcb = tcp->pcb;
	if (tcp->received != NULL)
		pbuf_free(tcp->received);
	if (pcb == NULL)
		return;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	if (tcp_close(pcb) != ERR_OK)
		tcp_abort(pcb);
}

/* ---- Streams: the connection task ---- */

struct tn_tcp *tn_tcp_open(const uint8_t address[16], uint16_t port)
{
	struct tn_tcp *tcp = tn_port_allocate(sizeof *tcp);
	struct call call = {.tcp = tcp, .bytes = address, .port = port, .result = TN_TCP_ERROR};
	if (tcp == NULL)
		return NULL;
	tn_lwip_call(connect_stream, &call);
	if (call.result == 0)
		return tcp;
	tn_port_free(tcp);
	return NULL;
}

int tn_tcp_connected(struct tn_tcp *tcp)
{
	/* Read without its thread: each is set once, before the kick. */
	int result = *(volatile int *)&tcp->result;
	return *(volatile bool *)&tcp->is_connected ? 0 : result;
}

int tn_tcp_send(struct tn_tcp *tcp, const uint8_t *bytes, size_t length)
{
	struct call call = {.tcp = tcp, .bytes = bytes, .length = length};
	tn_lwip_call(send_bytes, &call);
	return call.result;
}

int tn_tcp_receive(struct tn_tcp *tcp, uint8_t *bytes, size_t length)
{
	struct call call = {.tcp = tcp, .into = bytes, .length = length};
	tn_lwip_call(receive_bytes, &call);
	return call.result;
}

void tn_tcp_want(struct tn_tcp *tcp, unsigned interest)
{
	/* Every change kicks the task. */
	(void)tcp;
	(void)interest;
}

void tn_tcp_local(struct tn_tcp *tcp, uint8_t address[16])
{
	struct call call = {.tcp = tcp, .into = address};
	memset(address, 0, 16);
	tn_lwip_call(copy_address, &call);
}

void tn_tcp_close(struct tn_tcp *tcp)
{
	if (tcp == NULL)
		return;
	tn_lwip_call(close_stream, tcp);
	tn_port_free(tcp);
}

/* ---- The task itself ---- */

static void run(void *unused)
{
	uint64_t next;
	(void)unused;
	while ((next = tn_connections_turn(tn_host_now_ms())) != 0)
		ulTaskNotifyTake(pdTRUE, tn_task_ticks(tn_host_now_ms(), next));
	tn_tcp_lock();
	loop.task = NULL;
	tn_tcp_unlock();
	xSemaphoreGive(loop.gone);
	vTaskDelete(NULL);
}

bool tn_tcp_thread_start(void)
{
	tn_tcp_thread_join();
	if (loop.gone == NULL)
		loop.gone = xSemaphoreCreateBinary();
	tn_tcp_lock();
	loop.is_joinable =
	    loop.gone != NULL && xTaskCreate(run, "tailnet tls", TN_CONNECTION_STACK / sizeof(StackType_t), NULL, CONNECTION_PRIORITY, &loop.task) == pdPASS;
	bool is_started = loop.is_joinable;
	tn_tcp_unlock();
	return is_started;
}

void tn_tcp_thread_join(void)
{
	if (!loop.is_joinable)
		return;
	xSemaphoreTake(loop.gone, portMAX_DELAY);
	loop.is_joinable = false;
}

void tn_tcp_thread_kick(void)
{
	tn_tcp_lock();
	if (loop.task != NULL)
		xTaskNotifyGive(loop.task);
	tn_tcp_unlock();
}

void tn_tcp_lock(void)
{
	tn_mutex_lock(&loop.lock);
}

void tn_tcp_unlock(void)
{
	tn_mutex_unlock(&loop.lock);
}
