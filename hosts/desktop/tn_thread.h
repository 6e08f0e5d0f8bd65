/*
 * Threads, mutexes and conditions of a desktop, as far as POSIX and Windows have them in common.
 */
#ifndef TN_THREAD_H
#define TN_THREAD_H

#include <stdbool.h>

#ifdef _WIN32
#include "tn_thread_win32.h"
#else
#include "tn_thread_posix.h"
#endif

/*
 * typedef tn_mutex, tn_condition, tn_thread
 * TN_MUTEX_OPEN, TN_CONDITION_OPEN     what they begin with, where they are not initialised by a call
 * TN_THREAD_MAIN(name, context)        head of a function that a thread begins with; it ends with `return TN_THREAD_END;`
 */

static inline void tn_mutex_init(tn_mutex *mutex);
static inline void tn_mutex_destroy(tn_mutex *mutex);
/** Not recursive. */
static inline void tn_mutex_lock(tn_mutex *mutex);
static inline void tn_mutex_unlock(tn_mutex *mutex);

/** The mutex is held; it may return without a broadcast. */
static inline void tn_condition_wait(tn_condition *condition, tn_mutex *mutex);
static inline void tn_condition_broadcast(tn_condition *condition);

/** Starts a thread, which takes no signal. @return false when that cannot be */
static inline bool tn_thread_start(tn_thread *thread, tn_thread_main *run, void *context);

/** Waits for its end. */
static inline void tn_thread_join(tn_thread thread);

/** Lets it end by itself. */
static inline void tn_thread_detach(tn_thread thread);

/** Names the calling thread for people who look at the process, in at most 15 characters. */
static inline void tn_thread_name(const char *name);

#endif
