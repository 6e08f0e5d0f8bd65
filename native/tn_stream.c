/*
 * TCP sockets.
 */
#include "tn_stream.h"

#include "tn_lwip.h"
#include "tn_netif.h"
#include "tn_records.h"
#include "tn_window.h"

/** What a peer may send ahead over a relay, whose queue holds 32 packets: what it loses there it has to repeat without selective acknowledgements. */
#define RELAY_WINDOW (32u * 1240)

/* Where lwIP wants every segment in one piece of memory it copies what it is given, whatever it is told; the ring is then free at once. */
#if LWIP_NETIF_TX_SINGLE_PBUF
#define WRITE_FLAGS TCP_WRITE_FLAG_COPY
#define IS_COPIED true
#define PBUFS_OF_SEGMENT 1u
#else
#define WRITE_FLAGS 0
#define IS_COPIED false
#define PBUFS_OF_SEGMENT 2u
#endif

/**
 * How long a connection that the VM has let go of may stand still, and how long it may take in all, until everything is acknowledged. Without a bound a peer
 * could keep a connection for ever by a closed window.
 */
#define STILL_MS 60000u
#define LINGER_MS 600000u

/** Half seconds between two looks of lwIP at a connection that has nothing else to say. */
#define POLL_INTERVAL 2
#define FIRST_PORT 49152u
#define PORTS 16384u
#define PORT_TRIES 16

static err_t on_receive(void *context, struct tcp_pcb *pcb, struct pbuf *p, err_t error);
static err_t on_sent(void *context, struct tcp_pcb *pcb, u16_t length);
static err_t on_poll(void *context, struct tcp_pcb *pcb);
static void on_error(void *context, err_t error);
static err_t on_standstill(void *context, struct tcp_pcb *pcb);

/** Gives a stream its rings. @return false when memory is short */
static bool attach_rings(struct tn_socket *socket)
{
	socket->memory = tn_socket_memory(socket->table);
	if (socket->memory == NULL)
		return false;
	tn_ring_init(&socket->send, socket->memory, TN_STREAM_SEND);
	tn_ring_init(&socket->receive, socket->memory + TN_STREAM_SEND, TN_STREAM_RECEIVE);
	return true;
}

static void attach(struct tn_socket *socket, struct tcp_pcb *pcb)
{
	socket->stream = pcb;
	tcp_arg(pcb, socket);
	tcp_recv(pcb, on_receive);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_error);
	tcp_poll(pcb, on_poll, POLL_INTERVAL);
	tcp_setprio(pcb, TCP_PRIO_MIN);
	ip_set_option(pcb, SOF_KEEPALIVE);
	/* lwIP's own Nagle leaves an acknowledgement unsent behind a small segment that waits, until a retransmission 3 s later; fill() keeps the rule. */
	tcp_nagle_disable(pcb);
}

/** lwIP shall not call back any more. */
static void detach(struct tn_socket *socket)
{
	struct tcp_pcb *pcb = socket->stream;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	socket->stream = NULL;
}

static void abort_stream(struct tn_socket *socket)
{
	struct tcp_pcb *pcb = socket->stream;
	if (pcb == NULL)
		return;
	detach(socket);
	tcp_abort(pcb);
}

/** Nagle's rule: a small segment waits while others are on their way, unless the app wants no delay or nothing follows. */
static bool must_wait(const struct tn_socket *socket, uint32_t available)
{
	const struct tcp_pcb *pcb = socket->stream;
	return available < pcb->mss && !socket->no_delay && !socket->is_closing && (pcb->unacked != NULL || pcb->unsent != NULL);
}

/** Bytes in a segment that lwIP makes: it wants two in the largest window that the peer has told. */
static uint32_t segment_of(const struct tcp_pcb *pcb)
{
	uint32_t half = pcb->snd_wnd_max / 2;
	return half > 0 && half < pcb->mss ? half : pcb->mss;
}

