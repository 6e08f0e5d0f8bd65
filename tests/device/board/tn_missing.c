/*
 * What the SDK's sources expect of newlib and picolibc does not have.
 */
#include <math.h>

double __ieee754_sqrt(double x);

double __ieee754_sqrt(double x)
{
	return sqrt(x);
}
