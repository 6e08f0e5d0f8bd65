/*
 * Between a program on the emulated machine and the plugin that watches it (watch.c).
 */
#ifndef TN_CROSS_H
#define TN_CROSS_H

#include <stdint.h>

/* A system call that no system has. Its argument: the part that begins, 0 when one ends. */
#define TN_CROSS_MARK 0x746e
/* Parts that can be told apart, 0 among them. */
#define TN_CROSS_PARTS 32

/** From here on instructions are counted for a part, 1..TN_CROSS_PARTS-1; 0: for none. */
void tn_cross_part(uint32_t number);

#endif
