/*
 * A lock that a process holds on a file until it closes it or ends, however it ends.
 */
#ifndef TN_LOCK_H
#define TN_LOCK_H

#define TN_LOCK_TAKEN (-1) /* somebody else holds it */
#define TN_LOCK_NONE (-2)  /* the file or its file system cannot be locked */

/** Locks a file, which is made (mode 0600) if it is not there. @return a descriptor to close, or one of the above */
int tn_lock_file(const char *path);

#endif
