#include "xsAll.h"

#include "tn_reserved.h"

size_t tn_reserved_bytes(void *machine)
{
	txMachine *the = machine;
	return (size_t)the->maximumChunksSize + (size_t)the->maximumHeapCount * sizeof(txSlot);
}
