/*
 * Waiting by poll(). A kick is a byte in a pipe; on Linux an event descriptor, which is one system call less.
 */
#include "tn_wait.h"

#include <stdlib.h>
#include <time.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif
#include "tn_host.h"

#define ROOM_STEP 16

struct tn_wait {
	int wait_fd, kick_fd; /* the same, if it is an event descriptor */
	struct pollfd *fds;   /* the first is wait_fd */
	size_t count, room;
	bool is_short; /* of memory, since tn_wait_begin */
};

uint64_t tn_host_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static bool open_kick(struct tn_wait *wait)
{
#ifdef __linux__
	wait->wait_fd = wait->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wait->wait_fd >= 0;
#else
	int ends[2];
	if (pipe(ends) != 0)
		return false;
	for (size_t i = 0; i < 2; i++) {
		fcntl(ends[i], F_SETFD, FD_CLOEXEC);
		fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
	}
	wait->wait_fd = ends[0];
	wait->kick_fd = ends[1];
	return true;
#endif
}

struct tn_wait *tn_wait_open(void)
{
	struct tn_wait *wait = calloc(1, sizeof *wait);
	if (wait == NULL)
		return NULL;
	wait->room = ROOM_STEP;
	wait->fds = calloc(wait->room, sizeof *wait->fds);
	if (wait->fds == NULL || !open_kick(wait)) {
		free(wait->fds);
		free(wait);
		return NULL;
	}
	tn_wait_begin(wait);
	return wait;
}

void tn_wait_close(struct tn_wait *wait)
{
	if (wait->kick_fd != wait->wait_fd)
		close(wait->kick_fd);
	close(wait->wait_fd);
	free(wait->fds);
	free(wait);
}

void tn_wait_kick(struct tn_wait *wait)
{
	uint64_t one = 1;
	ssize_t written = write(wait->kick_fd, &one, sizeof one);
	(void)written;
}

void tn_wait_begin(struct tn_wait *wait)
{
	wait->fds[0] = (struct pollfd){.fd = wait->wait_fd, .events = POLLIN};
	wait->count = 1;
	wait->is_short = false;
}

void tn_wait_add(struct tn_wait *wait, tn_bsd socket, unsigned interest)
{
	if (wait->count == wait->room) {
		struct pollfd *larger = realloc(wait->fds, (wait->room + ROOM_STEP) * sizeof *larger);
		if (larger == NULL) {
			wait->is_short = true;
			return;
		}
		wait->fds = larger;
		wait->room += ROOM_STEP;
	}
	short events = (short)(((interest & TN_WAIT_READABLE) != 0 ? POLLIN : 0) | ((interest & TN_WAIT_WRITABLE) != 0 ? POLLOUT : 0));
	wait->fds[wait->count++] = (struct pollfd){.fd = socket, .events = events};
}

void tn_wait_for(struct tn_wait *wait, int timeout_ms)
{
	uint8_t drained[64];
	if (poll(wait->fds, (nfds_t)wait->count, wait->is_short ? 0 : timeout_ms) > 0 && (wait->fds[0].revents & POLLIN) != 0) {
		ssize_t size = read(wait->wait_fd, drained, sizeof drained);
		(void)size;
	}
}

bool tn_wait_is_ready(const struct tn_wait *wait, size_t n)
{
	return n + 1 >= wait->count || wait->fds[n + 1].revents != 0;
}
