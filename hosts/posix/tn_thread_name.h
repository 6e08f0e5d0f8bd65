/*
 * Names of threads, for people who look at the process.
 */
#ifndef TN_THREAD_NAME_H
#define TN_THREAD_NAME_H

#ifdef __linux__
#include <sys/prctl.h>
#elif defined(__APPLE__)
#include <pthread.h>
#endif

/** Names the calling thread, in at most 15 characters, where the system can. */
static inline void tn_thread_name(const char *name)
{
#ifdef __linux__
	prctl(PR_SET_NAME, name);
#elif defined(__APPLE__)
	pthread_setname_np(name);
#else
	(void)name;
#endif
}

#endif
