/*
 * Names by getaddrinfo, on a thread of its own a look-up: it may take as long as the servers are silent.
 *
 * A look-up that nobody waits for any more cannot be ended. It keeps what it uses, this library too, mapped until it is over.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tn_resolve.h"
#include "tn_thread_name.h"

struct tn_resolve {
	pthread_mutex_t lock;
	pthread_t thread;
	struct tn_client *client; /* NULL: nobody waits any more */
	bool is_done;
	int result;
	uint8_t addresses[TN_RESOLVE_MAX][16];
	char host[];
};

static void add(struct tn_resolve *resolve, const struct addrinfo *found, int family)
{
	for (; found != NULL && resolve->result < TN_RESOLVE_MAX; found = found->ai_next) {
		if (found->ai_family != family)
			continue;
		uint8_t *address = resolve->addresses[resolve->result++];
		if (family == AF_INET) {
			address[10] = address[11] = 0xff;
			memcpy(address + 12, &((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr, 4);
		} else {
			memcpy(address, &((struct sockaddr_in6 *)(void *)found->ai_addr)->sin6_addr, 16);
		}
	}
}

static void destroy(struct tn_resolve *resolve)
{
	pthread_mutex_destroy(&resolve->lock);
	free(resolve);
}

static void *run(void *context)
{
	struct tn_resolve *resolve = context;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
	tn_thread_name("tailnet names");
	int error = getaddrinfo(resolve->host, NULL, &hints, &found);
	if (error == 0) {
		add(resolve, found, AF_INET);
		add(resolve, found, AF_INET6);
		freeaddrinfo(found);
	}
	if (resolve->result == 0)
		resolve->result = error == 0 || error == EAI_NONAME ? TN_RESOLVE_NOT_FOUND : TN_RESOLVE_ERROR;
	pthread_mutex_lock(&resolve->lock);
	bool is_forgotten = resolve->client == NULL;
	resolve->is_done = true;
	if (!is_forgotten)
		tn_client_signal(resolve->client);
	pthread_mutex_unlock(&resolve->lock);
	if (is_forgotten)
		destroy(resolve);
	return NULL;
}

struct tn_resolve *tn_resolve_open(const char *host, struct tn_client *client)
{
	sigset_t all, before;
	struct tn_resolve *resolve = calloc(1, sizeof *resolve + strlen(host) + 1);
	if (resolve == NULL)
		return NULL;
	pthread_mutex_init(&resolve->lock, NULL);
	strcpy(resolve->host, host);
	resolve->client = client;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int error = pthread_create(&resolve->thread, NULL, run, resolve);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		destroy(resolve);
		return NULL;
	}
	return resolve;
}

int tn_resolve_take(struct tn_resolve *resolve, uint8_t addresses[TN_RESOLVE_MAX][16])
{
	pthread_mutex_lock(&resolve->lock);
	bool is_done = resolve->is_done;
	pthread_mutex_unlock(&resolve->lock);
	if (!is_done)
		return TN_RESOLVE_WAIT;
	memcpy(addresses, resolve->addresses, sizeof resolve->addresses);
	return resolve->result;
}

/** The code of the thread stays where it is, whatever is unloaded. */
static void keep_library(void)
{
	Dl_info info;
	if (dladdr((void *)(uintptr_t)run, &info) != 0 && info.dli_fname != NULL)
		(void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE | RTLD_NOLOAD);
}

void tn_resolve_close(struct tn_resolve *resolve)
{
	pthread_t thread = resolve->thread;
	pthread_mutex_lock(&resolve->lock);
	bool is_done = resolve->is_done;
	if (!is_done)
		keep_library();
	resolve->client = NULL;
	pthread_mutex_unlock(&resolve->lock);
	if (is_done) {
		pthread_join(thread, NULL);
		destroy(resolve);
	} else {
		pthread_detach(thread);
	}
}
