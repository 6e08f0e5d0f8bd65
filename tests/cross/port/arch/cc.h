/*
 * lwIP's view of the compilers of the cross ring. What lwIP asserts ends the program.
 */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void tn_port_random(void *out, size_t n);

static inline uint32_t tn_cross_random(void)
{
	uint32_t number;
	tn_port_random(&number, sizeof number);
	return number;
}

#define LWIP_RAND() tn_cross_random()
#define LWIP_PLATFORM_DIAG(arguments) (printf arguments)
#define LWIP_PLATFORM_ASSERT(text)                                                                                                                             \
	do {                                                                                                                                                       \
		printf("not ok - lwIP: %s, %s:%d\n", text, __FILE__, __LINE__);                                                                                        \
		abort();                                                                                                                                               \
	} while (0)

#endif
