/*
 * News of the network by IP Helper, which calls on a thread of the system.
 */
#include "tn_link.h"

#include <iphlpapi.h>
#include <stdatomic.h>
#include <stdlib.h>

enum kind { ADDRESSES, ROUTES, INTERFACES, KINDS };

struct tn_link {
	struct tn_wait *wait;
	HANDLE notices[KINDS]; /* NULL: there are none of that kind */
	_Atomic uint32_t has_news;
};

static void tell(void *context)
{
	struct tn_link *link = context;
	if (atomic_exchange(&link->has_news, 1) == 0)
		tn_wait_kick(link->wait);
}

static void WINAPI on_address(void *context, MIB_UNICASTIPADDRESS_ROW *row, MIB_NOTIFICATION_TYPE type)
{
	(void)row;
	(void)type;
	tell(context);
}

static void WINAPI on_route(void *context, MIB_IPFORWARD_ROW2 *row, MIB_NOTIFICATION_TYPE type)
{
	(void)row;
	(void)type;
	tell(context);
}

static void WINAPI on_interface(void *context, MIB_IPINTERFACE_ROW *row, MIB_NOTIFICATION_TYPE type)
{
	(void)row;
	(void)type;
	tell(context);
}

struct tn_link *tn_link_open(struct tn_wait *wait)
{
	struct tn_link *link = calloc(1, sizeof *link);
	if (link == NULL)
		return NULL;
	link->wait = wait;
	bool has_any = NotifyUnicastIpAddressChange(AF_UNSPEC, on_address, link, FALSE, &link->notices[ADDRESSES]) == NO_ERROR;
	has_any |= NotifyRouteChange2(AF_UNSPEC, on_route, link, FALSE, &link->notices[ROUTES]) == NO_ERROR;
	has_any |= NotifyIpInterfaceChange(AF_UNSPEC, on_interface, link, FALSE, &link->notices[INTERFACES]) == NO_ERROR;
	if (has_any)
		return link;
	free(link);
	return NULL;
}

/** No call is under way when a notice has been taken back. */
void tn_link_close(struct tn_link *link)
{
	for (unsigned i = 0; link != NULL && i < KINDS; i++) {
		if (link->notices[i] != NULL)
			CancelMibChangeNotify2(link->notices[i]);
	}
	free(link);
}

tn_bsd tn_link_socket(const struct tn_link *link)
{
	(void)link;
	return TN_BSD_NONE;
}

bool tn_link_take(struct tn_link *link)
{
	return link != NULL && atomic_exchange(&link->has_news, 0) != 0;
}
