/*
 * Repair of TCP windows with several losses.
 */
#include "tn_recovery.h"

#include "tn_lwip.h"

/** Segments: with those of an answer they fit a queue of 32. */
#define RELAY_SEGMENTS 24
#define RELAY_GROWTH 4
#define QUIET_STEPS 2

static void apply_limit(const struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	if (recovery->limit != 0 && pcb->cwnd > recovery->limit)
		pcb->cwnd = (tcpwnd_size_t)recovery->limit;
}

void tn_recovery_relayed(struct tn_recovery *recovery, struct tcp_pcb *pcb, bool is_relayed)
{
	uint32_t least = (uint32_t)RELAY_SEGMENTS * pcb->mss;
	if (!is_relayed)
		recovery->limit = 0;
	else if (recovery->limit == 0)
		recovery->limit = least;
	else if (recovery->is_active)
		recovery->limit = recovery->limit / 2 > least ? recovery->limit / 2 : least;
	else if (pcb->cwnd >= recovery->limit)
		recovery->limit += (uint32_t)RELAY_GROWTH * pcb->mss;
	apply_limit(recovery, pcb);
}

static void begin(struct tn_recovery *recovery, const struct tcp_pcb *pcb)
{
	recovery->is_active = true;
	recovery->until = pcb->snd_nxt;
}

static uint32_t sequence_of(const struct tcp_seg *segment)
{
	return lwip_ntohl(segment->tcphdr->seqno);
}

/** Puts segments that stand before the last one sent from the queue of unsent ones back where they came from. */
static void put_back(struct tcp_pcb *pcb)
{
	if (pcb->unsent == NULL || pcb->unacked == NULL)
		return;
	const struct tcp_seg *last = pcb->unacked;
	while (last->next != NULL)
		last = last->next;
	while (pcb->unsent != NULL && TCP_SEQ_LT(sequence_of(pcb->unsent), sequence_of(last))) {
		struct tcp_seg *segment = pcb->unsent;
		struct tcp_seg **place = &pcb->unacked;
		pcb->unsent = segment->next;
		while (TCP_SEQ_LT(sequence_of(*place), sequence_of(segment)))
			place = &(*place)->next;
		segment->next = *place;
		*place = segment;
		if (pcb->rtime < 0)
			pcb->rtime = 0;
	}
#if TCP_OVERSIZE
	if (pcb->unsent == NULL)
		pcb->unsent_oversize = 0;
#endif
}

void tn_recovery_before(struct tcp_pcb *pcb, uint32_t sequence, uint32_t acknowledged)
{
	if (TCP_SEQ_GT(acknowledged, pcb->lastack) && TCP_SEQ_LEQ(acknowledged, pcb->snd_nxt) && TCP_SEQ_LEQ(sequence, pcb->snd_wl1))
		pcb->snd_wl1 = sequence - 1;
}

uint32_t tn_recovery_acceptable(const struct tcp_pcb *pcb)
{
	uint32_t end = pcb->lastack + pcb->snd_wnd;
	return TCP_SEQ_GT(pcb->snd_nxt, end) ? end : pcb->snd_nxt;
}

void tn_recovery_input(struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	if ((pcb->flags & TF_INFR) != 0 && !recovery->is_active)
		begin(recovery, pcb);
	if (recovery->is_active)
		put_back(pcb);
}

void tn_recovery_acknowledged(struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	recovery->quiet = 0;
	recovery->is_probed = false;
	apply_limit(recovery, pcb);
	if (!recovery->is_active)
		return;
	if (TCP_SEQ_GEQ(pcb->lastack, recovery->until))
		recovery->is_active = false;
	else if (pcb->unacked != NULL)
		tcp_rexmit(pcb);
}

bool tn_recovery_may_write(const struct tn_recovery *recovery, const struct tcp_pcb *pcb)
{
	const struct tcp_seg *last = pcb->unsent;
	if (last == NULL || (!recovery->is_active && (pcb->flags & TF_INFR) == 0))
		return true;
	while (last->next != NULL)
		last = last->next;
	return sequence_of(last) + TCP_TCPLEN(last) == pcb->snd_lbb;
}

void tn_recovery_step(struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	if (pcb->unacked == NULL || pcb->lastack != recovery->seen) {
		recovery->seen = pcb->lastack;
		recovery->quiet = 0;
		recovery->is_probed = false;
		return;
	}
	if (recovery->is_probed || ++recovery->quiet < QUIET_STEPS)
		return;
	recovery->is_probed = true;
	begin(recovery, pcb);
	if (tcp_rexmit(pcb) == ERR_OK)
		tcp_output(pcb);
	put_back(pcb);
}
