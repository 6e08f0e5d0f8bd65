/*
 * The tailnet interface of lwIP.
 */
#include "tn_netif.h"

#include "lwip/init.h"
#include "lwip/timeouts.h"
#include "tn_bytes.h"
#include "tn_checksum.h"
#include "tn_port.h"
#include "tn_stream.h"
#include "tn_window.h"

/** lwIP counts TCP time in steps of this. */
#define STEP_MS 250u
/** How long lwIP may hold fragments of a packet. */
#define REASSEMBLY_MS 20000u
/** Connections that only wait for late packets; the oldest give way. */
#define TIME_WAIT_MAX TN_PROFILE(4, 128)

/**
 * Segments of a connection that wait for one before them: a window of large ones, or so many small ones, of which a window would be 130,000 otherwise, each with
 * memory of its own and a walk along all others.
 */
#define OUT_OF_ORDER_MAX TN_PROFILE(8, 256)
#define SMALL_SEGMENT 512u

#define TCP_HEADER 20
#define TCP_SEQUENCE 4
#define TCP_ACKNOWLEDGED 8
#define TCP_OFFSET 12
#define TCP_FLAG_BYTE 13
#define TCP_CHECKSUM 16
#define TCP_OPTION_END 0
#define TCP_OPTION_NONE 1
#define TCP_OPTION_SEGMENT 2
#define ICMP_UNREACHABLE 3
#define ICMP6_UNREACHABLE 1

/* lwIP is one for the process, so is its clock. */
static struct {
	bool is_initialised;
	uint64_t next;
	uint64_t probes_at;
	uint64_t fragments_until;
} stack = {.probes_at = UINT64_MAX};

/** Gives an acknowledgement without data a sequence number that the peer accepts. */
static void correct_acknowledgement(struct tn_netif *interface, uint8_t *bytes, size_t length)
{
	struct tn_packet packet;
	tn_packet_parse(&packet, bytes, length);
	uint8_t *tcp = bytes + packet.transport;
	struct tcp_pcb *pcb = tn_coalesce_find(packet.source, packet.source_port, packet.destination, packet.destination_port, netif_get_index(&interface->netif));
	if (pcb == NULL || pcb->state < ESTABLISHED)
		return;
	uint8_t before[4];
	uint32_t acceptable = tn_recovery_acceptable(pcb);
	if (tn_load32be(tcp + TCP_SEQUENCE) != pcb->snd_nxt || acceptable == pcb->snd_nxt)
		return;
	memcpy(before, tcp + TCP_SEQUENCE, sizeof before);
	tn_store32be(tcp + TCP_SEQUENCE, acceptable);
	tn_store16be(tcp + TCP_CHECKSUM, tn_checksum_update(tn_load16be(tcp + TCP_CHECKSUM), before, tcp + TCP_SEQUENCE, sizeof before));
}

#if TN_STACK_APART

uint8_t *tn_netif_place(struct tn_netif *interface, uint16_t length)
{
	uint8_t *place = tn_ring_reserve(&interface->crossing.out, length);
	if (place == NULL)
		interface->crossing.dropped++;
	return place;
}

void tn_netif_commit(struct tn_netif *interface, uint16_t length)
{
	tn_ring_publish(&interface->crossing.out, length);
	tn_netif_stir(interface);
}

void tn_netif_stir(struct tn_netif *interface)
{
	if (atomic_load(&interface->crossing.is_visiting) == 0)
		tn_port_kick(interface->tunnel->host);
}

#else

uint8_t *tn_netif_place(struct tn_netif *interface, uint16_t length)
{
	(void)length;
	return tn_tunnel_place(interface->tunnel);
}

void tn_netif_commit(struct tn_netif *interface, uint16_t length)
{
	tn_tunnel_output(interface->tunnel, length);
}

void tn_netif_stir(struct tn_netif *interface)
{
	(void)interface;
}

#endif

