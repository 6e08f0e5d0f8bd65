/*
 * Repair of TCP windows with several losses.
 */
#include "tn_recovery.h"

#include "tn_lwip.h"

/** Segments: with those of an answer they fit a queue of 32. */
#define RELAY_SEGMENTS 24
#define RELAY_GROWTH 4
/** A probe comes after two round trips and this; after this where none was measured; and that much later for a segment that may wait for a second one to be acknowledged. */
#define PROBE_MARGIN_MS 15u
#define PROBE_UNKNOWN_MS 500u
#define PROBE_DELAYED_MS 250u
#define PROBES 3
/** So many equal acknowledgements are a loss. RFC 5681 */
#define EQUAL_ACKNOWLEDGEMENTS 3
/** Weight of a new round trip in the smoothed one, as a shift; also its unit. RFC 6298 */
#define SMOOTHING 3u

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

/** The first segment goes to those to be sent. lwIP counts that as a time-out, and would wait sixteen times as long for the next one after three. */
static bool repeat(struct tcp_pcb *pcb)
{
	u8_t timeouts = pcb->nrtx;
	bool is_queued = tcp_rexmit(pcb) == ERR_OK;
	pcb->nrtx = timeouts;
	return is_queued;
}

/** What is next is lost too, and goes out again without waiting for more. */
static void believe_loss(struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	recovery->doubt = TN_RECOVERY_CERTAIN;
	if (pcb->unacked != NULL && repeat(pcb))
		tcp_output(pcb);
}

void tn_recovery_input(struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	if ((pcb->flags & TF_INFR) != 0 && !recovery->is_active)
		begin(recovery, pcb);
	if ((recovery->doubt == TN_RECOVERY_PROBED && pcb->dupacks >= EQUAL_ACKNOWLEDGEMENTS) || (recovery->doubt == TN_RECOVERY_PARTIAL && pcb->dupacks > 0))
		believe_loss(recovery, pcb);
	if (recovery->is_active)
		put_back(pcb);
}

/** The path stood still, nothing was lost: the window of before is right. */
static void believe_path(struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	recovery->doubt = TN_RECOVERY_CERTAIN;
	recovery->is_active = false;
	if (pcb->cwnd < recovery->window_before)
		pcb->cwnd = (tcpwnd_size_t)recovery->window_before;
	if (pcb->ssthresh < recovery->threshold_before)
		pcb->ssthresh = (tcpwnd_size_t)recovery->threshold_before;
}

void tn_recovery_acknowledged(struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	bool is_whole = TCP_SEQ_GEQ(pcb->lastack, recovery->until);
	if (recovery->is_active && recovery->answered != pcb->lastack) {
		if (recovery->doubt == TN_RECOVERY_PARTIAL || (recovery->doubt == TN_RECOVERY_PROBED && is_whole))
			believe_path(recovery, pcb);
		else if (recovery->doubt == TN_RECOVERY_PROBED)
			recovery->doubt = TN_RECOVERY_PARTIAL;
		else if (is_whole)
			recovery->is_active = false;
		else if (pcb->unacked != NULL)
			repeat(pcb);
	}
	recovery->answered = pcb->lastack;
	apply_limit(recovery, pcb);
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

/** Milliseconds from the last sign of life to the next probe. */
static uint64_t patience(const struct tn_recovery *recovery, const struct tcp_pcb *pcb)
{
	uint64_t wait = recovery->has_round_trip ? (2u * recovery->round_trip >> SMOOTHING) + PROBE_MARGIN_MS : PROBE_UNKNOWN_MS;
	if (pcb->unacked->next == NULL)
		wait += PROBE_DELAYED_MS;
	return wait << recovery->probes;
}

static void measure(struct tn_recovery *recovery, uint64_t now)
{
	uint32_t sample = (uint32_t)(now - recovery->timed_at) << SMOOTHING;
	recovery->is_timing = false;
	if (!recovery->has_round_trip)
		recovery->round_trip = sample;
	else
		recovery->round_trip = recovery->round_trip - (recovery->round_trip >> SMOOTHING) + (sample >> SMOOTHING);
	recovery->has_round_trip = true;
}

uint64_t tn_recovery_watch(struct tn_recovery *recovery, const struct tcp_pcb *pcb, uint64_t now)
{
	bool is_new = pcb->lastack != recovery->acknowledged;
	if (is_new)
		recovery->probes = 0;
	if (recovery->is_active)
		recovery->is_timing = false; /* which copy is acknowledged nobody knows (Karn's rule) */
	else if (recovery->is_timing && TCP_SEQ_GEQ(pcb->lastack, recovery->timed))
		measure(recovery, now);
	else if (!recovery->is_timing && TCP_SEQ_GT(pcb->snd_nxt, recovery->sent)) {
		recovery->is_timing = true;
		recovery->timed = pcb->snd_nxt;
		recovery->timed_at = now;
	}
	if (pcb->unacked == NULL)
		recovery->probe_at = 0;
	else if (is_new || recovery->sent != pcb->snd_nxt || (recovery->probe_at == 0 && recovery->probes == 0))
		recovery->probe_at = now + patience(recovery, pcb);
	recovery->acknowledged = pcb->lastack;
	recovery->sent = pcb->snd_nxt;
	return recovery->probe_at != 0 ? recovery->probe_at : UINT64_MAX;
}

uint64_t tn_recovery_returned(struct tn_recovery *recovery, const struct tcp_pcb *pcb, uint8_t returns, uint64_t now)
{
	const bool is_new = recovery->returns != returns;
	recovery->returns = returns;
	if (!is_new || pcb->unacked == NULL || (recovery->probes == 0 && pcb->nrtx == 0))
		return UINT64_MAX;
	recovery->probes = 0;
	return recovery->probe_at = now;
}

/** Presumably what was on its way was too much. A segment or two say nothing of that. */
static void halve_window(struct tn_recovery *recovery, struct tcp_pcb *pcb)
{
	uint32_t flight = pcb->snd_nxt - pcb->lastack;
	uint32_t least = 2u * pcb->mss;
	recovery->window_before = pcb->cwnd;
	recovery->threshold_before = pcb->ssthresh;
	if (flight <= least)
		return;
	pcb->ssthresh = (tcpwnd_size_t)(flight / 2 > least ? flight / 2 : least);
	pcb->cwnd = pcb->ssthresh;
}

uint64_t tn_recovery_probe(struct tn_recovery *recovery, struct tcp_pcb *pcb, uint64_t now)
{
	if (recovery->probe_at == 0)
		return UINT64_MAX;
	if (now < recovery->probe_at)
		return recovery->probe_at;
	if (pcb->unacked == NULL) {
		recovery->probe_at = 0;
		return UINT64_MAX;
	}
	if (!recovery->is_active) {
		begin(recovery, pcb);
		recovery->doubt = TN_RECOVERY_PROBED;
		halve_window(recovery, pcb);
	} else if (recovery->doubt == TN_RECOVERY_PARTIAL)
		recovery->doubt = TN_RECOVERY_CERTAIN;
	recovery->is_timing = false;
	if (repeat(pcb))
		tcp_output(pcb);
	put_back(pcb);
	recovery->probes++;
	recovery->probe_at = recovery->probes < PROBES && pcb->unacked != NULL ? now + patience(recovery, pcb) : 0;
	return recovery->probe_at != 0 ? recovery->probe_at : UINT64_MAX;
}
