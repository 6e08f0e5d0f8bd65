/*
 * Calls into lwIP.
 */
#include "tn_lwip_call.h"

#include "esp_netif.h"
#include "tn_lwip.h"
#include "lwip/priv/tcpip_priv.h"

struct call {
	struct tcpip_api_call_data head; /* first: a call is its head */
	void (*work)(void *context);
	void *context;
};

static err_t run(struct tcpip_api_call_data *head)
{
	struct call *call = (struct call *)head;
	call->work(call->context);
	return ERR_OK;
}

void tn_lwip_call(void (*work)(void *context), void *context)
{
	struct call call = {.work = work, .context = context};
	/* Starts lwIP's thread the first time, and does nothing later. */
	esp_netif_init();
	tcpip_api_call(run, &call.head);
}
