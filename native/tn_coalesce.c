/*
 * Segments of a connection become one.
 */
#include "tn_coalesce.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_checksum.h"

#define TCP_HEADER 20
#define TCP_SEQUENCE 4
#define TCP_ACKNOWLEDGED 8
#define TCP_OFFSET 12
#define TCP_FLAG_BYTE 13
#define TCP_WINDOW 14
#define TCP_CHECKSUM 16
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10
#define NO_OPTIONS 0x50

#define IP4_LENGTH 2
#define IP4_FRAGMENT 6
#define IP4_CHECKSUM 10
#define IP6_LENGTH 4

/** Largest packet that an IP header can tell. */
#define WHOLE_MAX 65535u
/** lwIP keeps the connection used last in front; a look further down costs more than coalescing saves. */
#define SEARCH_MAX 16

static void part_freed(struct pbuf *p)
{
	struct tn_coalesce_part *part = (struct tn_coalesce_part *)(void *)p;
	(*part->alive)--;
}

static struct tcp_pcb *search(struct tcp_pcb *pcb, const uint8_t local[16], uint16_t local_port, const uint8_t remote[16], uint16_t remote_port,
                              uint8_t netif_index, unsigned most)
{
	for (unsigned i = 0; pcb != NULL && i < most; pcb = pcb->next, i++) {
		if (pcb->remote_port != remote_port || pcb->local_port != local_port || pcb->netif_idx != netif_index)
			continue;
		if (tn_is_same_address(&pcb->remote_ip, remote) && tn_is_same_address(&pcb->local_ip, local))
			return pcb;
	}
	return NULL;
}

struct tcp_pcb *tn_coalesce_find(const uint8_t local[16], uint16_t local_port, const uint8_t remote[16], uint16_t remote_port, uint8_t netif_index)
{
	return search(tcp_active_pcbs, local, local_port, remote, remote_port, netif_index, SEARCH_MAX);
}

struct tcp_pcb *tn_coalesce_find_any(const uint8_t local[16], uint16_t local_port, const uint8_t remote[16], uint16_t remote_port, uint8_t netif_index)
{
	return search(tcp_active_pcbs, local, local_port, remote, remote_port, netif_index, UINT_MAX);
}

struct tcp_pcb *tn_coalesce_find_finished(const struct tn_packet *packet, uint8_t netif_index)
{
	return search(tcp_tw_pcbs, packet->destination, packet->destination_port, packet->source, packet->source_port, netif_index, UINT_MAX);
}

/** The connection of a packet, if lwIP would take length bytes of data in order at once. */
static struct tcp_pcb *find(const struct tn_packet *packet, uint32_t sequence, uint32_t length, uint8_t netif_index)
{
	struct tcp_pcb *pcb = tn_coalesce_find(packet->destination, packet->destination_port, packet->source, packet->source_port, netif_index);
	if (pcb == NULL || (pcb->state != ESTABLISHED && pcb->state != FIN_WAIT_1 && pcb->state != FIN_WAIT_2))
		return NULL;
	return pcb->rcv_nxt == sequence && tn_out_of_order(pcb) == NULL && pcb->refused_data == NULL && length <= pcb->rcv_wnd ? pcb : NULL;
}

/** Sum of addresses and protocol as the checksum's pseudo-header has them, without the length. */
static uint32_t sum_of_pseudo(const uint8_t *bytes, unsigned version)
{
	return version == 4 ? tn_checksum_add(6, bytes + 12, 8) : tn_checksum_add(6, bytes + 8, 32);
}

static bool is_same_flow(const struct tn_coalesce *run, const uint8_t *bytes, uint16_t header)
{
	size_t addresses = header == TN_IP4_HEADER ? 12 : 8;
	return run->header == header && memcmp(run->first + addresses, bytes + addresses, header - addresses + 4u) == 0;
}

static void append(struct tn_coalesce *run, uint8_t *bytes, const struct tn_packet *packet, uint16_t header, uint32_t payload)
{
	struct tn_coalesce_part *part = &run->parts[run->count];
	const uint8_t *tcp = bytes + header;
	uint16_t skip = (uint16_t)(run->count == 0 ? 0 : header + TCP_HEADER);
	part->alive = &run->alive;
	part->custom.custom_free_function = part_freed;
	pbuf_alloced_custom(PBUF_RAW, (u16_t)(packet->length - skip), PBUF_REF, &part->custom, bytes + skip, (u16_t)(packet->length - skip));
	run->sum += sum_of_pseudo(bytes, packet->version) + TCP_HEADER + payload + (uint64_t)tn_checksum_add(0, tcp, TCP_HEADER);
	run->count++;
	run->payload += payload;
	run->next_sequence += payload;
}

