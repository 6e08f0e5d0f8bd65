/*
 * Just enough of a platform for XS's headers, so that what xsl makes of modules (mc.xs.c: preloaded objects, byte code, keys) can be compiled for a processor of
 * 32 bits and measured. It is never linked.
 */
#ifndef TN_CROSS_XS_PLATFORM_H
#define TN_CROSS_XS_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define mxBigEndian 0
#define mxLittleEndian 1
#define mxiOS 0
#define mxLinux 0
#define mxMacOSX 0
#define mxWindows 0
#define mxUnalignedAccess 0
#define mxMisalignedSettersCrash 1
#define mxExport extern
#define mxImport
#define XS_FUNCTION_NORETURN __attribute__((noreturn))
#define XS_FUNCTION_ANALYZER_NORETURN
#define ICACHE_FLASH_ATTR
#define ICACHE_FLASH1_ATTR
#define ICACHE_RAM_ATTR
#define ICACHE_RODATA_ATTR
#define ICACHE_XS6RO_ATTR __attribute__((aligned(4)))
#define ICACHE_XS6RO2_ATTR __attribute__((aligned(4)))
#define ICACHE_XS6STRING_ATTR __attribute__((aligned(4)))

typedef int8_t txS1;
typedef uint8_t txU1;
typedef int16_t txS2;
typedef uint16_t txU2;
typedef int32_t txS4;
typedef uint32_t txU4;
typedef int64_t txS8;
typedef uint64_t txU8;
typedef void *txSocket;
typedef va_list c_va_list;

#define mxMachinePlatform void *platform;
#define c_jmp_buf jmp_buf
#define c_memcpy memcpy
#define C_NAN NAN
#define C_INFINITY INFINITY
#define C_NULL NULL

#endif
