/*
 * Facts of the device.
 */
#include "tn_machine.h"

#include "esp_idf_version.h"
#include "esp_mac.h"
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include "sdkconfig.h"
#include "tn_board.h"
#include "tn_lwip.h"
#include "tn_lwip_call.h"
#include "xsmc.h"
#include "xsHost.h"

/** A clock that was never set counts from 1970: before this (2025) it knows nothing. */
#define KNOWN_SINCE 1735689600

void tn_machine_fact(enum tn_machine_fact fact, char *out, size_t size)
{
	uint8_t address[6] = {0};
	switch (fact) {
	case TN_MACHINE_OS:
		snprintf(out, size, "esp32");
		break;
	case TN_MACHINE_OS_VERSION:
		snprintf(out, size, "ESP-IDF %d.%d.%d", ESP_IDF_VERSION_MAJOR, ESP_IDF_VERSION_MINOR, ESP_IDF_VERSION_PATCH);
		break;
	case TN_MACHINE_MODEL:
		snprintf(out, size, "%s", CONFIG_IDF_TARGET);
		break;
	case TN_MACHINE_HOSTNAME:
		esp_efuse_mac_get_default(address);
		snprintf(out, size, "%s-%02x%02x%02x", CONFIG_IDF_TARGET, address[3], address[4], address[5]);
		break;
	case TN_MACHINE_LACKS:
		snprintf(out, size, "%s", tn_board_lacks);
		break;
	}
}

uint64_t tn_machine_wall_ms(void)
{
	struct timeval now;
	gettimeofday(&now, NULL);
	return now.tv_sec < KNOWN_SINCE ? 0 : (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_usec / 1000u;
}

struct listing {
	uint8_t (*out)[16];
	size_t count, max;
};

static void add(struct listing *listing, const ip_addr_t *address)
{
	if (listing->count < listing->max)
		tn_from_lwip(listing->out[listing->count++], address);
}

/** lwIP's thread. */
static void list(void *context)
{
	struct listing *listing = context;
	struct netif *netif;
	NETIF_FOREACH(netif)
	{
		if (!netif_is_up(netif) || !netif_is_link_up(netif) || ip_addr_isloopback(&netif->ip_addr))
			continue;
		if (!ip4_addr_isany_val(*netif_ip4_addr(netif)) && !ip4_addr_islinklocal(netif_ip4_addr(netif)))
			add(listing, &netif->ip_addr);
#if LWIP_IPV6
		for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
			if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) && !ip6_addr_islinklocal(netif_ip6_addr(netif, i)) &&
			    !ip6_addr_isloopback(netif_ip6_addr(netif, i)))
				add(listing, &netif->ip6_addr[i]);
		}
#endif
	}
}

size_t tn_machine_addresses(uint8_t (*out)[16], size_t max)
{
	struct listing listing = {.out = out, .max = max};
	tn_lwip_call(list, &listing);
	return listing.count;
}

struct way {
	uint8_t gateway[4], address[4];
	bool is_there;
};

/** lwIP's thread. */
static void find_way(void *context)
{
	struct way *way = context;
	const struct netif *netif = netif_default;
	if (netif == NULL || !netif_is_up(netif) || ip4_addr_isany_val(*netif_ip4_gw(netif)) || ip4_addr_isany_val(*netif_ip4_addr(netif)))
		return;
	memcpy(way->gateway, &netif_ip4_gw(netif)->addr, sizeof way->gateway);
	memcpy(way->address, &netif_ip4_addr(netif)->addr, sizeof way->address);
	way->is_there = true;
}

bool tn_machine_gateway(uint8_t gateway[4], uint8_t address[4])
{
	struct way way = {.is_there = false};
	tn_lwip_call(find_way, &way);
	memcpy(gateway, way.gateway, sizeof way.gateway);
	memcpy(address, way.address, sizeof way.address);
	return way.is_there;
}

void tn_machine_log(const char *text)
{
	modLog_transmit(text);
}
