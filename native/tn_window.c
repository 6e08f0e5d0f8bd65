/*
 * Windows beyond those that lwIP was built with.
 */
#include "tn_window.h"

#if TN_STREAM_RECEIVE < TCP_WND || TN_STREAM_RECEIVE < TN_STREAM_WINDOW
#error "the receive ring must hold a whole TCP window"
#endif

void tn_window_widen(struct tcp_pcb *pcb)
{
#if LWIP_WND_SCALE
	if ((pcb->flags & TF_WND_SCALE) == 0)
		return;
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