static err_t output(struct netif *netif, struct pbuf *p)
{
	struct tn_netif *interface = (struct tn_netif *)netif;
	if (p->tot_len > TN_MTU)
		return ERR_BUF;
	uint8_t *place = tn_netif_place(interface, p->tot_len);
	if (place == NULL)
		return ERR_MEM;
	uint16_t length = pbuf_copy_partial(p, place, p->tot_len, 0);
	unsigned protocol = place[0] >> 4 == 4 ? place[9] : place[6];
	size_t transport = place[0] >> 4 == 4 ? TN_IP4_HEADER : TN_IP6_HEADER;
	bool is_later_fragment = place[0] >> 4 == 4 && (tn_load16be(place + 6) & 0x1fff) != 0;
	if ((protocol == TN_PROTOCOL_ICMP4 && !is_later_fragment && length > transport && place[transport] == ICMP_UNREACHABLE) ||
	    (protocol == TN_PROTOCOL_ICMP6 && length > transport && place[transport] == ICMP6_UNREACHABLE)) {
		interface->unreachable_suppressed++;
		return ERR_OK;
	}
	if (protocol == TN_PROTOCOL_TCP && length == transport + TCP_HEADER && place[transport + TCP_FLAG_BYTE] == TN_TCP_ACK)
		correct_acknowledgement(interface, place, length);
	if (protocol == TN_PROTOCOL_TCP && length > transport + TCP_HEADER && (place[transport + TCP_FLAG_BYTE] & TN_TCP_SYN) != 0)
		tn_window_offer(place + transport, length - transport);
	tn_netif_commit(interface, length);
	return ERR_OK;
}

static err_t output_ip4(struct netif *netif, struct pbuf *p, const ip4_addr_t *address)
{
	(void)address;
	return output(netif, p);
}

#if TN_IPV6
static err_t output_ip6(struct netif *netif, struct pbuf *p, const ip6_addr_t *address)
{
	(void)address;
	return output(netif, p);
}
#endif

static err_t set_up(struct netif *netif)
{
	netif->name[0] = 't';
	netif->name[1] = 'n';
	netif->mtu = TN_MTU;
	netif->output = output_ip4;
#if TN_IPV6
	netif->mtu6 = TN_MTU;
	netif->output_ip6 = output_ip6;
#endif
	return ERR_OK;
}

bool tn_netif_open(struct tn_netif *interface, struct tn_tunnel *tunnel, struct tn_sockets *sockets)
{
#if !TN_STACK_APART
	if (!stack.is_initialised)
		lwip_init();
#endif
	stack.is_initialised = true;
	interface->tunnel = tunnel;
	interface->sockets = sockets;
#if TN_SUBNET
	interface->subnet.netif = interface;
#endif
	if (netif_add(&interface->netif, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4, NULL, set_up, ip_input) == NULL)
		return false;
	netif_set_link_up(&interface->netif);
	netif_set_up(&interface->netif);
	IP4_ADDR(ip_2_ip4(&interface->netif.netmask), 255, 255, 255, 255);
#if LWIP_IPV6_SEND_ROUTER_SOLICIT
	interface->netif.rs_count = 0;
#endif
#if LWIP_IPV6_AUTOCONFIG
	interface->netif.ip6_autoconfig_enabled = 0;
#endif
	tn_port_random(&interface->next_port, sizeof interface->next_port);
	interface->is_up = true;
	return true;
}

/** Resets the connections of an interface. */
static void abort_all(struct tcp_pcb *list, uint8_t index)
{
	for (struct tcp_pcb *pcb = list, *next; pcb != NULL; pcb = next) {
		next = pcb->next;
		if (pcb->netif_idx == index)
			tcp_abort(pcb);
	}
}

void tn_netif_close(struct tn_netif *interface)
{
	if (!interface->is_up)
		return;
	tn_netif_flush(interface);
	/* Those that are lwIP's alone: half open, let go of, finished. The next interface gets the same index. */
	abort_all(tcp_active_pcbs, netif_get_index(&interface->netif));
	abort_all(tcp_tw_pcbs, netif_get_index(&interface->netif));
	netif_remove(&interface->netif);
	interface->is_up = false;
}

#if TN_SUBNET
/** Shows the destination of a packet for a host of our subnets as an address of ours. */
static void show_destination(struct tn_netif *interface, const uint8_t *bytes)
{
	struct netif *netif = &interface->netif;
	if (bytes[0] >> 4 == 4) {
		memcpy(&ip_2_ip4(&netif->ip_addr)->addr, bytes + 16, 4);
		return;
	}
#if TN_IPV6
	tn_to_lwip(&netif->ip6_addr[0], bytes + 24);
	netif->ip6_addr_state[0] = IP6_ADDR_PREFERRED;
#endif
}
#endif

