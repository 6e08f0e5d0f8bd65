/*
 * Locks on files by flock(): the system ends them with the process.
 */
#include "tn_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

int tn_lock_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return TN_LOCK_NONE;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	int reason = errno;
	close(fd);
	return reason == EWOULDBLOCK ? TN_LOCK_TAKEN : TN_LOCK_NONE;
}
