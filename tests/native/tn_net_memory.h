/*
 * Memory of the tests' network: what the nodes ask their host for, and with NET_STACK_MEMORY defined what lwIP asks for as well. Either may be refused. Part of
 * tn_net.h.
 */
#ifndef TN_NET_MEMORY_H
#define TN_NET_MEMORY_H

/** Memory is short: from this size on a node is given nothing. */
static size_t net_refused_size = SIZE_MAX;

/** The allocation that is refused, counted from now; 0: none. */
static unsigned net_refused_in;

/** So many are refused from there on. */
static unsigned net_refused_count = 1;

/** Whether an allocation was refused, so that what follows of it is no mistake. */
static bool net_has_refused;

/** Blocks of nodes that were not given back yet. */
static long net_blocks;

static inline bool net_refuses(void)
{
	if (net_refused_in == 0 || --net_refused_in > 0)
		return false;
	net_has_refused = true;
	if (--net_refused_count > 0)
		net_refused_in = 1;
	return true;
}

void *tn_port_allocate(size_t size)
{
	if (size >= net_refused_size || net_refuses())
		return NULL;
	net_blocks++;
	return calloc(1, size);
}

void tn_port_free(void *memory)
{
	net_blocks -= memory != NULL;
	free(memory);
}

#ifdef NET_STACK_MEMORY

#include "tn_lwip.h"
#include "lwip/mem.h"
#include "lwip/memp.h"

/** Blocks of lwIP that were not given back yet. */
static long net_stack_blocks;

/* In the place of lwIP's own, which take and give with malloc and free as these do (MEM_LIBC_MALLOC, MEMP_MEM_MALLOC). */

void *mem_malloc(mem_size_t size)
{
	if (net_refuses())
		return NULL;
	net_stack_blocks++;
	return malloc(size);
}

void mem_free(void *memory)
{
	net_stack_blocks--;
	free(memory);
}

/** Its timers are always given, and not counted: without one lwIP ends the process, and it keeps those that it begins with. */
void *memp_malloc(memp_t type)
{
	size_t size = memp_pools[type]->size;
	return type == MEMP_SYS_TIMEOUT ? malloc(size) : mem_malloc(size);
}

void memp_free(memp_t type, void *memory)
{
	if (type == MEMP_SYS_TIMEOUT)
		free(memory);
	else if (memory != NULL)
		mem_free(memory);
}

#endif

#endif