/** Shows our addresses to lwIP, and makes us its way for answers that have no connection (RST). */
static void show(struct tn_netif *interface)
{
	struct netif *netif = &interface->netif;
	const struct tn_tunnel *tunnel = interface->tunnel;
	if (tunnel->has_address4)
		tn_to_lwip(&netif->ip_addr, tunnel->address4);
#if TN_IPV6
	if (tunnel->has_address6) {
		tn_to_lwip(&netif->ip6_addr[0], tunnel->address6);
		netif->ip6_addr_state[0] = IP6_ADDR_PREFERRED;
	}
#endif
	interface->default_before = netif_default;
	netif_default = netif;
}

static void hide(struct tn_netif *interface)
{
	struct netif *netif = &interface->netif;
	netif_default = interface->default_before;
	ip_addr_set_zero_ip4(&netif->ip_addr);
#if TN_IPV6
	netif->ip6_addr_state[0] = IP6_ADDR_INVALID;
#endif
}

static void input(struct tn_netif *interface, struct pbuf *p)
{
	show(interface);
#if TN_SUBNET
	/* Its own address, or that of a host: lwIP's connections know which. */
	show_destination(interface, p->payload);
#endif
	if (ip_input(p, &interface->netif) != ERR_OK)
		pbuf_free(p);
	hide(interface);
	/* lwIP puts the connection of a segment in front. */
	if (tcp_active_pcbs != NULL)
		tn_stream_after_input(tcp_active_pcbs);
}

/** A connection that was handed several segments as one acknowledges them as if they had come one by one: at once. */
static void acknowledge(struct tn_netif *interface, struct tcp_pcb *of)
{
	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
		if (pcb != of)
			continue;
		if (interface->run.alive > 0) {
			interface->leaked++;
			tcp_abort(pcb);
		} else if ((pcb->flags & TF_ACK_DELAY) != 0) {
			tcp_ack_now(pcb);
			tcp_output(pcb);
		}
		return;
	}
}

void tn_netif_flush(struct tn_netif *interface)
{
	unsigned count = interface->run.count;
	struct tcp_pcb *pcb = interface->run.pcb;
	struct pbuf *whole = tn_coalesce_take(&interface->run);
	if (whole == NULL)
		return;
	const uint8_t *tcp = interface->run.first + interface->run.header;
	tn_recovery_before(pcb, tn_load32be(tcp + TCP_SEQUENCE), tn_load32be(tcp + TCP_ACKNOWLEDGED));
	input(interface, whole);
	if (count > 1 || interface->run.alive > 0)
		acknowledge(interface, pcb);
	if (count > 1)
		interface->coalesced += count;
	if (count > 1 && 2 * count >= TN_COALESCE)
		tn_tunnel_flush(interface->tunnel);
}

/** Whether source may open one more connection: there must be a socket for it when it is complete, and memory. Who is not answered asks again in a second. */
static bool may_open(struct tn_netif *interface, const uint8_t source[16])
{
	unsigned half_open = 0, of_source = 0;
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
		if (pcb->state != SYN_RCVD || pcb->netif_idx != netif_get_index(&interface->netif))
			continue;
		half_open++;
		of_source += tn_is_same_address(&pcb->remote_ip, source);
	}
	struct tn_sockets *sockets = interface->sockets;
	return half_open < TN_HALF_OPEN && of_source < TN_HALF_OPEN_EACH && half_open + atomic_load_explicit(&sockets->used, memory_order_relaxed) < TN_SOCKETS &&
	       tn_socket_has_memory(sockets, half_open + 1);
}

/** Whether the packet is for a socket of somebody else in this lwIP, bound to no interface, and for none of ours. */
static bool is_for_others(const struct tn_packet *packet, uint8_t index)
{
	bool is_ours = false, is_others = false;
	if (tn_packet_is_tcp_open(packet)) {
		for (const struct tcp_pcb_listen *pcb = tcp_listen_pcbs.listen_pcbs; pcb != NULL; pcb = pcb->next) {
			is_ours |= pcb->local_port == packet->destination_port && pcb->netif_idx == index;
			is_others |= pcb->local_port == packet->destination_port && pcb->netif_idx == NETIF_NO_INDEX;
		}
	} else if (packet->protocol == TN_PROTOCOL_UDP) {
		for (const struct udp_pcb *pcb = udp_pcbs; pcb != NULL; pcb = pcb->next) {
			is_ours |= pcb->local_port == packet->destination_port && pcb->netif_idx == index;
			is_others |= pcb->local_port == packet->destination_port && pcb->netif_idx == NETIF_NO_INDEX;
		}
	}
	return is_others && !is_ours;
}

