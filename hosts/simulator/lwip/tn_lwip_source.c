/*
 * lwIP in source as one unit: as files of their own its tcp.c and udp.c would take the places of the SDK's. The folder src of lwIP 2.1 or 2.2 is where headers
 * are looked for.
 *
 * Names that two of its files have for themselves are told apart.
 */
#include "tn_host.h"

#include "lwip/opt.h"
#include "lwip/sys.h"

u32_t sys_now(void)
{
	return (u32_t)tn_host_now_ms();
}

#include "core/def.c"
#include "core/inet_chksum.c"
#include "core/init.c"
#include "core/ip.c"
#include "core/mem.c"
#include "core/memp.c"
#include "core/netif.c"
#include "core/pbuf.c"
#include "core/tcp.c"
#include "core/tcp_in.c"
#include "core/tcp_out.c"
#include "core/timeouts.c"
#include "core/udp.c"

#include "core/ipv4/icmp.c"
#include "core/ipv4/ip4.c"
#include "core/ipv4/ip4_addr.c"
#include "core/ipv4/ip4_frag.c"

#define reassdatagrams reassdatagrams6
#include "core/ipv6/icmp6.c"
#include "core/ipv6/ip6.c"
#include "core/ipv6/ip6_addr.c"
#include "core/ipv6/ip6_frag.c"
#include "core/ipv6/nd6.c"
