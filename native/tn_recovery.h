/*
 * What lwIP lacks when several segments of a window are lost, as happens where a relay's short queue overflows.
 *
 *   fast retransmit of lwIP     three equal acknowledgements: the first lost segment is repeated (RFC 5681)
 *   partial acknowledgement     the next lost segment is repeated at once, not after three more or a time-out (NewReno, RFC 6582)
 *   silence                     nothing new acknowledged for two round trips while something is on its way: the first segment is repeated as a probe, and
 *                               again after twice and four times as long (after RFC 8985 §7, which repeats the last: with selective acknowledgements), and
 *                               the window is halved. What is acknowledged then tells a loss from a path that stood still (RFC 5682): two acknowledgements
 *                               that go on, or one of everything, and nothing is repeated and the window is that of before; a second silence or an equal
 *                               acknowledgement, and it was a loss. lwIP's own time-out comes after 1.5 s and later
 *
 * A repeated segment that lwIP cannot send (the window closed meanwhile) would stay in its queue of unsent ones, and at the next time-out stand behind
 * those that follow it: nothing fits the window any more, for ever. It is put back.
 *
 * And a connection over a relay begins with a window that the relay's queue holds (32 packets), and grows from there by four segments every 250 ms: a segment
 * a round trip, as lwIP has it, would overflow the queue at once where the relay is near.
 */
#ifndef TN_RECOVERY_H
#define TN_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_pcb;

/** Whether a probe was answered so far as by a path that stood still. */
enum tn_recovery_doubt {
	TN_RECOVERY_CERTAIN = 0,
	TN_RECOVERY_PROBED = 1,  /* no answer yet */
	TN_RECOVERY_PARTIAL = 2, /* something new was acknowledged, but not everything */
};

/** State of one connection; zero at its beginning. */
struct tn_recovery {
	bool is_active;
	bool is_timing;              /* a round trip is measured */
	bool has_round_trip;         /* one was */
	uint8_t doubt;               /* enum tn_recovery_doubt */
	uint8_t probes;              /* since the last new acknowledgement */
	uint8_t returns;             /* of the tunnel, as seen last */
	uint32_t until;              /* sequence number that ends the recovery */
	uint32_t acknowledged, sent; /* as seen last */
	uint32_t answered;           /* acknowledgement that was acted on last */
	uint32_t timed;              /* sequence number whose acknowledgement ends the measurement */
	uint32_t round_trip;         /* smoothed, in eighths of a millisecond */
	uint32_t limit;              /* bytes that may be on their way over a relay, 0 = no relay */
	uint32_t window_before, threshold_before;
	uint64_t timed_at;
	uint64_t probe_at; /* 0 = nothing is on its way, or there were probes enough */
};

/** The connection begins, or 250 ms have passed: it goes over a relay now, or not. */
void tn_recovery_relayed(struct tn_recovery *recovery, struct tcp_pcb *pcb, bool is_relayed);

/**
 * Ways to peers came back (struct tn_tunnel, returns): where a segment was repeated in vain, it is again at once. lwIP's time-out has doubled with each loss, to
 * half a minute and more.
 * @return when tn_recovery_probe wants to be called, UINT64_MAX = not at all
 */
uint64_t tn_recovery_returned(struct tn_recovery *recovery, const struct tcp_pcb *pcb, uint8_t returns, uint64_t now);

/**
 * lwIP is about to take a packet of the connection. The window it tells counts whenever it acknowledges something new (RFC 9293 §3.10.7.4), also on a repeated segment,
 * whose sequence number is old; lwIP would keep the window of before and move it on with the acknowledgement, and send what nobody has room for.
 */
void tn_recovery_before(struct tcp_pcb *pcb, uint32_t sequence, uint32_t acknowledged);

/**
 * The sequence number for an acknowledgement without data: that of the next byte, unless the peer's window ends before it (a peer that has closed its window over
 * bytes on their way): a segment outside of the window is dropped with all that it acknowledges, and both sides wait for each other for ever.
 */
uint32_t tn_recovery_acceptable(const struct tcp_pcb *pcb);

/** lwIP has taken a packet of the connection, and sent what it could. */
void tn_recovery_input(struct tn_recovery *recovery, struct tcp_pcb *pcb);

/** Something new was acknowledged; lwIP sends after this. It tells of more than 64 KB in parts: the first counts. */
void tn_recovery_acknowledged(struct tn_recovery *recovery, struct tcp_pcb *pcb);

/**
 * Whether tcp_write may be called. It lengthens the last unsent segment, taking it for the end of the stream; a segment that is only there to be
 * repeated is not, and bytes put behind it would stand in the place of others.
 */
bool tn_recovery_may_write(const struct tn_recovery *recovery, const struct tcp_pcb *pcb);

/**
 * After lwIP has sent or taken something: measures round trips and sets the time of the next probe.
 * @return when tn_recovery_probe wants to be called, UINT64_MAX = not at all
 */
uint64_t tn_recovery_watch(struct tn_recovery *recovery, const struct tcp_pcb *pcb, uint64_t now);

/** Sends the probe if it is time. @return when to call again, as tn_recovery_watch says */
uint64_t tn_recovery_probe(struct tn_recovery *recovery, struct tcp_pcb *pcb, uint64_t now);

#endif