/**
 * Whether a segment tells the largest one that the peer takes, but is not SYN, the only one that may (RFC 9293 §3.2). lwIP would believe it, and end the process
 * over longer ones that wait.
 */
static bool is_late_option(const uint8_t *bytes, const struct tn_packet *packet)
{
	const uint8_t *tcp = bytes + packet->transport;
	if ((packet->tcp_flags & TN_TCP_SYN) != 0)
		return false;
	size_t end = (tcp[TCP_OFFSET] >> 4) * 4u, length = packet->length - packet->transport;
	for (size_t at = TCP_HEADER; at < end && at < length && tcp[at] != TCP_OPTION_END;) {
		if (tcp[at] == TCP_OPTION_SEGMENT)
			return true;
		size_t step = tcp[at] == TCP_OPTION_NONE ? 1 : at + 1 < length ? tcp[at + 1] : 0;
		if (step == 0)
			return false;
		at += step;
	}
	return false;
}

/** Whether a small segment is one too many of those out of order. */
static bool is_scattered(const struct tcp_pcb *pcb, uint32_t sequence, uint32_t length)
{
	if (length == 0 || length > SMALL_SEGMENT || pcb->rcv_nxt == sequence)
		return false;
	unsigned count = 0;
	for (const struct tcp_seg *segment = tn_out_of_order(pcb); segment != NULL && count < OUT_OF_ORDER_MAX; segment = segment->next)
		count++;
	return count >= OUT_OF_ORDER_MAX;
}

/**
 * Whether a segment lies where no peer has a reason to send one: out of order and in part beyond our window, or behind an end told before. lwIP would keep the
 * first, carry the end of the second to where it must not be, and end the process when all before it has come.
 */
static bool is_misplaced(const struct tcp_pcb *pcb, uint32_t sequence, uint32_t length, bool is_end)
{
	uint32_t end = sequence + length;
	if (TCP_SEQ_GT(sequence, pcb->rcv_nxt) && TCP_SEQ_GT(end + is_end, pcb->rcv_nxt + pcb->rcv_wnd))
		return true;
	const struct tcp_seg *last = tn_out_of_order(pcb);
	while (last != NULL && last->next != NULL)
		last = last->next;
	return last != NULL && (TCPH_FLAGS(last->tcphdr) & TCP_FIN) != 0 && TCP_SEQ_GT(end, last->tcphdr->seqno + last->len);
}

/** Whether lwIP shall not see a segment. */
static bool is_unfit_segment(struct tn_netif *interface, const uint8_t *bytes, const struct tn_packet *packet)
{
	const uint8_t *tcp = bytes + packet->transport;
	size_t header = packet->transport + (tcp[TCP_OFFSET] >> 4) * 4u;
	uint32_t sequence = tn_load32be(tcp + TCP_SEQUENCE), length = packet->length > header ? (uint32_t)(packet->length - header) : 0;
	bool is_end = (packet->tcp_flags & TN_TCP_FIN) != 0;
	if (is_late_option(bytes, packet)) {
		interface->unfit++;
		return true;
	}
	if (length == 0 && !is_end)
		return false;
	const struct tcp_pcb *pcb =
	    tn_coalesce_find_any(packet->destination, packet->destination_port, packet->source, packet->source_port, netif_get_index(&interface->netif));
	if (pcb == NULL || pcb->state < SYN_RCVD)
		return false;
	bool is_one_too_many = is_scattered(pcb, sequence, length), has_no_place = is_misplaced(pcb, sequence, length, is_end);
	interface->scattered += is_one_too_many;
	interface->unfit += has_no_place;
	return is_one_too_many || has_no_place;
}

/** Whether lwIP has anything that takes a packet. TCP comes whole: nobody sends larger segments than we say, and what is put together from fragments nobody judges. */
static bool is_of_use(const uint8_t *bytes, const struct tn_packet *packet)
{
	bool is_fragment = packet->version == 4 && (tn_load16be(bytes + 6) & 0x3fff) != 0;
	if (packet->protocol == TN_PROTOCOL_FRAGMENT)
		return bytes[9] == TN_PROTOCOL_UDP || bytes[9] == TN_PROTOCOL_ICMP4;
	return (packet->protocol == TN_PROTOCOL_TCP && !is_fragment) || packet->protocol == TN_PROTOCOL_UDP || tn_packet_is_icmp(packet);
}

/**
 * A peer uses a port anew while lwIP still waits for what is late of the connection before (RFC 1122 §4.2.2.13). lwIP would answer the old one's
 * acknowledgement, and to the peer's next try again, for two minutes.
 */
