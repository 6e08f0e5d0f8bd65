/*
 * Names by lwIP's resolver, one family after the other. A look-up is lwIP's thread's, but for what it found, once that is told.
 */
#include <string.h>
#include "lwip/dns.h"
#include "tn_lwip.h"
#include "tn_lwip_call.h"
#include "tn_port.h"
#include "tn_resolve.h"

static const u8_t families[] = {
    LWIP_DNS_ADDRTYPE_IPV4,
#if LWIP_IPV6
    LWIP_DNS_ADDRTYPE_IPV6,
#endif
};

struct tn_resolve {
	struct tn_client *client; /* NULL: nobody waits any more */
	_Atomic uint32_t is_done;
	unsigned asked; /* families */
	bool has_failed;
	int count;
	uint8_t addresses[TN_RESOLVE_MAX][16];
	char host[];
};

static void ask(struct tn_resolve *resolve);

/** lwIP's thread. */
static void on_found(const char *name, const ip_addr_t *address, void *context)
{
	struct tn_resolve *resolve = context;
	(void)name;
	if (address != NULL)
		tn_from_lwip(resolve->addresses[resolve->count++], address);
	ask(resolve);
}

/** Asks for the next family, until there is none. */
static void ask(struct tn_resolve *resolve)
{
	while (resolve->client != NULL && resolve->asked < sizeof families) {
		ip_addr_t address;
		err_t error = dns_gethostbyname_addrtype(resolve->host, &address, on_found, resolve, families[resolve->asked++]);
		if (error == ERR_INPROGRESS)
			return;
		if (error == ERR_OK)
			tn_from_lwip(resolve->addresses[resolve->count++], &address);
		else
			resolve->has_failed = true;
	}
	if (resolve->client == NULL) {
		tn_port_free(resolve);
		return;
	}
	atomic_store(&resolve->is_done, 1);
	tn_client_signal(resolve->client);
}

static void begin(void *context)
{
	ask(context);
}

struct tn_resolve *tn_resolve_open(const char *host, struct tn_client *client)
{
	struct tn_resolve *resolve = tn_port_allocate(sizeof *resolve + strlen(host) + 1);
	if (resolve == NULL)
		return NULL;
	strcpy(resolve->host, host);
	resolve->client = client;
	tn_lwip_call(begin, resolve);
	return resolve;
}

int tn_resolve_take(struct tn_resolve *resolve, uint8_t addresses[TN_RESOLVE_MAX][16])
{
	if (atomic_load(&resolve->is_done) == 0)
		return TN_RESOLVE_WAIT;
	memcpy(addresses, resolve->addresses, sizeof resolve->addresses);
	return resolve->count > 0 ? resolve->count : resolve->has_failed ? TN_RESOLVE_ERROR : TN_RESOLVE_NOT_FOUND;
}

static void let_go(void *context)
{
	struct tn_resolve *resolve = context;
	resolve->client = NULL;
	if (atomic_load(&resolve->is_done) != 0)
		tn_port_free(resolve);
}

void tn_resolve_close(struct tn_resolve *resolve)
{
	tn_lwip_call(let_go, resolve);
}
