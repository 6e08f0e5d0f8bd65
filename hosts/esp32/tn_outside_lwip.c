/*
 * Sockets on the network below, over raw lwIP. Everything here runs on lwIP's thread: in visits of the tunnel, and when something arrives.
 */
#include "tn_outside.h"

#include <stdatomic.h>
#include "tn_lwip.h"
#include "tn_port.h"

/** Datagrams that wait to be read; further ones are lost. */
#define WAITING 4
#define FIRST_PORT 49152u
#define PORTS 16384u
#define PORT_TRIES 16

struct waiting {
	struct pbuf *p;
	uint8_t address[16];
	uint16_t port;
};

struct tn_outside {
	struct tn_outside *next;
	void *host;
	tn_outside_ready ready;
	void *context;
	struct udp_pcb *udp; /* NULL: closed, and freed after the round */
	struct waiting waiting[WAITING];
	unsigned count;
};

/* There is one node a device. */
static struct {
	struct tn_outside *first;
	_Atomic uint32_t is_ready;
	bool is_serving;
} set;

static void on_datagram(void *context, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address, u16_t port)
{
	struct tn_outside *outside = context;
	(void)pcb;
	if (outside->count == WAITING) {
		pbuf_free(p);
		return;
	}
	struct waiting *place = &outside->waiting[outside->count++];
	place->p = p;
	place->port = port;
	tn_from_lwip(place->address, address);
	atomic_store(&set.is_ready, 1);
	tn_port_kick(outside->host);
}

/** Binds to a random port: lwIP's own choice goes by one. */
static bool bind_somewhere(struct udp_pcb *pcb, bool is_ip6)
{
	for (unsigned i = 0; i < PORT_TRIES; i++) {
		uint16_t number;
		tn_port_random(&number, sizeof number);
		if (udp_bind(pcb, is_ip6 ? IP6_ADDR_ANY : IP4_ADDR_ANY, (u16_t)(FIRST_PORT + number % PORTS)) == ERR_OK)
			return true;
	}
	return false;
}

struct tn_outside *tn_outside_udp(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	struct udp_pcb *pcb = udp_new_ip_type(is_ip6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	struct tn_outside *outside = pcb == NULL ? NULL : tn_port_allocate(sizeof *outside);
	if (outside == NULL || !bind_somewhere(pcb, is_ip6)) {
		if (pcb != NULL)
			udp_remove(pcb);
		tn_port_free(outside);
		return NULL;
	}
	/* Never by the tailnet's own interface. */
	if (netif_default != NULL)
		udp_bind_netif(pcb, netif_default);
	*outside = (struct tn_outside){.next = set.first, .host = host, .ready = ready, .context = context, .udp = pcb};
	set.first = outside;
	udp_recv(pcb, on_datagram, outside);
	return outside;
}

void tn_outside_send(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const uint8_t *bytes, size_t length)
{
	ip_addr_t to;
	struct pbuf *p = length > TN_OUTSIDE_DATAGRAM ? NULL : pbuf_alloc(PBUF_TRANSPORT, (u16_t)length, PBUF_RAM);
	if (p == NULL)
		return;
	memcpy(p->payload, bytes, length);
	tn_to_lwip(&to, address);
	udp_sendto(outside->udp, p, &to, port);
	pbuf_free(p);
}

ptrdiff_t tn_outside_receive(struct tn_outside *outside, uint8_t address[16], uint16_t *port, uint8_t *bytes)
{
	if (outside->count == 0)
		return -1;
	struct waiting first = outside->waiting[0];
	memmove(outside->waiting, outside->waiting + 1, --outside->count * sizeof *outside->waiting);
	memcpy(address, first.address, 16);
	*port = first.port;
	u16_t length = first.p->tot_len < TN_OUTSIDE_DATAGRAM ? first.p->tot_len : TN_OUTSIDE_DATAGRAM;
	if (bytes != NULL)
		pbuf_copy_partial(first.p, bytes, length, 0);
	pbuf_free(first.p);
	return length;
}

static void sweep(void)
{
	for (struct tn_outside **link = &set.first; *link != NULL;) {
		struct tn_outside *outside = *link;
		if (outside->udp != NULL) {
			link = &outside->next;
			continue;
		}
		*link = outside->next;
		tn_port_free(outside);
	}
}

void tn_outside_close(struct tn_outside *outside)
{
	if (outside == NULL || outside->udp == NULL)
		return;
	udp_remove(outside->udp);
	outside->udp = NULL;
	while (outside->count > 0)
		pbuf_free(outside->waiting[--outside->count].p);
	if (!set.is_serving)
		sweep();
}

void tn_outside_serve(void *host)
{
	(void)host;
	if (atomic_exchange(&set.is_ready, 0) == 0)
		return;
	set.is_serving = true;
	for (struct tn_outside *outside = set.first; outside != NULL; outside = outside->next) {
		if (outside->count > 0)
			outside->ready(outside->context, outside);
	}
	set.is_serving = false;
	sweep();
}

bool tn_outside_is_ready(void *host)
{
	(void)host;
	return atomic_load(&set.is_ready) != 0;
}