/** Bytes that lwIP takes now: it takes all that it is given, or nothing, and not more segments than its queue holds. */
static uint32_t room_of(const struct tcp_pcb *pcb)
{
	uint32_t room = tn_window_segments(pcb, PBUFS_OF_SEGMENT) * segment_of(pcb);
	return room < pcb->snd_buf ? room : pcb->snd_buf;
}

/**
 * Whether lwIP can put bytes behind its last unsent segment. One from when the peer had told of a window of a byte at most can be longer than those that lwIP
 * makes since, which it takes for impossible.
 */
static bool can_append(const struct tcp_pcb *pcb)
{
	const struct tcp_seg *last = pcb->unsent;
	if (last == NULL || segment_of(pcb) == pcb->mss)
		return true;
	while (last->next != NULL)
		last = last->next;
#if TCP_OVERSIZE
	return (uint32_t)last->len + pcb->unsent_oversize <= segment_of(pcb);
#else
	return last->len <= segment_of(pcb);
#endif
}

/** Moves bytes from the send ring into lwIP, in whole segments while there are more. */
static bool fill(struct tn_socket *socket)
{
	struct tcp_pcb *pcb = socket->stream;
	bool did_write = false;
	if (!tn_recovery_may_write(&socket->recovery, pcb) || !can_append(pcb))
		return false;
	for (;;) {
		const uint8_t *bytes;
		uint32_t used = tn_ring_used(&socket->send) - socket->queued;
		uint32_t length = tn_ring_peek(&socket->send, socket->queued, &bytes);
		uint32_t room = room_of(pcb), segment = segment_of(pcb);
		if (length == 0 || room == 0)
			break;
		if (length > room)
			length = room;
		if (length > UINT16_MAX)
			length = UINT16_MAX;
		if (length < used && segment > 0) {
			if (length < segment && length == room)
				break;
			if (length > segment)
				length -= length % segment;
		}
		if (must_wait(socket, used))
			break;
		if (tn_window_write(pcb, bytes, (uint16_t)length, (uint8_t)(WRITE_FLAGS | (length < used ? TCP_WRITE_FLAG_MORE : 0))) != ERR_OK)
			break;
		did_write = true;
		if (IS_COPIED)
			tn_ring_drop(&socket->send, length);
		else
			socket->queued += length;
	}
	return did_write;
}

/** Tells the VM of room: when half the ring is free, and when it is empty, each only if something was written since. */
static void tell_writable(struct tn_socket *socket)
{
	uint32_t position = atomic_load_explicit(&socket->send.tail, memory_order_acquire);
	uint32_t used = tn_ring_used(&socket->send);
	uint32_t *told = used == 0 ? &socket->told_empty : &socket->told_writable;
	if (position == *told || used > TN_STREAM_SEND / 2)
		return;
	*told = position;
	socket->told_writable = position;
	tn_socket_raise(socket, TN_SOCKET_WRITABLE);
}

/** Sets the time of the connection's next probe, now that lwIP has sent or taken something. */
static void watch(struct tn_socket *socket)
{
	if (socket->stream != NULL && socket->is_connected)
		tn_stack_call_at(tn_recovery_watch(&socket->recovery, socket->stream, socket->table->netif->tunnel->now));
}

static bool is_relayed(const struct tn_socket *socket)
{
	return tn_tunnel_is_relayed(socket->table->netif->tunnel, socket->remote_address);
}

/**
 * Opens the window as far as the ring has room beyond what is promised already: the window, and what lwIP has taken but not handed over yet (it hands over at most
 * 64 KB at once, so that a gap that closes can be several calls).
 */
static void open_window(struct tn_socket *socket)
{
	struct tcp_pcb *pcb = socket->stream;
	uint32_t room = tn_ring_free(&socket->receive);
	if (room > RELAY_WINDOW && is_relayed(socket))
		room = RELAY_WINDOW;
	uint32_t promised = pcb->rcv_wnd + (pcb->rcv_nxt - socket->delivered);
	uint32_t more = room > promised ? room - promised : 0;
	if (more > socket->unread)
		more = socket->unread;
	if (more > 0) {
		socket->unread -= more;
		tn_window_open(pcb, more);
	}
}

