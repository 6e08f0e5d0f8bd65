/*
 * hosts/desktop/tn_thread.h on POSIX. Included by it, and by nobody else.
 */
#ifndef TN_THREAD_POSIX_H
#define TN_THREAD_POSIX_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

typedef pthread_mutex_t tn_mutex;
typedef pthread_cond_t tn_condition;
typedef pthread_t tn_thread;
typedef void *tn_thread_main(void *context);

#define TN_MUTEX_OPEN PTHREAD_MUTEX_INITIALIZER
#define TN_CONDITION_OPEN PTHREAD_COND_INITIALIZER
#define TN_THREAD_MAIN(name, context) void *name(void *context)
#define TN_THREAD_END NULL

static inline void tn_mutex_init(tn_mutex *mutex)
{
	pthread_mutex_init(mutex, NULL);
}

static inline void tn_mutex_destroy(tn_mutex *mutex)
{
	pthread_mutex_destroy(mutex);
}

static inline void tn_mutex_lock(tn_mutex *mutex)
{
	pthread_mutex_lock(mutex);
}

static inline void tn_mutex_unlock(tn_mutex *mutex)
{
	pthread_mutex_unlock(mutex);
}

static inline void tn_condition_wait(tn_condition *condition, tn_mutex *mutex)
{
	pthread_cond_wait(condition, mutex);
}

static inline void tn_condition_broadcast(tn_condition *condition)
{
	pthread_cond_broadcast(condition);
}

static inline bool tn_thread_start(tn_thread *thread, tn_thread_main *run, void *context)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	bool is_started = pthread_create(thread, NULL, run, context) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return is_started;
}

static inline void tn_thread_join(tn_thread thread)
{
	pthread_join(thread, NULL);
}

static inline void tn_thread_detach(tn_thread thread)
{
	pthread_detach(thread);
}

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
