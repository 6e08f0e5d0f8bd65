/*
 * The engine's memory, for tests. Apart from tn_process.c, since the engine's own header and the one for apps exclude each other.
 */
#ifndef TN_RESERVED_H
#define TN_RESERVED_H

#include <stddef.h>

/** Bytes that a machine has allocated for its chunks and slots, used or not: its heap grows by habit and never shrinks. */
size_t tn_reserved_bytes(void *machine);

#endif
