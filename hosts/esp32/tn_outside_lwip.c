/*
 * Sockets on the network below, over raw lwIP. Everything here runs on lwIP's thread: in visits of the tunnel, and when something arrives.
 */
#include "tn_outside.h"

#include <stdatomic.h>
#include "lwip/raw.h"
#include "tn_bytes.h"
#include "tn_checksum.h"
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
	bool is_open; /* else it is freed after the round */
	struct udp_pcb *udp;
	struct waiting waiting[WAITING];
	unsigned count;
#if TN_SUBNET
	struct raw_pcb *echo;
	uint16_t echo_id;
	struct tcp_pcb *tcp; /* NULL when lwIP has dropped the connection */
	struct pbuf *received;
	unsigned wanted;
	bool is_stream, is_connected, has_failed, has_ended, is_finished, is_end_sent;
#endif
};

/* There is one node a device. */
static struct {
	struct tn_outside *first;
	_Atomic uint32_t is_ready;
	bool is_serving;
} set;

/** Keeps what came, and begins a turn. */
static void keep(struct tn_outside *outside, struct pbuf *p, const ip_addr_t *address, uint16_t port)
{
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

static void on_datagram(void *context, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address, u16_t port)
{
	(void)pcb;
	keep(context, p, address, port);
}

static struct tn_outside *add(void *host, tn_outside_ready ready, void *context)
{
	struct tn_outside *outside = tn_port_allocate(sizeof *outside);
	if (outside == NULL)
		return NULL;
	*outside = (struct tn_outside){.next = set.first, .host = host, .ready = ready, .context = context, .is_open = true};
	set.first = outside;
	return outside;
}

/** Whether lwIP has the family. */
static bool has_family(bool is_ip6)
{
	return LWIP_IPV6 || !is_ip6;
}

static u8_t type_of(bool is_ip6)
{
	return is_ip6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4;
}

/** Binds to a random port: lwIP's own choice goes by one. */
static bool bind_somewhere(struct udp_pcb *pcb, const ip_addr_t *any)
{
	for (unsigned i = 0; i < PORT_TRIES; i++) {
		uint16_t number;
		tn_port_random(&number, sizeof number);
		if (udp_bind(pcb, any, (u16_t)(FIRST_PORT + number % PORTS)) == ERR_OK)
			return true;
	}
	return false;
}

struct tn_outside *tn_outside_udp(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	struct udp_pcb *pcb = has_family(is_ip6) ? udp_new_ip_type(type_of(is_ip6)) : NULL;
	struct tn_outside *outside = pcb == NULL || !bind_somewhere(pcb, IP46_ADDR_ANY(type_of(is_ip6))) ? NULL : add(host, ready, context);
	if (outside == NULL) {
		if (pcb != NULL)
			udp_remove(pcb);
		return NULL;
	}
	/* Never by the tailnet's own interface. */
	if (netif_default != NULL)
		udp_bind_netif(pcb, netif_default);
	outside->udp = pcb;
	udp_recv(pcb, on_datagram, outside);
	return outside;
}

#if TN_SUBNET

#define ECHO_HEADER 8
#define ECHO4 8
#define ECHO6 128

/** A reply to one of ours is eaten; everything else is left to lwIP. The packet begins with its IP header. */
static u8_t on_echo(void *context, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *address)
{
	struct tn_outside *outside = context;
	uint8_t first, message[ECHO_HEADER];
	(void)pcb;
	if (pbuf_copy_partial(p, &first, 1, 0) != 1)
		return 0;
	u16_t head = first >> 4 == 4 ? (u16_t)((first & 15) * 4) : TN_IP6_HEADER;
	if (pbuf_copy_partial(p, message, ECHO_HEADER, head) != ECHO_HEADER)
		return 0;
	if (message[0] != (first >> 4 == 4 ? 0 : ECHO6 + 1) || tn_load16be(message + 4) != outside->echo_id)
		return 0;
	p = pbuf_free_header(p, (u16_t)(head + ECHO_HEADER));
	if (p == NULL && (p = pbuf_alloc(PBUF_RAW, 0, PBUF_RAM)) == NULL)
		return 1;
	keep(outside, p, address, tn_load16be(message + 6));
	return 1;
}

struct tn_outside *tn_outside_echo(void *host, bool is_ip6, tn_outside_ready ready, void *context)
{
	struct raw_pcb *pcb = has_family(is_ip6) ? raw_new_ip_type(type_of(is_ip6), is_ip6 ? TN_PROTOCOL_ICMP6 : TN_PROTOCOL_ICMP4) : NULL;
	struct tn_outside *outside = pcb == NULL ? NULL : add(host, ready, context);
	if (outside == NULL) {
		if (pcb != NULL)
			raw_remove(pcb);
		return NULL;
	}
	if (netif_default != NULL)
		raw_bind_netif(pcb, netif_default);
	outside->echo = pcb;
	tn_port_random(&outside->echo_id, sizeof outside->echo_id);
	raw_recv(pcb, on_echo, outside);
	return outside;
}

static void send_echo(struct tn_outside *outside, const uint8_t address[16], uint16_t sequence, const uint8_t *bytes, size_t length)
{
	ip_addr_t to;
	struct pbuf *p = length > TN_OUTSIDE_DATAGRAM ? NULL : pbuf_alloc(PBUF_IP, (u16_t)(ECHO_HEADER + length), PBUF_RAM);
	if (p == NULL)
		return;
	uint8_t *message = p->payload;
	memset(message, 0, ECHO_HEADER);
	message[0] = tn_address_is_ip4(address) ? ECHO4 : ECHO6;
	tn_store16be(message + 4, outside->echo_id);
	tn_store16be(message + 6, sequence);
	memcpy(message + ECHO_HEADER, bytes, length);
	/* Of IPv6 lwIP makes it. */
	if (tn_address_is_ip4(address))
		tn_store16be(message + 2, tn_checksum_finish(tn_checksum_add(0, message, ECHO_HEADER + length)));
	tn_to_lwip(&to, address);
	raw_sendto(outside->echo, p, &to);
	pbuf_free(p);
}

/** Whether a connection has what is wanted of it. */
static bool is_stream_ready(const struct tn_outside *outside)
{
	if (!outside->is_stream)
		return false;
	if (!outside->is_connected)
		return outside->has_failed;
	return ((outside->wanted & TN_OUTSIDE_READABLE) != 0 && (outside->received != NULL || outside->has_ended || outside->has_failed)) ||
	       ((outside->wanted & TN_OUTSIDE_WRITABLE) != 0 && (outside->has_failed || tcp_sndbuf(outside->tcp) > 0));
}

static void stir(struct tn_outside *outside)
{
	if (!is_stream_ready(outside))
		return;
	atomic_store(&set.is_ready, 1);
	tn_port_kick(outside->host);
}

static void send_end(struct tn_outside *outside)
{
	if (outside->is_finished && !outside->is_end_sent && outside->tcp != NULL)
		outside->is_end_sent = tcp_shutdown(outside->tcp, 0, 1) == ERR_OK;
}

static err_t on_connected(void *context, struct tcp_pcb *pcb, err_t error)
{
	struct tn_outside *outside = context;
	(void)pcb;
	(void)error;
	outside->is_connected = true;
	stir(outside);
	return ERR_OK;
}

/** The window stays as it is until the bytes are read: that is what holds the host back. */
static err_t on_bytes(void *context, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
	struct tn_outside *outside = context;
	(void)pcb;
	(void)error;
	if (p == NULL)
		outside->has_ended = true;
	else if (outside->received == NULL)
		outside->received = p;
	else
		pbuf_cat(outside->received, p);
	stir(outside);
	return ERR_OK;
}

static err_t on_sent(void *context, struct tcp_pcb *pcb, u16_t length)
{
	(void)pcb;
	(void)length;
	send_end(context);
	stir(context);
	return ERR_OK;
}

static err_t on_poll(void *context, struct tcp_pcb *pcb)
{
	(void)pcb;
	send_end(context);
	return ERR_OK;
}

static void on_error(void *context, err_t error)
{
	struct tn_outside *outside = context;
	(void)error;
	outside->tcp = NULL;
	outside->has_failed = true;
	stir(outside);
}

struct tn_outside *tn_outside_tcp(void *host, const uint8_t address[16], uint16_t port, tn_outside_ready ready, void *context)
{
	ip_addr_t to;
	bool is_ip6 = !tn_address_is_ip4(address);
	struct tcp_pcb *pcb = has_family(is_ip6) ? tcp_new_ip_type(type_of(is_ip6)) : NULL;
	struct tn_outside *outside = pcb == NULL ? NULL : add(host, ready, context);
	if (outside == NULL) {
		if (pcb != NULL)
			tcp_abort(pcb);
		return NULL;
	}
	outside->is_stream = true;
	outside->tcp = pcb;
	if (netif_default != NULL)
		tcp_bind_netif(pcb, netif_default);
	tcp_arg(pcb, outside);
	tcp_recv(pcb, on_bytes);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_error);
	tcp_poll(pcb, on_poll, 2);
	tcp_nagle_disable(pcb);
	ip_set_option(pcb, SOF_KEEPALIVE);
	outside->wanted = TN_OUTSIDE_WRITABLE;
	tn_to_lwip(&to, address);
	if (tcp_connect(pcb, &to, port, on_connected) == ERR_OK)
		return outside;
	tn_outside_close(outside);
	return NULL;
}

