/*
 * Linux: the default route of least metric in /proc/net/route. The numbers of that table are hexadecimal, addresses in the byte order of the machine.
 */
#include "tn_default_route.h"

#include <stdio.h>
#include <string.h>

bool tn_default_route(char name[IF_NAMESIZE], uint8_t gateway[4])
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
