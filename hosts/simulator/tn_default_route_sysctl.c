/*
 * macOS: the default route, from the routing table that sysctl(3) gives (route(4)).
 *
 *   message = struct rt_msghdr, then a socket address for each bit of rtm_addrs in the order of RTAX_*: destination, gateway, netmask ...
 *
 * A socket address begins with its own length, which may be less than its type says, and takes a multiple of 4 bytes, at least 4. A default route has the
 * destination 0.0.0.0 and a netmask without a bit.
 */
#include "tn_default_route.h"

#include <net/route.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysctl.h>

#define ALIGNMENT 4u
#define ADDRESS_AT 4u /* in a sockaddr_in */

/** The table. @return NULL when it cannot be had, else to be freed */
static uint8_t *read_table(size_t *length)
{
	int name[] = {CTL_NET, PF_ROUTE, 0, AF_INET, NET_RT_FLAGS, RTF_GATEWAY};
	enum { PARTS = sizeof name / sizeof name[0] };
	if (sysctl(name, PARTS, NULL, length, NULL, 0) != 0)
		return NULL;
	uint8_t *table = malloc(*length);
	if (table != NULL && sysctl(name, PARTS, table, length, NULL, 0) == 0)
		return table;
	free(table);
	return NULL;
}

/** The IPv4 address of a socket address, what is cut off being 0. */
static void address_of(uint8_t out[4], const uint8_t *address, size_t length)
{
	memset(out, 0, 4);
	if (length > ADDRESS_AT)
		memcpy(out, address + ADDRESS_AT, length - ADDRESS_AT < 4 ? length - ADDRESS_AT : 4);
}

/** @return whether a message is that of a default route with a gateway, not one of an interface's own (RTF_IFSCOPE) */
static bool is_default(const uint8_t *message, const struct rt_msghdr *head, uint8_t gateway[4])
{
	static const uint8_t none[4];
	uint8_t found[RTAX_NETMASK + 1][4] = {{0}};
	const int wanted = RTA_DST | RTA_GATEWAY;
	size_t at = sizeof *head;
	if ((head->rtm_flags & RTF_UP) == 0 || (head->rtm_flags & RTF_IFSCOPE) != 0 || (head->rtm_addrs & wanted) != wanted)
		return false;
	for (unsigned i = 0; i <= RTAX_NETMASK; i++) {
		if ((head->rtm_addrs & (1 << i)) == 0)
			continue;
		if (at >= head->rtm_msglen)
			return false;
		size_t length = message[at], left = head->rtm_msglen - at;
		/* The gateway of an interface without one is that interface. */
		if (i == RTAX_GATEWAY && (length < ADDRESS_AT + 4 || left < ADDRESS_AT + 4 || message[at + 1] != AF_INET))
			return false;
		address_of(found[i], message + at, length < left ? length : left);
		at += length == 0 ? ALIGNMENT : (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	}
	memcpy(gateway, found[RTAX_GATEWAY], 4);
	return memcmp(found[RTAX_DST], none, 4) == 0 && memcmp(found[RTAX_NETMASK], none, 4) == 0;
}

bool tn_default_route(char interface[IF_NAMESIZE], uint8_t gateway[4])
{
	size_t length = 0;
	bool found = false;
	uint8_t *table = read_table(&length);
	if (table == NULL)
		return false;
	for (size_t at = 0; !found && length - at >= sizeof(struct rt_msghdr);) {
		struct rt_msghdr head;
		memcpy(&head, table + at, sizeof head);
		if (head.rtm_msglen < sizeof head || head.rtm_msglen > length - at)
			break;
		found = is_default(table + at, &head, gateway) && if_indextoname(head.rtm_index, interface) != NULL;
		at += head.rtm_msglen;
	}
	free(table);
	return found;
}
