/*
 * The library that a function lies in stays where it is until the process ends, whoever unloads it: for a thread that nobody can wait for. Included first, for
 * what it defines.
 */
#ifndef TN_KEEP_LIBRARY_H
#define TN_KEEP_LIBRARY_H

#ifdef _WIN32
#include <winsock2.h> /* before windows.h, which else has an older one */
#include <windows.h>

static inline void tn_keep_library(void *function)
{
	HMODULE module;
	GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, (const WCHAR *)function, &module);
}
#else
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include <dlfcn.h>
#include <stddef.h>

static inline void tn_keep_library(void *function)
{
	Dl_info info;
	if (dladdr(function, &info) != 0 && info.dli_fname != NULL)
		(void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE | RTLD_NOLOAD);
}
#endif

#endif
