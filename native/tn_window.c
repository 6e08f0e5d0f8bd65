/*
 * Windows beyond those that lwIP was built with.
 */
#include "tn_window.h"

#include <string.h>
#include "tn_bytes.h"
#include "tn_checksum.h"

#define TCP_HEADER 20u
#define TCP_OFFSET 12
#define TCP_CHECKSUM 16
#define OPTION_END 0
#define OPTION_NONE 1
#define OPTION_SCALE 3

/** Pbufs that a connection's segments may take, in the proportion that lwIP has. */
#define QUEUED_MAX (4u * TN_STREAM_UNACKED / TCP_MSS)

#if TN_STREAM_RECEIVE < TCP_WND || TN_STREAM_RECEIVE < TN_STREAM_WINDOW
#error "the receive ring must hold a whole TCP window: expected tailnet.streamReceive to be lwIP's TCP_WND or more (CONFIG_LWIP_TCP_WND_DEFAULT of a board)"
#endif
#if TN_STREAM_WINDOW > 0xffff << TN_STREAM_SCALE || (TN_STREAM_UNACKED > TN_STREAM_SEND)
#error "windows that cannot be told, or kept"
#endif

void tn_window_offer(uint8_t *segment, size_t length)
{
#if LWIP_WND_SCALE && TN_STREAM_WINDOW > 0
	size_t end = (segment[TCP_OFFSET] >> 4) * 4u;
	for (size_t at = TCP_HEADER; at + 2 < end && at + 2 < length && segment[at] != OPTION_END;) {
		if (segment[at] == OPTION_SCALE) {
			uint8_t before[2], *pair = segment + ((at + 2) & ~(size_t)1);
			memcpy(before, pair, sizeof before);
			segment[at + 2] = TN_STREAM_SCALE;
			tn_store16be(segment + TCP_CHECKSUM, tn_checksum_update(tn_load16be(segment + TCP_CHECKSUM), before, pair, sizeof before));
			return;
		}
		at += segment[at] == OPTION_NONE || segment[at + 1] == 0 ? 1 : segment[at + 1];
	}
#else
	(void)segment;
	(void)length;
#endif
}

void tn_window_widen(struct tcp_pcb *pcb)
{
#if LWIP_WND_SCALE && TN_STREAM_WINDOW > 0
	if ((pcb->flags & TF_WND_SCALE) == 0)
		return;
	pcb->rcv_scale = TN_STREAM_SCALE;
	if (TN_STREAM_UNACKED > TCP_SND_BUF) {
		pcb->snd_buf += (tcpwnd_size_t)TN_STREAM_UNACKED - TCP_SND_BUF;
		pcb->ssthresh = TN_STREAM_UNACKED;
	}
	if (TN_STREAM_WINDOW > TCP_WND) {
		pcb->rcv_wnd += (tcpwnd_size_t)TN_STREAM_WINDOW - TCP_WND;
		tcp_update_rcv_ann_wnd(pcb);
	}
#else
	(void)pcb;
#endif
}

uint32_t tn_window_segments(const struct tcp_pcb *pcb, uint32_t pbufs)
{
	uint32_t most = QUEUED_MAX > TCP_SND_QUEUELEN ? QUEUED_MAX : TCP_SND_QUEUELEN;
	uint32_t room = pcb->snd_queuelen < most ? most - pcb->snd_queuelen : 0;
	/* What one call brings is all counted, and that something was queued. */
	return LWIP_MIN(room, TCP_SND_QUEUELEN - 1) / pbufs;
}

err_t tn_window_write(struct tcp_pcb *pcb, const uint8_t *bytes, uint16_t length, uint8_t flags)
{
	/* lwIP counts against the limit that it was built with. That something is queued it has to know; the rest it may know afterwards. */
	uint16_t hidden = TN_STREAM_UNACKED > 0 && pcb->snd_queuelen > 1 ? (uint16_t)(pcb->snd_queuelen - 1) : 0;
	pcb->snd_queuelen = (uint16_t)(pcb->snd_queuelen - hidden);
	err_t error = tcp_write(pcb, bytes, length, flags);
	pcb->snd_queuelen = (uint16_t)(pcb->snd_queuelen + hidden);
	return error;
}

void tn_window_open(struct tcp_pcb *pcb, uint32_t length)
{
	pcb->rcv_wnd = (tcpwnd_size_t)(pcb->rcv_wnd + length);
	if (tcp_update_rcv_ann_wnd(pcb) >= TCP_WND_UPDATE_THRESHOLD) {
		tcp_ack_now(pcb);
		tcp_output(pcb);
	}
}

void tn_window_restore(struct tcp_pcb *pcb)
{
	pcb->rcv_wnd = TCP_WND_MAX(pcb);
#if TCP_QUEUE_OOSEQ
	tcp_free_ooseq(pcb); /* beyond that window lwIP must keep nothing, and nobody reads it */
#endif
}
