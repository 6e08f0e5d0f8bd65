/*
 * UDP over raw lwIP.
 */
#include "tn_udp_lwip.h"

#include "tn_lwip.h"
#include "tn_lwip_call.h"

#define BIND_TRIES 8

_Static_assert(TN_OUT_RUNS <= 32, "a bit for each run");

/** lwIP's thread. */
static void on_datagram(void *context, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address, u16_t port)
{
	struct tn_udp *udp = context;
	uint32_t put = atomic_load_explicit(&udp->put, memory_order_relaxed);
	(void)pcb;
	if (put - atomic_load_explicit(&udp->taken, memory_order_acquire) == TN_UDP_WAITING) {
		udp->dropped++;
		pbuf_free(p);
		return;
	}
	struct tn_udp_waiting *waiting = &udp->waiting[put % TN_UDP_WAITING];
	waiting->p = p;
	tn_from_lwip(waiting->endpoint, address);
	waiting->endpoint[16] = (uint8_t)(port >> 8);
	waiting->endpoint[17] = (uint8_t)port;
	atomic_store_explicit(&udp->put, put + 1, memory_order_release);
	udp->arrived(udp->context);
}

static void close_socket(struct tn_udp *udp, enum tn_udp_family family)
{
	if (udp->sockets[family] != NULL)
		udp_remove(udp->sockets[family]);
	udp->sockets[family] = NULL;
}

/** @return whether the port is another one's; without memory or without the family there is just no socket */
static bool open_socket(struct tn_udp *udp, enum tn_udp_family family, uint16_t port)
{
	u8_t type = family == TN_UDP_4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6;
	struct udp_pcb *pcb = LWIP_IPV6 || family == TN_UDP_4 ? udp_new_ip_type(type) : NULL;
	if (pcb == NULL)
		return false;
	err_t error = udp_bind(pcb, IP46_ADDR_ANY(type), port);
	if (error != ERR_OK) {
		udp_remove(pcb);
		return error == ERR_USE;
	}
	udp_recv(pcb, on_datagram, udp);
	udp->sockets[family] = pcb;
	udp->port = pcb->local_port;
	return false;
}

struct opening {
	struct tn_udp *udp;
	uint16_t port;
	bool is_open;
};

static void open_sockets(void *context)
{
	struct opening *opening = context;
	struct tn_udp *udp = opening->udp;
	for (unsigned i = 0; i < BIND_TRIES && !opening->is_open; i++) {
		udp->port = i == 0 ? opening->port : 0;
		bool is_taken = open_socket(udp, TN_UDP_4, udp->port);
		is_taken |= open_socket(udp, TN_UDP_6, udp->port);
		opening->is_open = (udp->sockets[TN_UDP_4] != NULL || udp->sockets[TN_UDP_6] != NULL) && (!is_taken || i == BIND_TRIES - 1);
		if (opening->is_open)
			return;
		close_socket(udp, TN_UDP_4);
		close_socket(udp, TN_UDP_6);
	}
	udp->port = 0;
}

bool tn_udp_open(struct tn_udp *udp, uint16_t port)
{
	struct opening opening = {.udp = udp, .port = port};
	tn_lwip_call(open_sockets, &opening);
	return opening.is_open;
}

static void close_sockets(void *context)
{
	close_socket(context, TN_UDP_4);
	close_socket(context, TN_UDP_6);
}

void tn_udp_close(struct tn_udp *udp)
{
	tn_lwip_call(close_sockets, udp);
	udp->port = 0;
	tn_udp_release(udp, atomic_load(&udp->put) - atomic_load(&udp->taken));
}

uint8_t *tn_udp_peek(struct tn_udp *udp, unsigned n, const uint8_t **endpoint, size_t *length)
{
	uint32_t at = atomic_load_explicit(&udp->taken, memory_order_relaxed) + n;
	if ((int32_t)(atomic_load_explicit(&udp->put, memory_order_acquire) - at) <= 0)
		return NULL;
	struct tn_udp_waiting *waiting = &udp->waiting[at % TN_UDP_WAITING];
	if (waiting->p->next != NULL)
		waiting->p = pbuf_coalesce(waiting->p, PBUF_RAW);
	*endpoint = waiting->endpoint;
	/* Without memory only its first part is there, which nobody can make anything of. */
	*length = waiting->p->len;
	return waiting->p->payload;
}

void tn_udp_release(struct tn_udp *udp, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t taken = atomic_load_explicit(&udp->taken, memory_order_relaxed);
		pbuf_free(udp->waiting[taken % TN_UDP_WAITING].p);
		atomic_store_explicit(&udp->taken, taken + 1, memory_order_release);
	}
}

struct sending {
	struct tn_udp *udp;
	const struct tn_out *out;
	uint32_t unreachable;
};

static err_t send_datagram(struct tn_udp *udp, const uint8_t endpoint[TN_ENDPOINT], const uint8_t *bytes, size_t length)
{
	struct udp_pcb *pcb = udp->sockets[tn_address_is_ip4(endpoint) ? TN_UDP_4 : TN_UDP_6];
	ip_addr_t address;
	if (pcb == NULL)
		return ERR_RTE;
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)length, PBUF_RAM);
	if (p == NULL)
		return ERR_MEM;
	memcpy(p->payload, bytes, length);
	tn_to_lwip(&address, endpoint);
	err_t error = udp_sendto(pcb, p, &address, (u16_t)(endpoint[16] << 8 | endpoint[17]));
	pbuf_free(p);
	return error;
}

static void send_runs(void *context)
{
	struct sending *sending = context;
	for (uint32_t i = 0; i < sending->out->run_count; i++) {
		const struct tn_out_run *run = &sending->out->runs[i];
		for (uint32_t at = 0; at < run->length; at += run->segment) {
			uint32_t length = run->length - at < run->segment ? run->length - at : run->segment;
			if (send_datagram(sending->udp, run->endpoint, sending->out->bytes + run->offset + at, length) == ERR_RTE)
				sending->unreachable |= 1u << i;
		}
	}
}

uint32_t tn_udp_send(struct tn_udp *udp, const struct tn_out *out)
{
	struct sending sending = {.udp = udp, .out = out};
	if (out->run_count > 0)
		tn_lwip_call(send_runs, &sending);
	return sending.unreachable;
}
