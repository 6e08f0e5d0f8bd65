/*
 * Facts of a POSIX machine.
 */
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

#include "tn_machine.h"

void tn_machine_fact(enum tn_machine_fact fact, char *out, size_t size)
{
	struct utsname facts;
	const char *text = "";
	if (uname(&facts) == 0) {
		switch (fact) {
		case TN_MACHINE_OS:
#ifdef __APPLE__
			text = "darwin";
#else
			text = "linux";
#endif
			break;
		case TN_MACHINE_OS_VERSION:
			text = facts.release;
			break;
		case TN_MACHINE_MODEL:
			text = facts.machine;
			break;
		case TN_MACHINE_HOSTNAME:
			text = facts.nodename;
			break;
		case TN_MACHINE_LACKS:
			break;
		}
	}
	snprintf(out, size, "%s", text);
}

uint64_t tn_machine_wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

size_t tn_machine_addresses(uint8_t (*out)[16], size_t max)
{
	struct ifaddrs *all, *each;
	size_t count = 0;
	if (getifaddrs(&all) != 0)
		return 0;
	for (each = all; each != NULL && count < max; each = each->ifa_next) {
		if (each->ifa_addr == NULL || (each->ifa_flags & IFF_UP) == 0 || (each->ifa_flags & IFF_LOOPBACK) != 0)
			continue;
		if (each->ifa_addr->sa_family == AF_INET) {
			memset(out[count], 0, 10);
			out[count][10] = out[count][11] = 0xff;
			memcpy(out[count] + 12, &((struct sockaddr_in *)(void *)each->ifa_addr)->sin_addr, 4);
		} else if (each->ifa_addr->sa_family == AF_INET6) {
			const struct in6_addr *address = &((struct sockaddr_in6 *)(void *)each->ifa_addr)->sin6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(address))
				continue;
			memcpy(out[count], address, 16);
		} else {
			continue;
		}
		count++;
	}
	freeifaddrs(all);
	return count;
}

#ifdef __linux__

/** Interface and gateway of the default route of least metric; the numbers of the table are hexadecimal, addresses in the byte order of the machine. */
static bool default_route(char name[IF_NAMESIZE], uint8_t gateway[4])
{
	enum { UP_WITH_GATEWAY = 3 };
	char line[256];
	unsigned long best = ~0ul;
	FILE *table = fopen("/proc/net/route", "re");
	if (table == NULL)
		return false;
	while (fgets(line, sizeof line, table) != NULL) {
		char interface[IF_NAMESIZE];
		unsigned destination, via, flags, mask;
		unsigned long metric;
		if (sscanf(line, "%15s %8x %8x %4x %*s %*s %lu %8x", interface, &destination, &via, &flags, &metric, &mask) != 6)
			continue;
		if (destination != 0 || mask != 0 || (flags & UP_WITH_GATEWAY) != UP_WITH_GATEWAY || metric >= best)
			continue;
		const uint32_t in_order = via;
		memcpy(name, interface, IF_NAMESIZE);
		memcpy(gateway, &in_order, 4);
		best = metric;
	}
	fclose(table);
	return best != ~0ul;
}

bool tn_machine_gateway(uint8_t gateway[4], uint8_t address[4])
{
	char name[IF_NAMESIZE];
	struct ifaddrs *all, *each;
	bool found = false;
	if (!default_route(name, gateway) || getifaddrs(&all) != 0)
		return false;
	for (each = all; each != NULL && !found; each = each->ifa_next) {
		if (each->ifa_addr == NULL || each->ifa_addr->sa_family != AF_INET || strcmp(each->ifa_name, name) != 0)
			continue;
		memcpy(address, &((struct sockaddr_in *)(void *)each->ifa_addr)->sin_addr, 4);
		found = true;
	}
	freeifaddrs(all);
	return found;
}

#else

bool tn_machine_gateway(uint8_t gateway[4], uint8_t address[4])
{
	(void)gateway;
	(void)address;
	return false;
}

#endif

void tn_machine_log(const char *text)
{
	fprintf(stderr, "%s\n", text);
}