bool tn_coalesce_add(struct tn_coalesce *run, uint8_t *bytes, const struct tn_packet *packet, uint8_t netif_index)
{
	uint16_t header = packet->transport;
	const uint8_t *tcp = bytes + header;
	if (packet->protocol != TN_PROTOCOL_TCP || header != (packet->version == 4 ? TN_IP4_HEADER : TN_IP6_HEADER) ||
	    packet->length <= (size_t)header + TCP_HEADER || tcp[TCP_OFFSET] != NO_OPTIONS || (tcp[TCP_FLAG_BYTE] & ~FLAG_PSH) != FLAG_ACK)
		return false;
	if (packet->version == 4 && ((bytes[IP4_FRAGMENT] & 0x3f) != 0 || bytes[IP4_FRAGMENT + 1] != 0))
		return false;
	uint32_t payload = (uint32_t)packet->length - header - TCP_HEADER;
	uint32_t sequence = tn_load32be(tcp + TCP_SEQUENCE);
	if (run->count == 0) {
		run->pcb = find(packet, sequence, payload, netif_index);
		if (run->pcb == NULL)
			return false;
		run->first = bytes;
		run->header = header;
		run->alive = 0;
		run->next_sequence = sequence;
		run->payload = 0;
		run->sum = 0;
	} else if (run->count >= TN_COALESCE || sequence != run->next_sequence || run->payload % 2 != 0 || !is_same_flow(run, bytes, header) ||
	           run->payload + payload > run->pcb->rcv_wnd || header + TCP_HEADER + run->payload + payload > WHOLE_MAX) {
		return false;
	}
	append(run, bytes, packet, header, payload);
	if (run->count > 1) {
		uint8_t *whole = run->first + header;
		memcpy(whole + TCP_ACKNOWLEDGED, tcp + TCP_ACKNOWLEDGED, 4);
		memcpy(whole + TCP_WINDOW, tcp + TCP_WINDOW, 2);
		whole[TCP_FLAG_BYTE] |= tcp[TCP_FLAG_BYTE] & FLAG_PSH;
	}
	return true;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/** Makes the headers of the first packet those of the whole. */
static void write_headers(struct tn_coalesce *run)
{
	uint8_t *tcp = run->first + run->header;
	uint32_t segment = TCP_HEADER + run->payload;
	unsigned version = run->header == TN_IP4_HEADER ? 4 : 6;
	tn_store16be(tcp + TCP_CHECKSUM, 0);
	uint64_t sum = (uint64_t)sum_of_pseudo(run->first, version) + segment + tn_checksum_add(0, tcp, TCP_HEADER) + (uint16_t)~fold(run->sum);
	tn_store16be(tcp + TCP_CHECKSUM, (uint16_t)~fold(sum));
	if (version == 4) {
		tn_store16be(run->first + IP4_LENGTH, (uint16_t)(TN_IP4_HEADER + segment));
		tn_store16be(run->first + IP4_CHECKSUM, tn_checksum_ip4(run->first, TN_IP4_HEADER));
	} else {
		tn_store16be(run->first + IP6_LENGTH, (uint16_t)segment);
	}
}

struct pbuf *tn_coalesce_take(struct tn_coalesce *run)
{
	if (run->count == 0)
		return NULL;
	if (run->count > 1)
		write_headers(run);
	struct pbuf *whole = &run->parts[0].custom.pbuf;
	struct pbuf *last = whole;
	for (unsigned i = 1; i < run->count; i++) {
		last->next = &run->parts[i].custom.pbuf;
		last = last->next;
	}
	uint32_t rest = run->header + TCP_HEADER + run->payload;
	for (struct pbuf *part = whole; part != NULL; part = part->next) {
		part->tot_len = (u16_t)rest;
		rest -= part->len;
	}
	run->alive = run->count;
	run->count = 0;
	return whole;
}
