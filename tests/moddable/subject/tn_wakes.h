#ifndef TN_WAKES_H
#define TN_WAKES_H

#include <stdint.h>

/** Times that nodes of this process woke a VM. */
uint32_t tn_wakes(void);

#endif