int tn_outside_connected(struct tn_outside *outside)
{
	return outside->has_failed ? TN_OUTSIDE_FAILED : outside->is_connected ? 0 : TN_OUTSIDE_WAIT;
}

int tn_outside_write(struct tn_outside *outside, const uint8_t *bytes, size_t length)
{
	if (outside->tcp == NULL)
		return TN_OUTSIDE_FAILED;
	if (length > tcp_sndbuf(outside->tcp))
		length = tcp_sndbuf(outside->tcp);
	if (length == 0 || tcp_write(outside->tcp, bytes, (u16_t)length, TCP_WRITE_FLAG_COPY) != ERR_OK)
		return TN_OUTSIDE_WAIT;
	tcp_output(outside->tcp);
	return (int)length;
}

int tn_outside_read(struct tn_outside *outside, uint8_t *bytes, size_t size)
{
	if (outside->received == NULL)
		return outside->has_ended ? 0 : outside->has_failed ? TN_OUTSIDE_FAILED : TN_OUTSIDE_WAIT;
	u16_t length = outside->received->tot_len;
	if (length > size)
		length = (u16_t)size;
	pbuf_copy_partial(outside->received, bytes, length, 0);
	outside->received = pbuf_free_header(outside->received, length);
	if (outside->tcp != NULL)
		tcp_recved(outside->tcp, length);
	return length;
}

