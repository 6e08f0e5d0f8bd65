/*
 * A variable of the process's environment.
 */
#include <stdlib.h>

#include "xsmc.h"
#include "mc.xs.h"

void xs_tn_environment(xsMachine *the)
{
	const char *value = getenv(xsmcToString(xsArg(0)));
	if (value != NULL)
		xsmcSetString(xsResult, (char *)(uintptr_t)value);
}
