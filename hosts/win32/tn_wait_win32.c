/*
 * Waiting for one event object, which every socket and every kick sets: as many sockets as there are, and no socket of the loopback for the kick.
 *
 * A socket is bound to the event anew before each wait (WSAEventSelect), which sets it at once where there is something already: a wait never misses what came
 * before it. Which socket it was is not asked: a try costs no more.
 */
#include "tn_wait.h"

#include <stdlib.h>
#include "tn_host.h"

#define US_PER_SECOND 1000000u

struct tn_wait {
	HANDLE event; /* reset by the wait that it ends */
};

uint64_t tn_host_now_us(void)
{
	LARGE_INTEGER ticks, per_second;
	QueryPerformanceCounter(&ticks);
	QueryPerformanceFrequency(&per_second);
	const uint64_t now = (uint64_t)ticks.QuadPart, second = (uint64_t)per_second.QuadPart;
	return now / second * US_PER_SECOND + now % second * US_PER_SECOND / second;
}

struct tn_wait *tn_wait_open(void)
{
	struct tn_wait *wait = calloc(1, sizeof *wait);
	if (wait == NULL)
		return NULL;
	wait->event = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (wait->event == NULL) {
		free(wait);
		return NULL;
	}
	return wait;
}

void tn_wait_close(struct tn_wait *wait)
{
	CloseHandle(wait->event);
	free(wait);
}

void tn_wait_kick(struct tn_wait *wait)
{
	SetEvent(wait->event);
}

void tn_wait_begin(struct tn_wait *wait)
{
	(void)wait;
}

void tn_wait_add(struct tn_wait *wait, tn_bsd socket, unsigned interest)
{
	long events = 0;
	if (socket == TN_BSD_NONE)
		return;
	if ((interest & TN_WAIT_READABLE) != 0)
		events |= FD_READ | FD_CLOSE;
	if ((interest & TN_WAIT_WRITABLE) != 0)
		events |= FD_WRITE | FD_CONNECT | FD_CLOSE;
	/* A socket that cannot be waited for is tried at once. */
	if (WSAEventSelect(socket, wait->event, events) != 0)
		SetEvent(wait->event);
}

void tn_wait_for(struct tn_wait *wait, int timeout_ms)
{
	WaitForSingleObject(wait->event, timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms);
}

bool tn_wait_is_ready(const struct tn_wait *wait, size_t n)
{
	(void)wait;
	(void)n;
	return true;
}
