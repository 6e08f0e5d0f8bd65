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

#include "tn_default_route.h"
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

bool tn_machine_gateway(uint8_t gateway[4], uint8_t address[4])
{
	char name[IF_NAMESIZE];
	struct ifaddrs *all, *each;
	bool found = false;
	if (!tn_default_route(name, gateway) || getifaddrs(&all) != 0)
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

void tn_machine_log(const char *text)
{
	fprintf(stderr, "%s\n", text);
}
