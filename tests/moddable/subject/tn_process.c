/*
 * The app's process, for tests.
 */
#include <malloc.h>
#include <stdlib.h>

#include "xsmc.h"
#include "mc.xs.h"

#include "tn_reserved.h"
#include "tn_wakes.h"

void xs_tn_environment(xsMachine *the)
{
	const char *value = getenv(xsmcToString(xsArg(0)));
	if (value != NULL)
		xsmcSetString(xsResult, (char *)(uintptr_t)value);
}

void xs_tn_malloced_bytes(xsMachine *the)
{
	struct mallinfo2 figures = mallinfo2();
	xsmcSetNumber(xsResult, (double)figures.uordblks + (double)figures.hblkhd - (double)tn_reserved_bytes(the));
}

void xs_tn_wakes(xsMachine *the)
{
	xsmcSetNumber(xsResult, tn_wakes());
}