static void forget_finished(const struct tn_netif *interface, const struct tn_packet *packet)
{
	struct tcp_pcb *finished = tn_coalesce_find_finished(packet, netif_get_index(&interface->netif));
	if (finished != NULL)
		tcp_abort(finished);
}

void tn_netif_deliver(void *context, uint8_t *bytes, const struct tn_packet *packet)
{
	struct tn_netif *interface = context;
	if (!interface->is_up)
		return;
	if (tn_packet_is_tcp_open(packet))
		forget_finished(interface, packet);
#if TN_SUBNET
	if (!tn_tunnel_is_own(interface->tunnel, packet->destination)) {
		tn_subnet_input(&interface->subnet, bytes, packet);
		return;
	}
#endif
	tn_netif_accept(interface, bytes, packet);
}

void tn_netif_accept(struct tn_netif *interface, uint8_t *bytes, const struct tn_packet *packet)
{
	uint8_t index = netif_get_index(&interface->netif);
	if (packet->protocol == TN_PROTOCOL_ICMP6 && packet->version == 6 && !tn_packet_is_echo_request(packet)) {
		interface->icmp_ignored++;
		return;
	}
	if (!is_of_use(bytes, packet)) {
		interface->unfit++;
		return;
	}
	if (tn_coalesce_add(&interface->run, bytes, packet, index))
		return;
	if (interface->run.count > 0) {
		tn_netif_flush(interface);
		if (tn_coalesce_add(&interface->run, bytes, packet, index))
			return;
	}
	if (is_for_others(packet, index)) {
		interface->not_ours++;
		return;
	}
	if (packet->protocol == TN_PROTOCOL_TCP && is_unfit_segment(interface, bytes, packet))
		return;
	if (tn_packet_is_tcp_open(packet) && !may_open(interface, packet->source)) {
		interface->half_open_dropped++;
		return;
	}
	if (packet->protocol == TN_PROTOCOL_FRAGMENT || (packet->version == 4 && (bytes[6] & 0x20) != 0))
		stack.fragments_until = interface->tunnel->now + REASSEMBLY_MS;
	if (packet->protocol == TN_PROTOCOL_TCP && (packet->tcp_flags & (TN_TCP_SYN | TN_TCP_RST | TN_TCP_ACK)) == TN_TCP_ACK) {
		const uint8_t *tcp = bytes + packet->transport;
		struct tcp_pcb *pcb = tn_coalesce_find(packet->destination, packet->destination_port, packet->source, packet->source_port, index);
		if (pcb != NULL)
			tn_recovery_before(pcb, tn_load32be(tcp + TCP_SEQUENCE), tn_load32be(tcp + TCP_ACKNOWLEDGED));
	}
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)packet->length, PBUF_RAM);
	if (p == NULL) {
		interface->sockets->counters.no_memory++;
		return;
	}
	memcpy(p->payload, bytes, packet->length);
	input(interface, p);
}

/** Keeps the list of our finished connections short: lwIP walks it for every packet that opens one. */
static void reap_time_wait(void)
{
	unsigned count = 0;
	struct tcp_pcb *pcb = tcp_tw_pcbs;
	while (pcb != NULL) {
		struct tcp_pcb *next = pcb->next;
		if (pcb->netif_idx != NETIF_NO_INDEX && ++count > TIME_WAIT_MAX)
			tcp_abort(pcb);
		pcb = next;
	}
}

void tn_stack_call_at(uint64_t time)
{
	if (time < stack.probes_at)
		stack.probes_at = time;
}

uint64_t tn_stack_tick(uint64_t now)
{
	if (!stack.is_initialised || (tcp_active_pcbs == NULL && tcp_tw_pcbs == NULL && now >= stack.fragments_until)) {
		stack.next = 0;
		stack.probes_at = UINT64_MAX;
		return UINT64_MAX;
	}
	if (now >= stack.next) {
#if !TN_STACK_APART
		sys_check_timeouts();
#endif
		for (struct tcp_pcb *pcb = tcp_active_pcbs, *next; pcb != NULL; pcb = next) {
			next = pcb->next;
			tn_stream_step(pcb);
		}
		reap_time_wait();
		stack.next = now + STEP_MS;
	}
	if (now >= stack.probes_at) {
		stack.probes_at = UINT64_MAX;
		for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
			tn_stream_probe(pcb, now);
	}
	return stack.next < stack.probes_at ? stack.next : stack.probes_at;
}
