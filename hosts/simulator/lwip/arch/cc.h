/*
 * lwIP's view of the compilers of desktops.
 */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LWIP_NO_UNISTD_H 1
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1

#ifdef _WIN32
/* The same with Microsoft's compiler, which knows no attribute for it. */
#define PACK_STRUCT_USE_INCLUDES
#endif

void tn_port_random(void *out, size_t n);

static inline uint32_t tn_lwip_random(void)
{
	uint32_t number;
	tn_port_random(&number, sizeof number);
	return number;
}

#define LWIP_RAND() tn_lwip_random()
#define LWIP_PLATFORM_DIAG(arguments) (printf arguments)
#define LWIP_PLATFORM_ASSERT(text)                                                                                                                             \
	do {                                                                                                                                                       \
		fprintf(stderr, "lwIP: %s, %s:%d\n", text, __FILE__, __LINE__);                                                                                        \
		abort();                                                                                                                                               \
	} while (0)

#endif
