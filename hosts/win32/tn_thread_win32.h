/*
 * hosts/desktop/tn_thread.h on Windows. Included by it, and by nobody else.
 */
#ifndef TN_THREAD_WIN32_H
#define TN_THREAD_WIN32_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <winsock2.h> /* before windows.h, which else has an older one */
#include <windows.h>
#include <process.h>
#include <stddef.h>
#include <stdint.h>

typedef SRWLOCK tn_mutex;
typedef CONDITION_VARIABLE tn_condition;
typedef HANDLE tn_thread;
typedef unsigned __stdcall tn_thread_main(void *context);

#define TN_MUTEX_OPEN SRWLOCK_INIT
#define TN_CONDITION_OPEN CONDITION_VARIABLE_INIT
#define TN_THREAD_MAIN(name, context) unsigned __stdcall name(void *context)
#define TN_THREAD_END 0

static inline void tn_mutex_init(tn_mutex *mutex)
{
	InitializeSRWLock(mutex);
}

static inline void tn_mutex_destroy(tn_mutex *mutex)
{
	(void)mutex;
}

static inline void tn_mutex_lock(tn_mutex *mutex)
{
	AcquireSRWLockExclusive(mutex);
}

static inline void tn_mutex_unlock(tn_mutex *mutex)
{
	ReleaseSRWLockExclusive(mutex);
}

static inline void tn_condition_wait(tn_condition *condition, tn_mutex *mutex)
{
	SleepConditionVariableSRW(condition, mutex, INFINITE, 0);
}

static inline void tn_condition_broadcast(tn_condition *condition)
{
	WakeAllConditionVariable(condition);
}

/** By the C library, whose own part of a thread it sets up. */
static inline bool tn_thread_start(tn_thread *thread, tn_thread_main *run, void *context)
{
	uintptr_t made = _beginthreadex(NULL, 0, run, context, 0, NULL);
	*thread = (HANDLE)made;
	return made != 0;
}

static inline void tn_thread_join(tn_thread thread)
{
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
}

static inline void tn_thread_detach(tn_thread thread)
{
	CloseHandle(thread);
}

typedef HRESULT WINAPI tn_set_thread_description(HANDLE thread, const WCHAR *description);

/** Since Windows 10 1607. */
static inline void tn_thread_name(const char *name)
{
	WCHAR wide[16];
	const HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
	const FARPROC function = kernel != NULL ? GetProcAddress(kernel, "SetThreadDescription") : NULL;
	if (function != NULL && MultiByteToWideChar(CP_UTF8, 0, name, -1, wide, 16) > 0)
		((tn_set_thread_description *)(void (*)(void))function)(GetCurrentThread(), wide);
}

#endif