/**
 * A closing stream says FIN when lwIP does not refer to its ring any more and has sent everything, and is released. Not before: with bytes in its segment that just
 * fill the peer's window, FIN would be repeated without pause until lwIP gives up.
 */
static void finish(struct tn_socket *socket)
{
	struct tcp_pcb *pcb = socket->stream;
	if (tn_ring_used(&socket->send) > 0 || pcb->unsent != NULL)
		return;
	if (socket->unread > 0 || tn_ring_used(&socket->receive) > 0) {
		tn_ring_drop(&socket->receive, tn_ring_used(&socket->receive));
		open_window(socket);
	}
	detach(socket);
	tn_window_restore(pcb);
	tcp_poll(pcb, on_standstill, STILL_MS / TCP_SLOW_INTERVAL);
	pcb->tmr = tcp_ticks; /* lwIP takes it for the last sign of life, and does not touch it any more */
	if (tcp_close(pcb) != ERR_OK) {
		attach(socket, pcb);
		return;
	}
	tn_socket_release(socket);
}

/** An ended stream says FIN when lwIP does not refer to its ring any more, as a closing one does. */
static void send_end(struct tn_socket *socket)
{
	struct tcp_pcb *pcb = socket->stream;
	if (socket->is_end_sent || tn_ring_used(&socket->send) > 0 || pcb->unsent != NULL)
		return;
	socket->is_end_sent = tcp_shutdown(pcb, 0, 1) == ERR_OK;
}

void tn_stream_end(struct tn_socket *socket)
{
	socket->is_ended = true;
	tn_stream_service(socket);
}

void tn_stream_service(struct tn_socket *socket)
{
	if (socket->stream == NULL || !socket->is_connected)
		return;
	open_window(socket);
	if (fill(socket))
		tcp_output(socket->stream);
	watch(socket);
	if (socket->is_closing)
		finish(socket);
	else if (socket->is_ended)
		send_end(socket);
	else
		tell_writable(socket);
}

static err_t on_receive(void *context, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
	struct tn_socket *socket = context;
	(void)error;
	if (p == NULL) {
		tn_socket_raise_closed(socket, TN_CLOSE_REMOTE);
		return ERR_OK;
	}
	if (socket->is_closing) {
		tn_window_open(pcb, p->tot_len);
		pbuf_free(p);
		return ERR_OK;
	}
	if (tn_ring_free(&socket->receive) < p->tot_len) {
		/* More than was promised: a byte would be lost. */
		socket->table->counters.overruns++;
		pbuf_free(p);
		abort_stream(socket);
		tn_socket_raise_closed(socket, TN_CLOSE_RESET);
		return ERR_ABRT;
	}
	for (const struct pbuf *part = p; part != NULL; part = part->next)
		tn_ring_write(&socket->receive, part->payload, part->len);
	socket->unread += p->tot_len;
	socket->delivered += p->tot_len;
	pbuf_free(p);
	open_window(socket);
	tn_socket_raise(socket, TN_SOCKET_READABLE);
	return ERR_OK;
}

static err_t on_sent(void *context, struct tcp_pcb *pcb, u16_t length)
{
	struct tn_socket *socket = context;
	if (!IS_COPIED) {
		tn_ring_drop(&socket->send, length);
		socket->queued -= length < socket->queued ? length : socket->queued;
	}
	fill(socket);
	tn_recovery_acknowledged(&socket->recovery, pcb);
	if (!socket->is_closing && !socket->is_ended)
		tell_writable(socket);
	else
		tn_socket_touch(socket);
	return ERR_OK;
}

static err_t on_poll(void *context, struct tcp_pcb *pcb)
{
	struct tn_socket *socket = context;
	(void)pcb;
	if (socket->is_closing || (socket->is_ended && !socket->is_end_sent) || tn_ring_used(&socket->send) > socket->queued)
		tn_socket_touch(socket);
	return ERR_OK;
}

