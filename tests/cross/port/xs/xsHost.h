/* The SDK's host header of a platform; the bindings take XS's own names from xs.h, which is enough to measure them. */
#include "xsPlatform.h"
