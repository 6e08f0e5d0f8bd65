/*
 * Names by getaddrinfo, on a thread of its own a look-up: it may take as long as the servers are silent.
 *
 * A look-up that nobody waits for any more cannot be ended. It keeps what it uses, this library too, mapped until it is over.
 */
#include "tn_keep_library.h"

#include <stdlib.h>
#include <string.h>

#include "tn_bsd.h"
#include "tn_resolve.h"
#include "tn_thread.h"

struct tn_resolve {
	tn_mutex lock;
	tn_thread thread;
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
	tn_bsd_end();
	tn_mutex_destroy(&resolve->lock);
	free(resolve);
}

static bool is_no_name(int error)
{
#ifdef WSANO_DATA
	if (error == WSANO_DATA)
		return true;
#endif
	return error == 0 || error == EAI_NONAME;
}

static TN_THREAD_MAIN(run, context)
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
		resolve->result = is_no_name(error) ? TN_RESOLVE_NOT_FOUND : TN_RESOLVE_ERROR;
	tn_mutex_lock(&resolve->lock);
	bool is_forgotten = resolve->client == NULL;
	resolve->is_done = true;
	if (!is_forgotten)
		tn_client_signal(resolve->client);
	tn_mutex_unlock(&resolve->lock);
	if (is_forgotten)
		destroy(resolve);
	return TN_THREAD_END;
}

struct tn_resolve *tn_resolve_open(const char *host, struct tn_client *client)
{
	if (!tn_bsd_begin())
		return NULL;
	struct tn_resolve *resolve = calloc(1, sizeof *resolve + strlen(host) + 1);
	if (resolve == NULL) {
		tn_bsd_end();
		return NULL;
	}
	tn_mutex_init(&resolve->lock);
	strcpy(resolve->host, host);
	resolve->client = client;
	if (!tn_thread_start(&resolve->thread, run, resolve)) {
		destroy(resolve);
		return NULL;
	}
	return resolve;
}

int tn_resolve_take(struct tn_resolve *resolve, uint8_t addresses[TN_RESOLVE_MAX][16])
{
	tn_mutex_lock(&resolve->lock);
	bool is_done = resolve->is_done;
	tn_mutex_unlock(&resolve->lock);
	if (!is_done)
		return TN_RESOLVE_WAIT;
	memcpy(addresses, resolve->addresses, sizeof resolve->addresses);
	return resolve->result;
}

void tn_resolve_close(struct tn_resolve *resolve)
{
	tn_thread thread = resolve->thread;
	tn_mutex_lock(&resolve->lock);
	bool is_done = resolve->is_done;
	if (!is_done)
		tn_keep_library((void *)(uintptr_t)run);
	resolve->client = NULL;
	tn_mutex_unlock(&resolve->lock);
	if (is_done) {
		tn_thread_join(thread);
		destroy(resolve);
	} else {
		tn_thread_detach(thread);
	}
}