void tn_outside_finish(struct tn_outside *outside)
{
	outside->is_finished = true;
	send_end(outside);
}

void tn_outside_want(struct tn_outside *outside, unsigned wanted)
{
	outside->wanted = wanted;
	stir(outside);
}

static void close_stream(struct tn_outside *outside)
{
	struct tcp_pcb *pcb = outside->tcp;
	if (outside->received != NULL)
		pbuf_free(outside->received);
	outside->received = NULL;
	outside->tcp = NULL;
	if (pcb == NULL)
		return;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	if (!outside->is_finished || !outside->has_ended || tcp_close(pcb) != ERR_OK)
		tcp_abort(pcb);
}

#else

static bool is_stream_ready(const struct tn_outside *outside)
{
	(void)outside;
	return false;
}

#endif

void tn_outside_send(struct tn_outside *outside, const uint8_t address[16], uint16_t port, const uint8_t *bytes, size_t length)
{
	ip_addr_t to;
#if TN_SUBNET
	if (outside->echo != NULL) {
		send_echo(outside, address, port, bytes, length);
		return;
	}
#endif
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
		if (outside->is_open) {
			link = &outside->next;
			continue;
		}
		*link = outside->next;
		tn_port_free(outside);
	}
}

void tn_outside_close(struct tn_outside *outside)
{
	if (outside == NULL || !outside->is_open)
		return;
	outside->is_open = false;
	if (outside->udp != NULL)
		udp_remove(outside->udp);
#if TN_SUBNET
	if (outside->echo != NULL)
		raw_remove(outside->echo);
	close_stream(outside);
#endif
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
		if (outside->is_open && (outside->count > 0 || is_stream_ready(outside)))
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