/** The socket of a connection that is open, or NULL. */
static struct tn_socket *socket_of(const struct tcp_pcb *pcb)
{
	return pcb->recv == on_receive && pcb->state >= ESTABLISHED ? pcb->callback_arg : NULL;
}

void tn_stream_after_input(struct tcp_pcb *pcb)
{
	struct tn_socket *socket = socket_of(pcb);
	/* What a probe of a closed window carried was everything: lwIP would go on probing, and takes it for impossible that there is nothing to probe with. */
	if (pcb->unsent == NULL)
		pcb->persist_backoff = 0;
	if (socket == NULL)
		return;
	tn_recovery_input(&socket->recovery, pcb);
	watch(socket);
}

/** A connection that is lwIP's alone has not moved for a minute. */
static err_t on_standstill(void *context, struct tcp_pcb *pcb)
{
	(void)context;
	tcp_abort(pcb);
	return ERR_ABRT;
}

/** Whether a closing stream has stood still, or taken, too long. */
static bool is_stuck(struct tn_socket *socket, const struct tcp_pcb *pcb)
{
	uint64_t now = socket->table->netif->tunnel->now;
	if (socket->moved_to != pcb->lastack) {
		socket->moved_to = pcb->lastack;
		socket->moved_at = now;
	}
	return now - socket->moved_at >= STILL_MS || now - socket->let_go_at >= LINGER_MS;
}

void tn_stream_step(struct tcp_pcb *pcb)
{
	struct tn_socket *socket = socket_of(pcb);
	if (pcb->poll == on_standstill && tcp_ticks - pcb->tmr >= LINGER_MS / TCP_SLOW_INTERVAL) {
		tcp_abort(pcb);
	} else if (socket != NULL && socket->is_closing && is_stuck(socket, pcb)) {
		abort_stream(socket);
		tn_socket_release(socket);
	} else if (socket != NULL) {
		const struct tn_tunnel *tunnel = socket->table->netif->tunnel;
		watch(socket);
		tn_stack_call_at(tn_recovery_returned(&socket->recovery, pcb, tunnel->returns, tunnel->now));
		tn_recovery_relayed(&socket->recovery, pcb, is_relayed(socket));
	}
}

void tn_stream_probe(struct tcp_pcb *pcb, uint64_t now)
{
	struct tn_socket *socket = socket_of(pcb);
	if (socket != NULL)
		tn_stack_call_at(tn_recovery_probe(&socket->recovery, pcb, now));
}

/** lwIP has dropped the connection. */
static void on_error(void *context, err_t error)
{
	struct tn_socket *socket = context;
	uint8_t reason = TN_CLOSE_TIMEOUT;
	socket->stream = NULL;
	if (error == ERR_RST)
		reason = socket->is_connected ? TN_CLOSE_RESET : TN_CLOSE_REFUSED;
	if (socket->is_closing)
		tn_socket_release(socket);
	else
		tn_socket_raise_closed(socket, reason);
}

static void become_connected(struct tn_socket *socket, uint32_t flag)
{
	struct tcp_pcb *pcb = socket->stream;
	tn_window_widen(pcb);
	socket->delivered = pcb->rcv_nxt;
	tn_from_lwip(socket->remote_address, &pcb->remote_ip);
	tn_recovery_relayed(&socket->recovery, pcb, is_relayed(socket));
	socket->is_connected = true;
	socket->local_port = pcb->local_port;
	socket->remote_port = pcb->remote_port;
	tn_from_lwip(socket->local_address, &pcb->local_ip);
	tn_socket_raise(socket, flag | TN_SOCKET_WRITABLE);
}

static err_t on_connected(void *context, struct tcp_pcb *pcb, err_t error)
{
	struct tn_socket *socket = context;
	(void)pcb;
	(void)error;
	socket->table->counters.connected++;
	become_connected(socket, TN_SOCKET_CONNECTED);
	return ERR_OK;
}

/** Our address of the family of address, or NULL. */
static const uint8_t *own_address(const struct tn_tunnel *tunnel, const uint8_t address[16])
{
	if (tn_address_is_ip4(address))
		return tunnel->has_address4 ? tunnel->address4 : NULL;
	return tunnel->has_address6 ? tunnel->address6 : NULL;
}

