/*
 * lwIP's headers, and addresses between its form and ours (16 bytes, IPv4 v4-mapped). Included where lwIP is spoken to, and nowhere else.
 */
#ifndef TN_LWIP_H
#define TN_LWIP_H

#include <limits.h>
#ifndef SSIZE_MAX
/* lwIP defines ssize_t where this is missing, which in strict C11 it is although <sys/types.h> has the type. */
#define SSIZE_MAX LONG_MAX
#endif
#include <string.h>
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "lwip/priv/tcp_priv.h"
#include "tn_config.h"
#include "tn_packet.h"

#if TN_IPV6 && !LWIP_IPV6
#error "this lwIP has no IPv6: expected \"defines\": { \"tailnet\": { \"ipv6\": false } } in the manifest of the app"
#endif

static inline void tn_to_lwip(ip_addr_t *out, const uint8_t address[16])
{
	memset(out, 0, sizeof *out);
	if (tn_address_is_ip4(address)) {
		memcpy(&ip_2_ip4(out)->addr, address + 12, 4);
		IP_SET_TYPE_VAL(*out, IPADDR_TYPE_V4);
	}
#if LWIP_IPV6
	else {
		memcpy(ip_2_ip6(out)->addr, address, 16);
		IP_SET_TYPE_VAL(*out, IPADDR_TYPE_V6);
	}
#endif
}

static inline void tn_from_lwip(uint8_t out[16], const ip_addr_t *address)
{
#if LWIP_IPV6
	if (IP_IS_V6(address)) {
		memcpy(out, ip_2_ip6(address)->addr, 16);
		return;
	}
#endif
	tn_address_from_ip4(out, (const uint8_t *)&ip_2_ip4(address)->addr);
}

/** Segments of a connection that wait for one before them; NULL also where lwIP keeps none. */
static inline const struct tcp_seg *tn_out_of_order(const struct tcp_pcb *pcb)
{
#if TCP_QUEUE_OOSEQ
	return pcb->ooseq;
#else
	(void)pcb;
	return NULL;
#endif
}

/** Whether lwIP's address is ours. */
static inline bool tn_is_same_address(const ip_addr_t *address, const uint8_t ours[16])
{
	uint8_t bytes[16];
	tn_from_lwip(bytes, address);
	return memcmp(bytes, ours, 16) == 0;
}

#endif