int8_t tn_stream_bind(struct tn_netif *interface, struct tcp_pcb *pcb, const uint8_t address[16], uint16_t port)
{
	ip_addr_t own;
	tn_to_lwip(&own, address);
	tcp_bind_netif(pcb, &interface->netif);
	if (port != 0)
		return tcp_bind(pcb, &own, port);
	for (unsigned i = 0; i < PORT_TRIES; i++) {
		if (tcp_bind(pcb, &own, (u16_t)(FIRST_PORT + interface->next_port++ % PORTS)) == ERR_OK)
			return ERR_OK;
	}
	return ERR_USE;
}

void tn_stream_connect(struct tn_socket *socket, const uint8_t address[16], uint16_t port, bool no_delay)
{
	struct tn_netif *interface = socket->table->netif;
	const uint8_t *own = own_address(interface->tunnel, address);
	struct tcp_pcb *pcb;
	ip_addr_t remote;
	if (socket->kind != TN_SOCKET_NONE)
		return;
	socket->kind = TN_SOCKET_STREAM;
	socket->no_delay = no_delay;
	if (own == NULL || port == 0 || tn_tunnel_is_own(interface->tunnel, address)) {
		tn_socket_raise_closed(socket, TN_CLOSE_NO_ROUTE);
		return;
	}
	if (!attach_rings(socket) || (pcb = tcp_new_ip_type(tn_address_is_ip4(address) ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6)) == NULL) {
		tn_socket_raise_closed(socket, TN_CLOSE_FULL);
		return;
	}
	attach(socket, pcb);
	tn_to_lwip(&remote, address);
	err_t error = tn_stream_bind(interface, pcb, own, 0);
	if (error == ERR_OK)
		error = tcp_connect(pcb, &remote, port, on_connected);
	if (error != ERR_OK) {
		abort_stream(socket);
		tn_socket_raise_closed(socket, error == ERR_USE ? TN_CLOSE_IN_USE : error == ERR_RTE ? TN_CLOSE_NO_ROUTE : TN_CLOSE_FULL);
	}
}

bool tn_stream_adopt(struct tn_socket *socket, struct tcp_pcb *pcb, uint32_t listener)
{
	socket->kind = TN_SOCKET_STREAM;
	if (!attach_rings(socket))
		return false;
	socket->listener = listener;
	attach(socket, pcb);
	become_connected(socket, TN_SOCKET_ACCEPTED);
	return true;
}

void tn_stream_close(struct tn_socket *socket, bool is_abort)
{
	socket->is_closing = true;
	socket->let_go_at = socket->moved_at = socket->table->netif->tunnel->now;
	if (is_abort || !socket->is_connected)
		abort_stream(socket);
	if (socket->stream == NULL)
		tn_socket_release(socket);
	else
		tn_stream_service(socket);
}

void tn_stream_readdress(struct tn_socket *socket)
{
	uint8_t own[16];
	if (socket->stream == NULL)
		return;
	tn_from_lwip(own, &socket->stream->local_ip);
	if (tn_tunnel_is_own(socket->table->netif->tunnel, own))
		return;
	abort_stream(socket);
	if (socket->is_closing)
		tn_socket_release(socket);
	else
		tn_socket_raise_closed(socket, TN_CLOSE_RESET);
}

bool tn_stream_refuse(struct tn_socket *socket, const uint8_t remote[16], uint16_t remote_port, uint16_t local_port)
{
	ip_addr_t address;
	struct tcp_pcb *pcb = socket->stream;
	if (socket->kind != TN_SOCKET_STREAM || pcb == NULL || pcb->state != SYN_SENT || pcb->remote_port != remote_port || pcb->local_port != local_port)
		return false;
	tn_to_lwip(&address, remote);
	if (!ip_addr_cmp(&address, &pcb->remote_ip))
		return false;
	abort_stream(socket);
	tn_socket_raise_closed(socket, TN_CLOSE_POLICY);
	return true;
}
